"""The diagnosis box of the inspector: what it says, and that a click is one undoable change."""

from __future__ import annotations

import dataclasses
import math

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from engine.diagnosis.report import SENTENCES, Finding, FindingKind, LayerDiagnosis, Remedy, RemedyKind, describe_remedy
from engine.numerics.schemes import Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan
from engine.requests.analysis import DiagnoseRequest
from engine.requests.request import Request
from gui.diagnosis_box import DiagnosisBox
from gui.diagnosis_texts import describe_gain, explain_remedy, finding_template, name_remedy
from gui.job_runner import Job
from gui.main_window import MainWindow
from gui.session import Session

JOB_MS = 30_000
GROUPS = Remedy(RemedyKind.GROUPS, LayerPlan(WeightScheme(4, granularity=PerGroup(16)), Kernel.QLINEAR), 2.14, 1200)
FLOAT = Remedy(RemedyKind.KEEP_FLOAT, LayerPlan(WeightScheme(16)), math.inf, 5000)
WIDE = Finding(FindingKind.WIDE_CHANNELS, {"count": 3, "channels": 256, "error_share": 0.41, "range_ratio": 9.2})
DEAD = Finding(FindingKind.DEAD_OUTPUTS, {"count": 1, "channels": 16})


class Answers(QObject):
    """Stands for the feed."""

    diagnosis_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.current: LayerDiagnosis | None = None
        self.is_waiting = False

    def give(self, found: LayerDiagnosis | None) -> None:
        self.current = found
        self.diagnosis_changed.emit()


@pytest.fixture
def answers(qapp: object) -> Answers:
    return Answers()


@pytest.fixture
def box(qtbot: QtBot, session: Session, answers: Answers) -> DiagnosisBox:
    made = DiagnosisBox(session, answers)  # type: ignore[arg-type]
    qtbot.addWidget(made)
    return made


def text_of(box: DiagnosisBox) -> str:
    label = box.findChild(QLabel, "diagnosis_text")
    assert label is not None
    return label.text().replace("\N{NO-BREAK SPACE}", " ")


def buttons_of(box: DiagnosisBox) -> list[QPushButton]:
    row = box.findChildren(QWidget, "diagnosis_remedies")[-1]
    return row.findChildren(QPushButton)


def test_that_the_window_says_in_english_what_the_command_line_says(qapp: object) -> None:
    assert {kind: finding_template(kind) for kind in FindingKind} == dict(SENTENCES)
    for kind in RemedyKind:
        remedy = Remedy(kind, GROUPS.choice, 1.0, 10)
        assert name_remedy(remedy).casefold() == describe_remedy(remedy).casefold()


def test_that_a_finding_and_its_remedies_are_shown(box: DiagnosisBox, session: Session, answers: Answers) -> None:
    assert box.isHidden()
    answers.give(LayerDiagnosis(session.selected, 12.0, (WIDE, DEAD), (GROUPS, FLOAT)))
    assert not box.isHidden()
    assert text_of(box).splitlines() == [
        "41 % of the error comes from 3 of 256 output channels, with 9.2× the median's range.",
        "Nothing comes out of 1 of 16 output channels on any sample, bias left out.",
    ]
    assert [button.text() for button in buttons_of(box)] == ["Groups of 16  +2.1 dB", "16-bit float  no loss"]
    assert [button.accessibleName() for button in buttons_of(box)] == ["Groups of 16, +2.1 dB", "16-bit float, no loss"]
    assert box.property("quiet") is False
    assert "stored weight +1.20 kB" in explain_remedy(GROUPS)


def test_that_a_click_is_one_change_that_can_be_undone(box: DiagnosisBox, session: Session, answers: Answers) -> None:
    answers.give(LayerDiagnosis(session.selected, 12.0, (WIDE,), (GROUPS,)))
    before = session.plan
    assert before is not None
    (button,) = buttons_of(box)
    button.click()
    assert session.plan is not None
    assert session.plan.layer(session.selected) == GROUPS.choice
    assert "Groups of 16" in session.undo_stack.undoText()
    session.undo_stack.undo()
    assert session.plan == before


def test_that_what_costs_nothing_is_said_quietly(box: DiagnosisBox, session: Session, answers: Answers) -> None:
    answers.give(LayerDiagnosis(session.selected, 46.12))
    assert text_of(box) == ("Nothing unusual: with weights and input quantized, the output is 46.1 dB from float.")
    assert box.property("quiet") is True
    answers.give(LayerDiagnosis(session.selected, 46.12, (DEAD,)))
    assert box.property("quiet") is True
    answers.give(LayerDiagnosis(session.selected, math.inf))
    assert text_of(box) == "Nothing is lost here."
    answers.give(LayerDiagnosis(session.selected, None))
    assert "No tensor of the graph" in text_of(box)
    answers.give(None)
    assert box.isHidden()


def test_that_fewer_bits_say_what_they_save() -> None:
    remedy = Remedy(RemedyKind.FEWER_BITS, LayerPlan(WeightScheme(4)), -3.0, -2400)
    assert (name_remedy(remedy), describe_gain(remedy)) == ("4 bits", "−2.40 kB")


def test_that_the_selected_layer_is_diagnosed_quietly_and_again_after_a_remedy(
    sample_window: MainWindow, qtbot: QtBot
) -> None:
    window, session = sample_window, sample_window.session
    asked: list[object] = []
    window.runner.job_started.connect(asked.append)
    session.assign_bits([session.selected], 2)
    qtbot.waitUntil(lambda: window.diagnoses.current is not None, timeout=JOB_MS)
    first = window.diagnoses.current
    assert first is not None
    assert first.layer == session.selected
    assert first.findings[0].kind == FindingKind.LOW_SQNR
    box = window.findChild(DiagnosisBox)
    button = box.findChild(QPushButton, "remedy_more_bits_4")
    button.click()
    assert session.plan is not None
    assert session.plan.layer(session.selected).weights.bits == 4
    qtbot.waitUntil(lambda: window.diagnoses.current not in (None, first), timeout=JOB_MS)
    session.undo_stack.undo()
    assert window.diagnoses.current is first
    assert not asked


def test_that_nothing_is_asked_without_data(loaded_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[object] = []
    create = loaded_window.runner.create_internal

    def create_and_note(request: Request) -> Job:
        requests.append(request)
        return create(request)

    monkeypatch.setattr(loaded_window.runner, "create_internal", create_and_note)
    assert not loaded_window.diagnoses.is_waiting
    loaded_window.diagnoses._request()
    assert not any(isinstance(request, DiagnoseRequest) for request in requests)


def test_that_what_takes_long_is_not_looked_at_in_passing(
    sample_window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: sample_window.diagnoses.current is not None, timeout=JOB_MS)
    monkeypatch.setattr("gui.diagnosis_feed.MAX_PARAMETERS", 10)
    sample_window.session.select(sample_window.session.layers[1].name)
    assert not sample_window.diagnoses.is_waiting
    assert sample_window.diagnoses.current is None


def test_that_the_answer_about_another_content_of_the_data_is_not_shown(sample_window: MainWindow) -> None:
    session, feed = sample_window.session, sample_window.diagnoses
    before = feed._key()
    assert before is not None
    assert session.data is not None
    found = dataclasses.replace(session.data.calibration_summary, digest="changed")
    session.set_data(dataclasses.replace(session.data, calibration_summary=found))
    after = feed._key()
    assert after is not None
    assert after != before
    assert after[3] == before[3]
