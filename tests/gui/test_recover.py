"""The Recover page with the real engine on the bundled sample at 2 bits: live, kept, taken over, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QPushButton, QTableView
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import Rounding
from engine.plan import Plan, load_plan
from engine.recovery.report import RecoverStep
from engine.recovery.targets import Rung, Target, TargetKind
from engine.requests.conversion import DistillationPoint, Evaluation
from engine.requests.data import DataChoice
from gui.main_window import MainWindow
from gui.recover.choice import RecoverChoice
from gui.recover.network_plot import NetworkPlot
from gui.results import WantedData
from gui.settings import Settings
from gui.theme import Theme
from tests.gui.conftest import JOB_MS
from tests.gui.test_main_window import dialog_of, finish_jobs, press

SAMPLE = Path(__file__).parents[2] / "resources" / "sample"
CALIBRATION = DataChoice(str(SAMPLE / "digits_calibration.npz"))
UNREACHABLE = 190.0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was measured before is known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Settings().recovery = RecoverChoice(
        TargetKind.SQNR, {**RecoverChoice().targets, TargetKind.SQNR: UNREACHABLE}, 600, (Rung.START, Rung.GPTQ)
    )


@pytest.fixture
def recover_window(sample_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """The sample at 2 bits with 32 samples to learn from, the Recover page in sight."""
    window = sample_window
    evaluation = DataChoice(str(SAMPLE / "digits_test.npz"), take=100)
    with qtbot.waitSignal(window.workflow.data_loaded, timeout=JOB_MS):
        window.workflow.load_data(WantedData(CALIBRATION, evaluation, 32))
    finish_jobs(window, qtbot)
    window.session.assign_bits([layer.name for layer in window.session.layers], 2)
    window.actions_["action_recover"].trigger()
    assert window.tabs.currentWidget() is window.recover_page
    assert not window.runner.is_busy
    return window


def start(window: MainWindow) -> Path:
    """Press the button; returns the file that is written."""
    line = window.findChild(QLineEdit, "recover_output")
    assert line is not None
    output = Path(line.text())
    press(window, "recover_button")
    assert window.runner.is_busy
    return output


def text_of(window: MainWindow, name: str) -> str:
    label = window.findChild(QLabel, name)
    assert label is not None
    return label.text()


def rows_of(window: MainWindow, name: str) -> list[list[str]]:
    """What the visible columns of a table say."""
    view = window.findChild(QTableView, name)
    assert view is not None
    model = view.model()
    columns = [at for at in range(model.columnCount()) if not view.isColumnHidden(at)]
    return [[str(model.index(row, at).data()) for at in columns] for row in range(model.rowCount())]


def test_that_a_climb_shows_every_step_and_its_best_plan_becomes_the_plan_in_one_undoable_step(
    recover_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = recover_window, recover_window.session
    before, edits, seen = session.plan, session.undo_stack.count(), set[int]()
    assert before is not None
    window.recovery.layers_changed.connect(lambda: seen.add(len(window.recovery.layers)))
    qtbot.waitUntil(lambda: text_of(window, "forecast_gptq").startswith("about"), timeout=JOB_MS)
    assert text_of(window, "forecast_mix") == "time left"
    output = start(window)
    with qtbot.waitSignal(window.recovery.finished, timeout=JOB_MS):
        pass
    finish_jobs(window, qtbot)

    first, second = rows_of(window, "recover_steps")
    assert (first[0], second[0]) == ("Plan as it is", "GPTQ")
    assert second[1] == "✓ best"
    steps = window.recovery.steps
    assert len(seen) > 3, "layers did not arrive one by one"
    assert window.recover_page.network_plot.plot.isVisible()
    seconds, figures = window.recover_page.network_plot.bests.getData()
    assert seconds.tolist() == [step.elapsed for step in steps]
    assert figures.tolist() == [step.found.sqnr_db for step in steps]
    assert "All ticked methods are tried" in text_of(window, "recover_status")
    layers = rows_of(window, "recover_layers")
    assert [row[0] for row in layers] == [layer.title for layer in session.layers]
    assert {row[1] for row in layers} == {"GPTQ"}
    assert all(float(row[3].replace("−", "-")) >= float(row[2].replace("−", "-")) for row in layers)

    runtime = ort.InferenceSession(str(output), providers=["CPUExecutionProvider"])
    with np.load(CALIBRATION.path) as arrays:
        batch = next(arrays[name] for name in arrays.files if arrays[name].ndim == 4)[:2].astype(np.float32)
    assert runtime.run(None, {runtime.get_inputs()[0].name: batch})[0].shape[0] == 2

    assert session.undo_stack.count() == edits + 1
    assert session.plan is not None
    assert {choice.rounding for choice in session.plan.layers.values()} == {Rounding.GPTQ}
    assert load_plan(output.with_suffix(".plan.json")).digest == session.plan.digest
    (run,) = session.results
    assert run.converted.output == str(output)
    assert run.evaluation == steps[1].found
    window.actions_["action_undo"].trigger()
    assert session.plan == before
    press(window, "recover_take")
    assert session.plan == steps[1].plan
    qtbot.waitUntil(lambda: text_of(window, "forecast_gptq").startswith("about"), timeout=JOB_MS)


def test_that_a_cancelled_climb_keeps_its_best_file_and_goes_on_where_it_was(
    recover_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = recover_window, recover_window.session
    session.assign_bits([layer.name for layer in session.layers if layer.parameters > 5000], 32)  # so that it is quick
    before = session.plan
    output = start(window)
    with qtbot.waitSignal(window.recovery.finished, timeout=JOB_MS):
        qtbot.waitUntil(lambda: len(window.recovery.layers) > 1, timeout=JOB_MS)
        window.actions_["action_cancel"].trigger()
    finish_jobs(window, qtbot)
    assert len(rows_of(window, "recover_steps")) == 1
    assert "Stopped early" in text_of(window, "recover_status")
    assert output.is_file()
    assert [run.converted.output for run in session.results] == [str(output)]
    assert session.plan == before

    again = start(window)
    assert again != output
    with qtbot.waitSignal(window.recovery.finished, timeout=JOB_MS):
        qtbot.waitUntil(lambda: len(window.recovery.steps) == 1, timeout=JOB_MS)
        session.assign_bits([session.layers[0].name], 8)
        changed = session.plan
    finish_jobs(window, qtbot)
    first, second = rows_of(window, "recover_steps")
    assert first[-1] == "known"
    assert float(second[-1]) > 0
    assert again.is_file()
    assert session.plan == changed, "a plan that was changed meanwhile is the user's"
    press(window, "recover_take")
    assert session.plan == window.recovery.steps[1].plan


def test_that_a_climb_that_goes_on_and_is_cancelled_leaves_what_the_first_one_found(
    recover_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = recover_window, recover_window.session
    window.findChild(QCheckBox, "rung_gptq").setChecked(False)
    start(window)
    with qtbot.waitSignal(window.recovery.finished, timeout=JOB_MS):
        pass
    finish_jobs(window, qtbot)
    window.findChild(QCheckBox, "rung_gptq").setChecked(True)
    again = start(window)
    with qtbot.waitSignal(window.recovery.finished, timeout=JOB_MS):
        qtbot.waitUntil(lambda: len(window.recovery.layers) > 1, timeout=JOB_MS)
        window.actions_["action_cancel"].trigger()
    finish_jobs(window, qtbot)
    (step,) = window.recovery.steps
    assert step.seconds == 0
    assert again.is_file()
    assert [run.converted.output for run in session.results][-1] == str(again)
    assert session.results[-1].evaluation == step.found


def test_that_a_folder_that_cannot_be_made_is_said_before_it_starts(
    recover_window: MainWindow, message: Callable[[], str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    line = recover_window.findChild(QLineEdit, "recover_output")
    assert line is not None
    line.setText(str(tmp_path / "file" / "net.onnx"))
    press(recover_window, "recover_button")
    assert str(tmp_path / "file") in message()
    assert not recover_window.runner.is_busy


def test_that_without_evaluation_data_the_button_asks_for_it(sample_window: MainWindow, qtbot: QtBot) -> None:
    window = sample_window
    with qtbot.waitSignal(window.workflow.data_loaded, timeout=JOB_MS):
        window.workflow.load_data(WantedData(CALIBRATION, None, 32))
    finish_jobs(window, qtbot)
    window.actions_["action_recover"].trigger()
    assert "evaluation data" in text_of(window, "recover_data")
    press(window, "recover_button")
    assert not window.runner.is_busy
    assert "Recover" in dialog_of(window, "data_dialog").findChild(QLabel, "problem").text()  # type: ignore[union-attr]


def test_that_a_plan_of_float_layers_has_nothing_to_recover(recover_window: MainWindow) -> None:
    window = recover_window
    window.session.assign_bits([layer.name for layer in window.session.layers], 32)
    assert "nothing to recover" in text_of(window, "recover_problem")
    button = window.findChild(QPushButton, "recover_button")
    assert button is not None
    assert not button.isEnabled()


def test_that_every_control_can_be_reached_and_has_a_name(recover_window: MainWindow) -> None:
    page = recover_window.recover_page
    for kind in (QCheckBox, QComboBox, QLineEdit, QPushButton, QTableView):
        for widget in page.findChildren(kind):
            if widget.objectName().startswith("qt_"):
                continue
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            assert widget.accessibleName() or widget.property("text")
    for box in page.findChildren(QCheckBox):
        assert "arXiv" in box.accessibleDescription() or box.objectName() == "rung_mix"


def test_that_the_form_is_remembered(recover_window: MainWindow) -> None:
    box = recover_window.findChild(QCheckBox, f"rung_{Rung.ADAROUND}")
    kind = recover_window.findChild(QComboBox, "recover_kind")
    assert box is not None
    assert kind is not None
    box.setChecked(True)
    kind.setCurrentIndex(kind.findData(TargetKind.DROP))
    known = Settings().recovery
    assert known.rungs == (Rung.START, Rung.GPTQ, Rung.ADAROUND)
    assert known.target == Target(TargetKind.DROP, 1.0)
    assert known.targets[TargetKind.SQNR] == UNREACHABLE


def test_that_the_inspector_rounds_all_selected_layers_and_undo_takes_it_back(loaded_window: MainWindow) -> None:
    window, session = loaded_window, loaded_window.session
    view, box = window.layers_page.view, window.findChild(QComboBox, "inspector_rounding")
    assert box is not None
    session.select(session.layers[0].name)
    view.selectAll()
    box.setCurrentIndex(box.findData(Rounding.GPTQ))
    box.activated.emit(box.currentIndex())
    assert session.plan is not None
    assert {session.plan.layer(layer.name).rounding for layer in session.layers} == {Rounding.GPTQ}
    name = view.model().index(1, 0)
    assert "rounded by GPTQ" in name.data(Qt.ItemDataRole.ToolTipRole)
    window.actions_["action_undo"].trigger()
    assert {session.plan.layer(layer.name).rounding for layer in session.layers} == {Rounding.NEAREST}


def build_step(rung: Rung, value: float, elapsed: float, *, is_best: bool, layer: str = "") -> RecoverStep:
    found = Evaluation("q.onnx", "f.onnx", 100, sqnr_db=value)
    return RecoverStep(rung, Plan("0" * 64, "net", {}), found, 1.0, elapsed, is_best, layer)


def test_that_the_line_of_the_plot_follows_the_best_and_goes_on_until_now(theme: Theme, qtbot: QtBot) -> None:
    plot = NetworkPlot(theme)
    qtbot.addWidget(plot)
    steps = [
        build_step(Rung.START, 5.0, 1.0, is_best=True),
        build_step(Rung.CORRECT, 4.0, 2.0, is_best=False),
        build_step(Rung.GPTQ, 9.0, 3.0, is_best=True),
    ]
    plot.show_steps(steps, Target(TargetKind.SQNR, 12.0), 7.0)
    assert plot.plot.viewRange()[1][1] > 12.0
    x, y = plot.line.getData()
    assert x.tolist() == [1.0, 3.0, 3.0, 7.0]
    assert y.tolist() == [5.0, 5.0, 9.0, 9.0]


def test_that_distillation_points_become_curves_and_a_new_training_starts_new_ones(loaded_window: MainWindow) -> None:
    panel = loaded_window.recover_page.training_plot
    assert panel.isHidden()
    for step, held_out in ((0, 2.0), (10, 1.0), (20, 1.5)):
        loaded_window.recovery.take(DistillationPoint(step, 20, held_out / 2, held_out, step == 10, step / 10))
    assert not panel.isHidden()
    learnt, held, _ = panel.plot.listDataItems()
    assert learnt.name() == "learnt from"
    steps, losses = held.getData()
    assert steps.tolist() == [0, 10, 20]
    assert losses.tolist() == [2.0, 1.0, 1.5]
    loaded_window.recovery.take(DistillationPoint(0, 20, 3.0, 3.0, True, 0.0))
    assert panel.plot.listDataItems()[1].getData()[0].tolist() == [0]
