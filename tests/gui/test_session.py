"""The session: one plan, every change undoable, live figures that follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import ActivationMode, ActivationType, Kernel
from engine.project.project import LoadedData
from engine.requests.conversion import ConvertResult, Evaluation
from engine.requests.data import DataChoice, DataSummary
from engine.sensitivity.matrix import SensitivityRow
from engine.summary import ModelSummary
from gui.session import Session

MakeRow = Callable[[str], SensitivityRow]


def bits_of(session: Session) -> list[int]:
    assert session.plan is not None
    return [session.plan.layer(layer.name).weights.bits for layer in session.layers]


def test_that_a_model_starts_with_eight_bits_everywhere(session: Session) -> None:
    assert bits_of(session) == [8, 8, 8, 8]


def test_that_assigning_bits_is_one_undoable_step(session: Session) -> None:
    session.assign_bits(["conv1"], 4)
    assert bits_of(session) == [8, 4, 8, 8]
    assert session.undo_stack.undoText() == "layer1.conv 8 → 4 bits"
    session.undo_stack.undo()
    assert bits_of(session) == [8, 8, 8, 8]
    session.undo_stack.redo()
    assert bits_of(session) == [8, 4, 8, 8]


def test_that_assigning_many_layers_is_one_step(session: Session) -> None:
    session.assign_bits(["conv0", "conv1", "conv2"], 2)
    assert session.undo_stack.count() == 1


def test_that_giving_the_same_bits_again_is_no_step(session: Session) -> None:
    session.assign_bits(["conv0"], 8)
    assert session.undo_stack.count() == 0


def test_that_plan_changed_names_only_the_layers_that_differ(session: Session, qtbot: QtBot) -> None:
    with qtbot.waitSignal(session.plan_changed) as changed:
        session.assign_bits(["conv2"], 4)
    assert changed.args == [frozenset({"conv2"})]


def test_that_locked_layers_keep_their_bits(session: Session) -> None:
    session.toggle_lock(["conv0"])
    assert session.assign_bits(["conv0", "conv1"], 4) == 1
    assert bits_of(session) == [8, 4, 8, 8]


def test_that_toggling_the_lock_frees_a_selection_only_if_all_of_it_is_locked(session: Session) -> None:
    session.toggle_lock(["conv0"])
    session.toggle_lock(["conv0", "conv1"])
    assert session.plan is not None
    assert session.plan.layer("conv0").is_locked
    assert session.plan.layer("conv1").is_locked


def test_that_fewer_bits_make_a_smaller_prediction(session: Session) -> None:
    assert session.figures is not None
    before = session.figures
    session.assign_bits([layer.name for layer in session.layers], 4)
    assert session.figures.file_bytes < before.file_bytes
    assert session.figures.ratio > before.ratio
    assert session.figures.bits_per_weight < before.bits_per_weight


def test_that_sqnr_is_predicted_once_all_cells_of_the_plan_are_measured(session: Session, make_row: MakeRow) -> None:
    for layer in session.layers[:-1]:
        session.add_rows([make_row(layer.name)])
    assert session.figures is not None
    assert session.figures.sqnr_db is None
    session.add_rows([make_row("conv3")])
    assert session.figures.sqnr_db == pytest.approx(44.0 - 6.02, abs=0.01)


def test_that_float_activations_move_every_layer_to_the_float_kernel_and_back(session: Session) -> None:
    session.set_activations(ActivationMode.FLOAT)
    assert session.plan is not None
    assert {session.plan.layer(layer.name).kernel for layer in session.layers} == {Kernel.FLOAT}
    session.undo_stack.undo()
    assert {session.plan.layer(layer.name).kernel for layer in session.layers} == {Kernel.QLINEAR}


def test_that_int8_activations_change_no_layer_and_can_be_undone(session: Session) -> None:
    assert session.plan is not None
    before = session.plan
    session.set_activations(ActivationMode.STATIC, ActivationType.INT8)
    assert session.plan.layers == before.layers
    assert session.plan.defaults.activation_type == ActivationType.INT8
    assert "int8" in session.undo_stack.undoText()
    session.undo_stack.undo()
    assert session.plan == before


def test_that_another_model_resets_everything(
    session: Session, make_model: Callable[[int], ModelSummary], make_row: MakeRow
) -> None:
    session.add_rows([make_row("conv0")])
    session.assign_bits(["conv0"], 4)
    session.set_model(make_model(2))
    assert bits_of(session) == [8, 8]
    assert session.rows == {}
    assert session.undo_stack.count() == 0
    assert session.selected == "conv0"


def test_that_results_are_evaluated_anew_on_other_data(session: Session) -> None:
    converted = ConvertResult("/results/a.onnx", 100, 100, 400, None, None, 0, ())
    session.set_data(build_data("first"))
    assert session.plan is not None
    session.add_result(converted, session.plan)
    session.set_evaluation(converted.output, Evaluation(converted.output, None, 10, top1=90.0))
    assert not session.pending_results
    session.set_data(build_data("second"))
    assert [run.name for run in session.pending_results] == ["a.onnx"]
    assert session.results[0].evaluation is None
    assert session.history[0].evaluation is not None  # nothing of the history is lost
    session.set_data(build_data("first"))
    assert not session.pending_results


def test_that_the_content_of_the_data_counts_and_not_its_name(session: Session, make_row: MakeRow) -> None:
    session.set_data(build_data("first"))
    kept = session.data
    session.add_rows([make_row("conv0")])
    session.set_data(build_data("first"))
    assert session.data is kept
    assert session.rows
    session.set_data(build_data("first", calibration_digest="other"))
    assert not session.rows


def test_that_a_run_whose_file_was_written_again_keeps_its_figures(session: Session) -> None:
    converted = ConvertResult("/results/a.onnx", 100, 100, 400, None, None, 0, ())
    assert session.plan is not None
    session.add_result(converted, session.plan)
    session.set_evaluation(converted.output, Evaluation(converted.output, None, 10, top1=90.0))
    session.add_result(converted, session.plan)
    session.set_evaluation(converted.output, Evaluation(converted.output, None, 10, top1=50.0))
    assert [run.evaluation.top1 for run in session.history if run.evaluation] == [90.0, 50.0]
    assert len(session.results) == 1


def build_data(evaluation_digest: str, calibration_digest: str = "same") -> LoadedData:
    calibration = DataSummary(10, True, calibration_digest, "ten")
    evaluation = DataSummary(10, True, evaluation_digest, "ten")
    return LoadedData(DataChoice("/a.npz"), calibration, DataChoice("/b.npz"), evaluation, 10)
