"""Cells as they arrive: the metric looked at, and what a cancelled analysis leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from engine.numerics.schemes import ActivationMode
from engine.plan import Plan
from engine.prediction import predict_ram_bytes, predict_value
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.sizes import bits_per_weight, predict_file_bytes
from gui.figures import Ledger
from gui.live_bar import LiveBar
from gui.measurements import AnalysisOrigin
from gui.session import Session

MakeRow = Callable[..., SensitivityRow]
ORIGIN = AnalysisOrigin("exact", 32, "digest")


def exact_row(name: str, kl: float = 0.1) -> SensitivityRow:
    figures: Mapping[int, float] = {16: kl / 1e6, 8: kl / 1000, 4: kl / 10, 2: kl}
    cells = {bits: Cell({Metric.KL: value, Metric.SQNR: 10.0 * bits}) for bits, value in figures.items()}
    return SensitivityRow(name, cells, dict.fromkeys(cells, 100))


def test_that_what_layers_are_ranked_by_is_shown_first(session: Session) -> None:
    session.begin_analysis(ORIGIN)
    session.add_rows([exact_row("conv0")])
    assert session.metrics == (Metric.KL, Metric.SQNR)
    assert session.metric == Metric.KL


def test_that_another_metric_can_be_chosen_and_the_figures_follow(session: Session, qtbot: QtBot) -> None:
    for layer in session.layers:
        session.add_rows([exact_row(layer.name)])
    assert session.figures is not None
    assert session.figures.value == pytest.approx(4 * 1e-4)
    with qtbot.waitSignal(session.metric_changed):
        session.set_metric(Metric.SQNR)
    assert session.figures.value == session.figures.sqnr_db


def test_that_rows_of_an_earlier_analysis_stay_until_the_next_one_has_one(session: Session, make_row: MakeRow) -> None:
    for layer in session.layers:
        session.add_rows([make_row(layer.name)])
    session.begin_analysis(ORIGIN)
    assert len(session.rows) == 4
    session.add_rows([exact_row("conv2")])
    assert set(session.rows) == {"conv2"}
    assert session.metric == Metric.KL


def test_that_a_cancelled_analysis_leaves_a_matrix_to_allocate_from(session: Session) -> None:
    session.begin_analysis(ORIGIN)
    session.add_rows([exact_row("conv1")])
    found = session.sensitivity()
    assert found is not None
    assert not session.is_analysed
    assert (found.method, found.samples, set(found.rows)) == ("exact", 32, {"conv1"})
    assert session.sensitivity() is found


def test_that_a_finished_analysis_is_the_engines_own(session: Session) -> None:
    assert session.model is not None
    rows = {layer.name: exact_row(layer.name) for layer in session.layers}
    finished = Sensitivity(session.model.sha256, "net.onnx", "exact", 32, "digest", rows)
    session.set_sensitivity(finished)
    assert session.sensitivity() is finished
    assert session.is_analysed


def check_against_engine(session: Session, plan: Plan, ledger: Ledger) -> None:
    assert session.model is not None
    figures = ledger.count(plan, session.rows, Metric.SQNR)
    assert figures.file_bytes == predict_file_bytes(session.model, plan)
    assert figures.bits_per_weight == pytest.approx(bits_per_weight(session.model, plan))
    assert figures.ram_bytes == predict_ram_bytes(session.model, plan)
    assert figures.value == predict_value(session.model, plan, session.rows, Metric.SQNR)


def test_that_the_ledger_counts_what_the_engine_counts_after_every_edit(session: Session, make_row: MakeRow) -> None:
    assert session.model is not None
    assert session.plan is not None
    ledger = Ledger(session.model)
    check_against_engine(session, session.plan, ledger)
    for layer in session.layers:
        session.add_rows([make_row(layer.name)])
    plan = session.plan
    for step, layer in enumerate(session.layers):
        plan = plan.with_bits([layer], (4, 32, 2, 16)[step])
        check_against_engine(session, plan, ledger)
    check_against_engine(session, session.plan, ledger)


def test_that_the_bar_says_when_predictions_are_of_the_weights_alone(session: Session, make_row: MakeRow) -> None:
    bar = LiveBar(session)
    label = bar.findChild(QLabel, "live_sqnr")
    assert label is not None
    session.add_rows([make_row(layer.name) for layer in session.layers])
    assert "weights alone" in label.toolTip()
    session.set_activations(ActivationMode.FLOAT)
    assert "weights alone" not in label.toolTip()
