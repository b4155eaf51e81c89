"""Export and report from the window, with the real engine: what lies on disk, and what the user is told."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QLabel, QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from engine.plan import build_plan
from engine.requests.benchmark import LatencyRequest
from engine.requests.handing_over import ReportRequest
from gui.exporting import ExportChoice, ExportKind
from gui.main_window import MainWindow

JOB_MS = 60_000
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def converted_window(sample_window: MainWindow, qtbot: QtBot, tmp_path: Path) -> MainWindow:
    """The sample, converted to 8 bits."""
    with qtbot.waitSignal(sample_window.workflow.converted, timeout=JOB_MS):
        sample_window.workflow.convert(tmp_path / "digits8.onnx", 16)
    qtbot.waitUntil(lambda: not sample_window.runner.is_busy, timeout=JOB_MS)
    return sample_window


@pytest.fixture
def dialog(converted_window: MainWindow) -> QDialog:
    """The export dialog."""
    converted_window.actions_["action_export"].trigger()
    return next(found for found in converted_window.findChildren(QDialog) if found.objectName() == "export_dialog")


def choose(dialog: QDialog, kind: ExportKind) -> None:
    box = dialog.findChild(QComboBox, "export_kind")
    assert box is not None
    assert box.findData(kind) >= 0
    box.setCurrentIndex(box.findData(kind))


def fill(dialog: QDialog, name: str, text: str) -> None:
    line = dialog.findChild(QLineEdit, name)
    assert line is not None
    line.setText(text)
    line.textEdited.emit(text)


def accept(dialog: QDialog) -> QPushButton:
    button = dialog.findChild(QPushButton, "accept_button")
    assert button is not None
    return button


def test_that_a_bundle_with_ranges_and_report_is_verified_before_done_is_said(
    dialog: QDialog, message: Callable[[], str], tmp_path: Path
) -> None:
    choose(dialog, ExportKind.ZIP)
    fill(dialog, "export_name", "digits")
    fill(dialog, "export_version", "1.2.0")
    for name in ("export_calibration", "export_report"):
        box = dialog.findChild(QCheckBox, name)
        assert box is not None
        box.setChecked(True)
    target = dialog.findChild(QLineEdit, "export_path")
    assert target is not None
    assert target.text() == str(tmp_path / "digits-1.2.0.zip")
    accept(dialog).click()
    text = message()
    assert "Verified: predict.py and the service answered class" in text
    assert str(tmp_path / "digits-1.2.0.report.html") in text
    with zipfile.ZipFile(tmp_path / "digits-1.2.0.zip") as archive:
        names = {name.removeprefix("digits-1.2.0/") for name in archive.namelist()}
        manifest = json.loads(archive.read("digits-1.2.0/manifest.json"))
    assert {"model.onnx", "predict.py", "service.py", "calibration.calib", "requirements.txt"} <= names
    assert manifest["version"] == "1.2.0"
    report = (tmp_path / "digits-1.2.0.report.html").read_text("utf-8")
    assert "digits8.onnx is" in report
    assert not list(tmp_path.glob(".*bitsmith-tmp"))


def test_that_the_result_leaves_as_packed_weights_too(
    dialog: QDialog, message: Callable[[], str], tmp_path: Path
) -> None:
    choose(dialog, ExportKind.PACKED)
    accept(dialog).click()
    assert "digits8.safetensors" in message()
    assert (tmp_path / "digits8.safetensors").stat().st_size > 0
    assert (tmp_path / "digits8.safetensors.plan.json").exists()


def test_that_a_version_or_name_that_cannot_be_is_said_at_once(dialog: QDialog, tmp_path: Path) -> None:
    problem = dialog.findChild(QLabel, "problem")
    assert problem is not None
    choose(dialog, ExportKind.FOLDER)
    assert accept(dialog).isEnabled()
    fill(dialog, "export_version", "one")
    assert "no Semantic Version" in problem.text()
    assert not accept(dialog).isEnabled()
    fill(dialog, "export_version", "1.0.0")
    (tmp_path / "digits8-1.0.0").mkdir()
    fill(dialog, "export_name", "digits8")
    assert "exists already" in problem.text()
    choose(dialog, ExportKind.ZIP)
    assert accept(dialog).isEnabled()
    dialog.close()


def test_that_nothing_else_follows_a_part_that_failed(
    converted_window: MainWindow, dialog: QDialog, message: Callable[[], str], qtbot: QtBot, tmp_path: Path
) -> None:
    choose(dialog, ExportKind.FOLDER)
    report = dialog.findChild(QCheckBox, "export_report")
    assert report is not None
    report.setChecked(True)
    (tmp_path / "digits8.onnx").write_bytes(b"something else")
    accept(dialog).click()
    assert "is not the file that digits8.manifest.json describes" in message()
    qtbot.waitUntil(lambda: not converted_window.runner.is_busy, timeout=JOB_MS)
    assert not list(tmp_path.glob("*.html"))
    assert not (tmp_path / "digits8-1.0.0").exists()


def test_that_a_report_of_an_unconverted_plan_keeps_the_plan(
    sample_window: MainWindow, message: Callable[[], str], tmp_path: Path
) -> None:
    session = sample_window.session
    assert session.model is not None
    session.change_plan(build_plan(session.model, 4), "4 bits")
    sample_window.exporter.report(tmp_path / "digits.html")
    assert str(tmp_path / "digits.html") in message()
    assert "Convert with the current plan" in (tmp_path / "digits.html").read_text("utf-8")
    plan = json.loads((tmp_path / "digits.current-plan.json").read_text("utf-8"))
    assert {layer["bits"] for layer in plan["layers"].values()} == {4}


def test_that_a_job_that_begins_while_a_model_is_copied_is_waited_for(
    converted_window: MainWindow, dialog: QDialog, qtbot: QtBot, message: Callable[[], str], tmp_path: Path
) -> None:
    window = converted_window
    choose(dialog, ExportKind.MODEL)
    fill_path(dialog, tmp_path / "copy.onnx")
    report = dialog.findChild(QCheckBox, "export_report")
    assert report is not None
    report.setChecked(True)
    jobs: list[type] = []
    window.runner.job_started.connect(lambda job: jobs.append(type(job.request)))
    accept(dialog).click()
    window.workflow.measure_latency(1)
    assert jobs == [LatencyRequest]
    assert "copy.report.html" in message()
    assert (tmp_path / "copy.onnx").is_file()
    assert (tmp_path / "copy.report.html").is_file()
    assert jobs == [LatencyRequest, ReportRequest]


def test_that_two_exports_do_not_mix(
    converted_window: MainWindow, qtbot: QtBot, message: Callable[[], str], tmp_path: Path
) -> None:
    exporter, run = converted_window.exporter, converted_window.session.results[0]
    exporter.export(ExportChoice(run, ExportKind.MODEL, tmp_path / "one.onnx", with_report=True))
    exporter.export(ExportChoice(run, ExportKind.MODEL, tmp_path / "two.onnx"))
    first = message()
    assert "one.onnx" in first
    assert "one.report.html" in first
    assert "two.onnx" in message()


def fill_path(dialog: QDialog, path: Path) -> None:
    line = dialog.findChild(QLineEdit, "export_path")
    assert line is not None
    line.setText(str(path))
