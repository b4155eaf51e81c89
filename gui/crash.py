"""What happens when Bitsmith itself is wrong: a report to copy instead of a window that vanishes."""

from __future__ import annotations

import platform
import sys
import traceback
from types import TracebackType

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QDialogButtonBox, QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from gui.naming import named

WIDTH, HEIGHT = 680, 420
_open_dialogs: set[QDialog] = set()


class CrashDialog(QDialog):
    """Shows one report."""

    def __init__(self, report: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("crash_dialog")
        self.setWindowTitle(self.tr("A bug in Bitsmith"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(WIDTH, HEIGHT)
        text = self.tr("Something went wrong that is not your fault. Your work is still here. Please send this report.")
        self._report = named(QPlainTextEdit(describe_system() + report, readOnly=True), "crash_report")
        self._report.setAccessibleName(self.tr("Report"))
        self._report.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(self.tr("Copy the report"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("copy_report")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._report.toPlainText()))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(text, wordWrap=True))
        layout.addWidget(self._report, 1)
        layout.addWidget(buttons)


def describe_system() -> str:
    """The lines that every report starts with."""
    return f"Python {platform.python_version()}, Qt {qVersion()}, {platform.platform()}\n\n"


def show_crash(report: str, parent: QWidget | None = None) -> None:
    """Open a crash dialog over `parent`."""
    dialog = CrashDialog(report, parent)
    _open_dialogs.add(dialog)  # without a parent nothing else would keep it
    dialog.finished.connect(lambda: _open_dialogs.discard(dialog))
    dialog.open()


def install_crash_hook() -> None:
    """From now on an exception that nobody caught opens the crash dialog."""
    sys.excepthook = _on_exception


def _on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        QApplication.quit()
        return
    report = "".join(traceback.format_exception(kind, error, trace))
    if sys.__stderr__ is not None:
        sys.__stderr__.write(report)
    application = QApplication.instance()
    if isinstance(application, QApplication):
        show_crash(report, application.activeWindow())
