"""Why a layer has its bits: what the allocation said stays true, or goes, or is marked as outdated."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QLabel

from engine.allocation import allocate
from engine.numerics.schemes import Rounding
from engine.plan import build_plan
from engine.requests.allocation import AllocateRequest, Budget
from engine.sensitivity.matrix import Metric, Sensitivity
from gui.layer_edits import LayerEdit
from gui.main_window import MainWindow
from gui.plan_edits import REASON
from tests.gui.conftest import build_row

OUTDATED = "changed by hand since"


@pytest.fixture
def assigned(loaded_window: MainWindow) -> MainWindow:
    """A window with a measured model whose bits were assigned for a budget."""
    session = loaded_window.session
    assert session.model is not None
    rows = {layer.name: build_row(layer.name, 20.0 + at) for at, layer in enumerate(session.layers)}
    for row in rows.values():
        session.add_rows([row])
    sensitivity = Sensitivity(session.model.sha256, "net", "quick", 1, "0", rows)
    start = build_plan(session.model, 8)
    plan = allocate(AllocateRequest(session.model, sensitivity, start, Budget(size_ratio=0.25), Metric.SQNR)).plan
    session.change_plan(plan, "assign")
    session.select("conv1")
    return loaded_window


def reason_of(window: MainWindow) -> QLabel:
    label = window.findChild(QLabel, "inspector_reason")
    assert label is not None
    return label


def test_that_a_layer_that_is_changed_by_hand_has_no_reason_any_more(assigned: MainWindow) -> None:
    session, reason = assigned.session, reason_of(assigned)
    assert "predicted loss" in reason.text()
    assert OUTDATED not in reason.text()
    assert session.plan is not None
    session.assign_bits(["conv1"], 4 if session.plan.layer("conv1").weights.bits == 8 else 8)
    assert reason.isHidden()
    session.undo_stack.undo()
    assert not reason.isHidden()
    session.edit_layers(["conv1"], LayerEdit(rounding=Rounding.GPTQ), "GPTQ")
    assert reason.isHidden()


def test_that_the_reasons_of_other_layers_say_that_they_are_of_an_earlier_plan(assigned: MainWindow) -> None:
    session, reason = assigned.session, reason_of(assigned)
    other = session.layers[-1].name
    assert other != "conv1"
    session.assign_bits([other], 2)
    assert "predicted loss" in reason.text()
    assert OUTDATED in reason.text()
    session.undo_stack.undo()
    assert OUTDATED not in reason.text()


def test_that_a_lock_changes_no_reason(assigned: MainWindow) -> None:
    session = assigned.session
    before = reason_of(assigned).text()
    session.toggle_lock(["conv1"])
    session.edit_layers(["conv1"], LayerEdit(is_locked=False), "free")
    assert reason_of(assigned).text() == before
    assert session.plan is not None
    assert REASON in session.plan.layer("conv1").extra
