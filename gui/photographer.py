"""Takes pictures of the window: waits until it has come to rest, and paints open dialogs into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path

from PySide6.QtCore import QObject, QRect, QTimer
from PySide6.QtGui import QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QDialog

from gui.dialogs.form_dialog import FormDialog
from gui.main_window import MainWindow

POLL_MS = 20
STEP_TIMEOUT_S = 90.0
SETTLE_S = 0.4
ASIDE = "shots"
"""Folder for what is not kept in the repository."""

Condition = Callable[[], bool]
Steps = Generator[Condition, None, None]


class Photographer(QObject):
    """Runs steps in the event loop: each yields a condition, and goes on once it holds.

    Args:
        steps: what to do, given this.

    Attributes:
        problem: a sentence that says why the steps were not finished, "" if they were.
    """

    def __init__(self, window: MainWindow, folder: Path, steps: Callable[[Photographer], Steps]) -> None:
        super().__init__(window)
        self.problem = ""
        self.window = window
        self._folder = folder
        self._count = 0
        self._steps = steps(self)
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

    # --- means ---------------------------------------------------------------------------------

    def trigger(self, name: str) -> None:
        """Choose a menu entry."""
        action = self.window.actions_[name]
        assert action.isEnabled(), f"{name} is disabled"
        action.trigger()

    def press(self, name: str) -> None:
        """Press a button anywhere in the window."""
        button = self.window.findChild(QAbstractButton, name)
        assert button is not None and button.isEnabled(), f"{name} cannot be pressed"  # noqa: PT018
        button.click()

    def choose(self, name: str, data: object) -> None:
        """Choose what stands for `data` in a box."""
        box = self.window.findChild(QComboBox, name)
        assert box is not None, f"{name} is not there"
        box.setCurrentIndex(box.findData(data))

    def submit(self, name: str) -> None:
        """Press the accept button of an open dialog."""
        dialog = self.window.findChild(FormDialog, name)
        assert dialog is not None, f"{name} is not open"
        dialog.submit()

    def close_dialogs(self) -> None:
        """Close what is open above the window, without accepting it."""
        for dialog in self.window.findChildren(QDialog):
            if dialog.isVisible():
                dialog.reject()

    def is_idle(self) -> bool:
        """Whether no job of the user runs."""
        return not self.window.runner.is_busy

    def settled(self) -> Condition:
        """A moment for layouts and repaints, after whatever is fetched in the background has come."""
        end = time.monotonic() + SETTLE_S

        def has_settled() -> bool:
            nonlocal end
            if not self.window.runner.is_at_rest:
                end = time.monotonic() + SETTLE_S
            return time.monotonic() > end

        return has_settled

    def shoot(self, name: str) -> None:
        """Write the next numbered picture."""
        self._count += 1
        self._save(self._folder / f"{self._count:02d}_{name}.png")

    def shoot_aside(self, name: str) -> None:
        """Write a picture that is not for the README."""
        folder = self._folder / ASIDE
        folder.mkdir(exist_ok=True)
        self._save(folder / f"{name}.png")

    def _save(self, path: Path) -> None:
        picture = self.window.grab()
        self._paint_dialogs(picture)
        assert picture.save(str(path)), f"{path} cannot be written"

    def _paint_dialogs(self, picture: QPixmap) -> None:
        """Open dialogs are windows of their own: put them where they stand, in the middle."""
        painter = QPainter(picture)
        for dialog in self.window.findChildren(QDialog):
            if dialog.isVisible():
                own = dialog.grab()
                corner = picture.rect().center() - own.rect().center()
                painter.drawPixmap(corner, own)
                painter.setPen(self.window.palette().color(QPalette.ColorRole.PlaceholderText))
                painter.drawRect(QRect(corner, own.size()))
        painter.end()
