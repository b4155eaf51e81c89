"""Pictures of the real window at work on the bundled sample: for the README and for `bitsmith demo`.

Drives the window as a user would (actions by name, session and workflow for what a dialog would ask),
in its own settings, with results in a temporary folder. Works on the offscreen platform.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

from PySide6.QtCore import QObject, QRect, QSettings, QTimer
from PySide6.QtGui import QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication, QDialog

from engine.jobs.requests import Budget
from engine.plan import build_plan
from gui.app import build_main_window
from gui.dialogs.form_dialog import FormDialog
from gui.main_window import MainWindow

SIZE = (1360, 860)
POLL_MS = 20
STEP_TIMEOUT_S = 90.0
SETTLE_S = 0.4
MIXED_RATIO = 0.2
SELECTED_LAYER = "block2.conv1"

Condition = Callable[[], bool]
Steps = Generator[Condition, None, None]


def take_pictures(folder: Path) -> int:
    """Write numbered PNG files into `folder` and return the exit status; a failure is one line on stderr."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9]_*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="bitsmith-pictures-", ignore_cleanup_errors=True) as work:
        settings = str(Path(work) / "settings")
        for kind in (QSettings.Format.NativeFormat, QSettings.Format.IniFormat):
            QSettings.setPath(kind, QSettings.Scope.UserScope, settings)
        application = QApplication.instance() or QApplication(["bitsmith"])
        window = build_main_window()
        window.resize(*SIZE)
        window.show()
        photographer = _Photographer(window, folder, Path(work))
        photographer.start()
        application.exec()
        window.close()
        problem = photographer.problem
        if problem:
            sys.stderr.write(f"bitsmith: {problem}\n")
        return 1 if problem else 0


class _Photographer(QObject):
    """Runs the steps in the event loop: each yields a condition, and goes on once it holds."""

    def __init__(self, window: MainWindow, folder: Path, work: Path) -> None:
        super().__init__(window)
        self.problem = ""
        self._window = window
        self._folder = folder
        self._work = work
        self._count = 0
        self._steps = self._tour()
        self._condition: Condition = lambda: True
        self._deadline = 0.0
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self._go_on)

    def start(self) -> None:
        """Begin as soon as the event loop runs."""
        self._timer.start()

    def _go_on(self) -> None:
        try:
            if not self._condition():
                if self._deadline and time.monotonic() > self._deadline:
                    self._finish(f"The window did not come to rest within {STEP_TIMEOUT_S:.0f} s.")
                return
            self._condition = next(self._steps)
            self._deadline = time.monotonic() + STEP_TIMEOUT_S
        except StopIteration:
            self._finish("")
        except (AssertionError, RuntimeError, LookupError) as error:
            self._finish(f"The window could not be driven ({type(error).__name__}: {error}).")

    def _finish(self, problem: str) -> None:
        self._timer.stop()
        self.problem = problem
        QApplication.exit(0)

    # --- the tour ------------------------------------------------------------------------------

    def _tour(self) -> Steps:
        window, session = self._window, self._window.session
        self._trigger("action_theme_dark")
        yield self._settled()
        self._shoot("start")
        self._trigger("action_open_sample")
        yield lambda: session.evaluation_data is not None and self._is_idle()
        session.select(SELECTED_LAYER)
        yield self._settled()
        self._shoot("opened")
        yield from self._analyse()
        window.workflow.allocate(Budget(size_ratio=MIXED_RATIO))
        yield self._is_idle
        yield self._settled()
        self._shoot("analysed")
        window.tabs.setCurrentWidget(window.distributions_page)
        yield self._settled()
        self._shoot("distributions")
        yield from self._convert_and_compare()
        window.tabs.setCurrentWidget(window.tradeoff_page)
        yield lambda: bool(window.tradeoff_page.points)
        yield self._settled()
        self._shoot("tradeoff")
        window.tabs.setCurrentWidget(window.compare_page)
        self._trigger("action_theme_light")
        yield self._settled()
        self._shoot("compared_light")
        window.tabs.setCurrentWidget(window.layers_page)
        yield self._settled()
        self._shoot("layers_light")
        self._trigger("action_theme_dark")

    def _analyse(self) -> Steps:
        """Take a picture when half of the rows have arrived, inside the signal: later it would be too late."""
        window, session = self._window, self._window.session
        half = len(session.layers) // 2
        self._wanted_rows = half
        session.sensitivity_changed.connect(self._shoot_analysis)
        self._trigger("action_analyse")
        yield self._settled()
        self._shoot("analyse_dialog")
        self._submit("analyse_dialog")
        yield lambda: window.session.sensitivity() is not None and self._is_idle()
        session.sensitivity_changed.disconnect(self._shoot_analysis)

    def _shoot_analysis(self) -> None:
        if len(self._window.session.rows) == self._wanted_rows:
            self._wanted_rows = -1
            self._shoot("analysing")

    def _convert_and_compare(self) -> Steps:
        window, session = self._window, self._window.session
        assert session.model is not None
        assert session.plan is not None
        mixed = session.plan
        for name, plan in (
            ("digits_8bit", build_plan(session.model, 8)),
            ("digits_4bit", build_plan(session.model, 4)),
            ("digits_mixed", mixed),
        ):
            session.change_plan(plan, name)
            count = len(session.results)
            window.workflow.convert(self._work / f"{name}.onnx", 128)
            yield self._has_results(count + 1)
            yield self._settled()
            self._close_dialogs()
        self._trigger("action_compare")
        yield lambda: not session.pending_results and self._is_idle()
        yield self._settled()
        self._close_dialogs()
        self._shoot("compared")
        self._trigger("action_benchmark")
        yield lambda: session.baseline is not None and self._is_idle()
        yield self._settled()
        self._close_dialogs()
        self._shoot("benchmarked")

    # --- means ---------------------------------------------------------------------------------

    def _trigger(self, name: str) -> None:
        action = self._window.actions_[name]
        assert action.isEnabled(), f"{name} is disabled"
        action.trigger()

    def _submit(self, name: str) -> None:
        """Press the accept button of an open dialog."""
        dialog = self._window.findChild(FormDialog, name)
        assert dialog is not None, f"{name} is not open"
        dialog.submit()

    def _is_idle(self) -> bool:
        return not self._window.runner.is_busy

    def _has_results(self, count: int) -> Condition:
        return lambda: len(self._window.session.results) >= count and self._is_idle()

    def _settled(self) -> Condition:
        """A moment for layouts, repaints and the histogram of the selected layer."""
        end = time.monotonic() + SETTLE_S
        return lambda: time.monotonic() > end

    def _close_dialogs(self) -> None:
        for dialog in self._window.findChildren(QDialog):
            if dialog.isVisible():
                dialog.accept()

    def _shoot(self, name: str) -> None:
        self._count += 1
        path = self._folder / f"{self._count:02d}_{name}.png"
        picture = self._window.grab()
        self._paint_dialogs(picture)
        assert picture.save(str(path)), f"{path} cannot be written"

    def _paint_dialogs(self, picture: QPixmap) -> None:
        """Open dialogs are windows of their own: put them where they stand, in the middle."""
        painter = QPainter(picture)
        for dialog in self._window.findChildren(QDialog):
            if dialog.isVisible():
                own = dialog.grab()
                corner = picture.rect().center() - own.rect().center()
                painter.drawPixmap(corner, own)
                painter.setPen(self._window.palette().color(QPalette.ColorRole.PlaceholderText))
                painter.drawRect(QRect(corner, own.size()))
        painter.end()
