"""Tests of what all dialogs share, and of what their fields suggest."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QLabel, QLineEdit
from pytestqt.qtbot import QtBot

from gui.dialogs.form_dialog import FormDialog
from gui.main_window import MainWindow

WIDE = 900
JOB_MS = 60_000


def test_that_a_dialog_is_as_wide_as_its_content_also_on_a_small_screen(window: MainWindow) -> None:
    dialog = FormDialog("wide", window)
    content = QLabel()
    content.setFixedWidth(WIDE)
    dialog.form.addRow(content)
    dialog.open()
    assert dialog.screen().availableGeometry().width() * 2 / 3 < WIDE, "else Qt shows it as wide as it asks for"
    assert dialog.rect().contains(content.geometry())


def test_that_return_accepts_again_after_the_form_was_wrong(window: MainWindow, qtbot: QtBot) -> None:
    dialog = FormDialog("form", window)
    dialog.form.addRow(QLineEdit())
    dialog.open()
    dialog.accept_button.setFocus()
    qtbot.waitUntil(dialog.accept_button.hasFocus)
    dialog.accept_button.setEnabled(False)
    dialog.accept_button.setEnabled(True)
    assert dialog.accept_button.isDefault()


def test_that_an_export_beside_the_result_is_offered_under_another_name(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    with qtbot.waitSignal(sample_window.workflow.converted, timeout=JOB_MS):
        sample_window.workflow.convert(tmp_path / "digits_8bit.onnx", 8)
    qtbot.waitUntil(lambda: not sample_window.runner.is_busy, timeout=JOB_MS)
    sample_window.actions_["action_export"].trigger()
    dialog = sample_window.findChild(FormDialog, "export_dialog")
    assert dialog is not None
    line = dialog.findChild(QLineEdit, "export_path")
    assert line is not None
    assert line.text() == str(tmp_path / "digits_8bit-2.onnx")
    assert dialog.accept_button.isEnabled()
