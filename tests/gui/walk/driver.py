"""Drives the real window from within its own process: keys, clicks and typing as a user's, and pictures.

A walk is a generator. It acts, then yields what to wait for; it goes on in the event loop once that holds. Widgets are
found by the names that they bear in whatever window or dialog is on top.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, QRect, Qt, QTimer
from PySide6.QtGui import QImage, QKeySequence, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLineEdit, QMessageBox, QTabWidget, QWidget

from gui.main_window import MainWindow

POLL_MS = 20
SETTLE_S = 0.6
STEP_S = 240.0
BACKGROUND = 0x808080

Condition = Callable[[], bool]
Walk = Generator[Condition, None, None]
AnyWidget = TypeVar("AnyWidget", bound=QWidget)


class Driver(QObject):
    """Takes one walk, then ends the event loop; `problem` says what stopped it.

    Args:
        folder: where the pictures go, None for no pictures.
    """

    def __init__(self, walk: Callable[[Driver], Walk], folder: Path | None) -> None:
        super().__init__()
        self.problem = ""
        self._folder = folder
        self._count = 0
        self._walk = walk(self)
        self._condition: Condition = lambda: self._find_window() is not None
        self._deadline = time.monotonic() + STEP_S
        self._timer = QTimer(self, interval=POLL_MS)
        self._timer.timeout.connect(self._go_on)
        self._timer.start()

    def _go_on(self) -> None:
        try:
            if self._is_on_top() and self._condition():
                self._condition = next(self._walk)
                self._deadline = time.monotonic() + STEP_S
            elif time.monotonic() > self._deadline:
                raise TimeoutError(f"waited {STEP_S:.0f} s in vain, in line {self._walk.gi_frame.f_lineno}")
        except StopIteration:
            self._end("")
        except Exception:  # noqa: BLE001 - reported, with a picture
            self.shoot("stopped_here")
            self._end(traceback.format_exc())

    def _is_on_top(self) -> bool:
        """Whether the dialog on top, or the window, gets the keys; a bare X server has nobody who sees to that."""
        top = QApplication.activeModalWidget() or self._find_window()
        if top is not None and QApplication.activeWindow() is not top:
            top.activateWindow()
            return False
        return True

    def _end(self, problem: str) -> None:
        self.problem = problem
        self._timer.stop()
        QApplication.exit(1 if problem else 0)

    # --- what is there -------------------------------------------------------------------------

    @property
    def window(self) -> MainWindow:
        """The main window."""
        window = self._find_window()
        assert window is not None
        return window

    def _find_window(self) -> MainWindow | None:
        tops = (top for top in QApplication.topLevelWidgets() if isinstance(top, MainWindow) and top.isVisible())
        return next(tops, None)

    def dialog(self, name: str) -> QDialog | None:
        """The open dialog of that name."""
        return next((box for box in self.window.findChildren(QDialog, name) if box.isVisible()), None)

    def find(self, kind: type[AnyWidget], name: str) -> AnyWidget:
        """The visible widget of that name: of an open dialog first."""
        owners = [*(box for box in self.window.findChildren(QDialog) if box.isVisible()), self.window]
        for owner in owners:
            found = [widget for widget in owner.findChildren(kind, name) if widget.isVisible()]
            if found:
                return found[0]
        raise LookupError(f"no {name} is visible")

    def message(self) -> str:
        """What the message box on top says, "" if there is none."""
        box = self.dialog("message_box")
        return box.text() if isinstance(box, QMessageBox) else ""

    # --- what to wait for ----------------------------------------------------------------------

    def opened(self, name: str) -> Condition:
        """Until a dialog of that name is open."""
        return lambda: self.dialog(name) is not None

    def closed(self, name: str) -> Condition:
        """Until no dialog of that name is open."""
        return lambda: self.dialog(name) is None

    def idle(self) -> bool:
        """Whether no job of the user runs."""
        return not self.window.runner.is_busy

    def settled(self) -> Condition:
        """A moment for layouts and repaints, after the page is there and what is fetched in the background has come."""
        end = time.monotonic() + SETTLE_S

        def has_settled() -> bool:
            nonlocal end
            is_fetching = not (self.window.runner.is_busy or self.window.runner.is_at_rest)
            if is_fetching or not self.window.tabs.currentWidget().objectName():
                end = time.monotonic() + SETTLE_S
            return time.monotonic() > end

        return has_settled

    def pause(self, seconds: float) -> Condition:
        """So long."""
        end = time.monotonic() + seconds
        return lambda: time.monotonic() > end

    # --- what a user does ----------------------------------------------------------------------

    def press(self, keys: str, widget: QWidget | None = None) -> None:
        """Press keys, such as Ctrl+O, where the focus is or in `widget`."""
        combination = QKeySequence(keys)[0]
        target = widget or QApplication.focusWidget() or self.window
        QTest.keyClick(target, combination.key(), combination.keyboardModifiers())

    def click(self, name: str) -> None:
        """Click a widget in its middle."""
        widget = self.find(QWidget, name)
        assert widget.isEnabled(), f"{name} is disabled"
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def enter(self, name: str, text: str) -> None:
        """Replace what stands in a line."""
        line = self.find(QLineEdit, name)
        line.setFocus()
        line.selectAll()
        QTest.keyClicks(line, text)

    def enter_file(self, dialog: str, path: Path) -> Walk:
        """Type a path into a file dialog and press Return."""
        yield self.opened(dialog)
        self.enter("fileNameEdit", str(path))
        self.press("Return", self.find(QLineEdit, "fileNameEdit"))
        yield self.closed(dialog)

    def turn_to(self, page: QWidget) -> Condition:
        """Click the tab of a page."""
        owner = page.parentWidget()
        while not isinstance(owner, QTabWidget):
            assert owner is not None
            owner = owner.parentWidget()
        bar = owner.tabBar()
        QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(owner.indexOf(page)).center())
        assert owner.currentWidget() is page
        return self.settled()

    def trigger(self, name: str) -> None:
        """Choose a menu entry."""
        action = self.window.actions_[name]
        assert action.isEnabled(), f"{name} is disabled"
        action.trigger()

    def shoot(self, name: str) -> None:
        """Take a picture of all windows as they stand."""
        if self._folder is None:
            return
        self._count += 1
        tops = [top for top in QApplication.topLevelWidgets() if top.isVisible() and top.width() > 1]
        tops.sort(key=lambda top: not isinstance(top, MainWindow))
        area = QRect()
        for top in tops:
            area = area.united(top.geometry())
        image = QImage(area.size(), QImage.Format.Format_RGB32)
        image.fill(BACKGROUND)
        painter = QPainter(image)
        for top in tops:
            painter.drawPixmap(top.geometry().topLeft() - area.topLeft(), top.grab())
        painter.end()
        assert image.save(str(self._folder / f"{self._count:02d}_{name}.png"))
