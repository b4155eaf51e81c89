"""Compare: the table and its differences, alerts, details by layer and sample, and why a result is not faster."""

from __future__ import annotations

import csv
import dataclasses
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLabel, QWidget
from pytestqt.qtbot import QtBot

from engine.bottlenecks.report import REMEDIES, SENTENCES, Bottleneck, BottleneckKind, SpeedRemedy, SpeedRemedyKind
from engine.numerics.schemes import ActivationMode, Kernel
from engine.plan import PlanDefaults, build_plan
from engine.requests.benchmark import BenchmarkPoint, RunSetting
from engine.requests.comparison import LayerError, LayerErrors
from engine.requests.conversion import Evaluation
from gui.benchmark_page import BenchmarkPage
from gui.compare.alert_texts import describe_alert
from gui.compare.alerts import AlertKind, find_alerts
from gui.compare.plan_remedies import apply_remedy
from gui.compare.store import Subject
from gui.compare.thresholds import Thresholds
from gui.compare.why_texts import bottleneck_template, remedy_template
from gui.main_window import MainWindow
from gui.result_table import DELTA_ROLE, TONE_ROLE, ResultView, Tone
from gui.session import Session
from gui.settings import Settings
from tests.gui.conftest import JOB_MS, build_summary

GB = 10**9


def point(p99: float = 4.0, rss: int = 8 * GB) -> BenchmarkPoint:
    return BenchmarkPoint("a.onnx", 100, {"p50": 1.0, "p90": 2.0, "p99": p99}, 1000.0, 1.0, rss, 30)


def evaluation(
    top1: float | None = None, agreement: float | None = None, perplexity: float | None = None
) -> Evaluation:
    return Evaluation(
        "a.onnx", "f.onnx", 10, top1=top1, agreement=agreement, perplexity=perplexity,
        reference_top1=None if top1 is None else 80.0, reference_perplexity=None if perplexity is None else 10.0,
    )  # fmt: skip


def subject(measured: Evaluation | None = None, benchmark: BenchmarkPoint | None = None) -> Subject:
    return Subject("/results/a.onnx", 100, evaluation=measured, benchmark=benchmark)


def test_that_alerts_name_each_limit_that_is_exceeded() -> None:
    limits = Thresholds(memory_percent=90, memory_limit_mb=0, p99_ms=3.0, loss_percent=5.0)
    both = find_alerts([subject(benchmark=point())], limits, 8 * GB)
    assert {alert.kind: alert.value for alert in both} == {AlertKind.P99: 4.0, AlertKind.MEMORY: 100.0}
    assert describe_alert(both[0]) == "a.onnx: P99 is 4.00 ms, above 3 ms."
    assert find_alerts([subject(benchmark=point(p99=3.0, rss=7 * GB))], limits, 8 * GB) == ()
    device = dataclasses.replace(limits, memory_limit_mb=1000, p99_ms=0)
    assert [alert.value for alert in find_alerts([subject(benchmark=point())], device, 64 * GB)] == [800.0]


@pytest.mark.parametrize(
    ("measured", "kind", "value"),
    [
        (evaluation(top1=75.0), AlertKind.TOP1, 6.25),
        (evaluation(top1=77.0), None, 0.0),
        (evaluation(top1=79.0, agreement=80.0), None, 0.0),
        (evaluation(agreement=94.0), AlertKind.AGREEMENT, 6.0),
        (evaluation(perplexity=11.0), AlertKind.PERPLEXITY, 10.0),
    ],
)
def test_that_the_loss_is_measured_in_the_metric_of_the_task(
    measured: Evaluation, kind: AlertKind | None, value: float
) -> None:
    found = find_alerts([subject(measured)], Thresholds(), GB)
    assert [alert.kind for alert in found] == ([kind] if kind else [])
    assert [alert.value for alert in found] == pytest.approx([value] if kind else [])


def test_that_thresholds_are_remembered() -> None:
    assert Settings().thresholds == Thresholds()
    Settings().thresholds = Thresholds(80.0, 512.0, 12.5, 1.0)
    assert Settings().thresholds == Thresholds(80.0, 512.0, 12.5, 1.0)


def test_that_remedies_change_the_layers_they_name_and_leave_locked_ones() -> None:
    model = build_summary(3)
    plan = build_plan(model, 8, PlanDefaults(activations=ActivationMode.STATIC)).with_lock(["conv1"], locked=True)
    kept = apply_remedy(plan, model, SpeedRemedy(SpeedRemedyKind.KEEP_FLOAT, ("conv0", "conv1")))
    assert [kept.layer(f"conv{at}").kernel for at in range(3)] == [Kernel.FLOAT, Kernel.QLINEAR, Kernel.QLINEAR]
    assert kept.layer("conv0").weights.bits == 8
    back = apply_remedy(
        plan.with_bits(model.layers, 32), model, SpeedRemedy(SpeedRemedyKind.INTEGER_LAYERS, ("conv2",))
    )
    assert [back.layer(f"conv{at}").weights.bits for at in range(3)] == [32, 8, 8]
    reduced = apply_remedy(plan, model, SpeedRemedy(SpeedRemedyKind.REDUCE_RANGE))
    assert [reduced.layer(f"conv{at}").weights.reduce_range for at in range(3)] == [True, False, True]
    assert reduced.defaults.reduce_range
    dynamic = build_plan(model, 8, PlanDefaults(activations=ActivationMode.FLOAT))
    static = apply_remedy(dynamic, model, SpeedRemedy(SpeedRemedyKind.STATIC_ACTIVATIONS))
    assert {static.layer(layer.name).kernel for layer in model.layers} == {Kernel.QLINEAR}


def test_that_the_window_says_what_the_command_line_says() -> None:
    assert {kind: bottleneck_template(kind) for kind in SENTENCES} == dict(SENTENCES)
    assert {kind: remedy_template(kind) for kind in REMEDIES} == dict(REMEDIES)


def test_that_a_sweep_is_every_combination_of_what_was_typed(loaded_window: MainWindow) -> None:
    page: BenchmarkPage = loaded_window.benchmark_page
    assert page.sweep == ()
    page._sweep_threads.setText("1, 2, x")
    page._sweep_batches.setText("8")
    page._sweep_cores.setText("0; 0,1")
    cores = [(0,), (0, 1)]
    assert page.sweep == tuple(RunSetting(threads, 8, chosen) for threads in (1, 2) for chosen in cores)


# --- one story in the real window ------------------------------------------------------------------


def label_of(parent: QWidget, name: str) -> str:
    label = parent.findChild(QLabel, name)
    assert label is not None
    return label.text() if label.isVisible() else ""


def press_and_wait(window: MainWindow, qtbot: QtBot, name: str) -> None:
    button = window.findChild(QAbstractButton, name)
    assert button is not None
    assert button.isEnabled()
    with qtbot.waitSignal(window.runner.job_finished, timeout=JOB_MS):
        button.click()


def convert(window: MainWindow, qtbot: QtBot, path: Path, bits: int) -> None:
    session = window.session
    session.assign_bits([layer.name for layer in session.layers], bits)
    count = len(session.results)
    window.workflow.convert(path, 32)
    qtbot.waitUntil(lambda: len(session.results) > count and not window.runner.is_busy, timeout=JOB_MS)
    for box in window.findChildren(QWidget, "message_box"):
        box.close()


def column_of(view: ResultView, title: str) -> int:
    model = view.model()
    titles = [model.headerData(at, Qt.Orientation.Horizontal) for at in range(model.columnCount())]
    return titles.index(title)


def test_that_results_are_compared_in_depth(
    sample_window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.workflow.BENCHMARK_S", 0.3)
    window, page, session = sample_window, sample_window.compare_page, sample_window.session
    window.tabs.setCurrentWidget(page)
    convert(window, qtbot, tmp_path / "eight.onnx", 8)
    convert(window, qtbot, tmp_path / "two.onnx", 2)
    elsewhere = tmp_path / "elsewhere.onnx"
    shutil.copy(tmp_path / "eight.onnx", elsewhere)
    page.add_file(str(elsewhere))
    window.actions_["action_compare"].trigger()
    qtbot.waitUntil(
        lambda: all(found.evaluation for found in window.comparisons.results) and not window.runner.is_busy,
        timeout=JOB_MS,
    )
    with qtbot.waitSignal(window.workflow.benchmarked, timeout=JOB_MS):
        window.actions_["action_benchmark"].trigger()
    qtbot.waitUntil(lambda: not window.runner.is_busy, timeout=JOB_MS)
    window.tabs.setCurrentWidget(page)

    assert page.view.isColumnHidden(column_of(page.view, "RSS"))
    assert not page.view.isColumnHidden(column_of(page.view, "Verdict"))
    figures = page.findChild(QComboBox, "compare_groups")
    assert figures is not None
    figures.setCurrentText("All figures")
    check_table(page.view, session)
    check_baseline(window, page.view)
    check_alerts(window)
    check_copies(window, tmp_path)
    check_layers(window, qtbot)
    check_samples(window, qtbot)
    check_why(window, qtbot)
    check_removal(window)
    assert elsewhere.exists()


def check_table(view: ResultView, session: Session) -> None:
    model = view.model()
    assert [model.index(row, 0).data() for row in range(4)] == [
        "digits.onnx (float)", "eight.onnx", "two.onnx", "elsewhere.onnx (added)",
    ]  # fmt: skip
    top1 = column_of(view, "Top-1 %")
    assert model.index(0, top1).data(DELTA_ROLE) == ""
    assert model.index(2, top1).data(DELTA_ROLE).startswith("▼ −")
    assert model.index(2, top1).data(TONE_ROLE) == Tone.BAD
    size = model.index(1, column_of(view, "File size"))
    assert session.model is not None
    share = 1 - session.results[0].converted.file_bytes / session.model.file_bytes
    assert size.data(DELTA_ROLE) == f"▼ −{100 * share:.0f} %"
    assert size.data(TONE_ROLE) == Tone.GOOD
    assert not view.isColumnHidden(column_of(view, "RSS"))
    assert view.isColumnHidden(column_of(view, "Perplexity"))
    view.sortByColumn(top1, Qt.SortOrder.AscendingOrder)
    assert model.index(0, 0).data() == "two.onnx"
    view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)


def check_baseline(window: MainWindow, view: ResultView) -> None:
    box = window.compare_page.findChild(QComboBox, "compare_baseline")
    assert box is not None
    box.setCurrentIndex(box.findText("two.onnx"))
    top1 = view.model().index(1, column_of(view, "Top-1 %"))
    assert top1.data(DELTA_ROLE).startswith("▲ +")
    assert top1.data(TONE_ROLE) == Tone.GOOD
    box.setCurrentIndex(0)


def check_alerts(window: MainWindow) -> None:
    page = window.compare_page
    assert "two.onnx: top-1 is" in label_of(page, "compare_alerts")
    assert "eight.onnx" not in label_of(page, "compare_alerts").replace("P99", "")
    window.actions_["action_thresholds"].trigger()
    dialog = window.findChild(QWidget, "threshold_dialog")
    assert dialog is not None
    limit = dialog.findChild(QDoubleSpinBox, "p99_ms")
    assert limit is not None
    limit.setValue(0.001)
    accept = dialog.findChild(QAbstractButton, "accept_button")
    assert accept is not None
    accept.click()
    assert "eight.onnx: P99 is" in label_of(page, "compare_alerts")
    row = page.view.model().index(1, 0)
    assert page.view.model().setData(row, Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
    assert "eight.onnx: P99 is" not in label_of(page, "compare_alerts")
    assert page.view.model().setData(row, Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)


def check_copies(window: MainWindow, folder: Path) -> None:
    page = window.compare_page
    page.view.setFocus()
    QtBot.keyClick(page.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[0] for line in lines[1:4]] == ["digits.onnx (float)", "eight.onnx", "two.onnx"]
    page.save_table(str(folder / "table.csv"))
    with (folder / "table.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    assert rows == [line.split("\t") for line in lines]


def check_layers(window: MainWindow, qtbot: QtBot) -> None:
    page = window.compare_page
    page.tabs.setCurrentWidget(page.layers_tab)
    press_and_wait(window, qtbot, "compare_layers_button")
    model = page.layers_tab.model
    assert model.rowCount() == len(window.session.layers)
    assert model.columnCount() == 4
    assert float(model.index(0, 1).data()) > float(model.index(0, 2).data().replace("−", "-"))
    name = window.session.layers[3].name
    window.session.select(name)
    assert page.layers_tab._view.currentIndex().row() == 3


def check_samples(window: MainWindow, qtbot: QtBot) -> None:
    tab = window.compare_page.samples_tab
    window.compare_page.tabs.setCurrentWidget(tab)
    box = tab.findChild(QComboBox, "samples_result")
    assert box is not None
    box.setCurrentIndex(box.findText("two.onnx"))
    press_and_wait(window, qtbot, "find_samples_button")
    assert tab.list.count() == 24
    first = tab.list.item(0)
    assert "→" in first.text()
    assert not first.icon().isNull()


def check_why(window: MainWindow, qtbot: QtBot) -> None:
    tab = window.compare_page.why_tab
    window.compare_page.tabs.setCurrentWidget(tab)
    press_and_wait(window, qtbot, "why_button")
    assert "as fast" in label_of(tab, "why_verdict")
    assert tab._operators.rowCount() > 3
    session = window.session
    session.set_activations(ActivationMode.DYNAMIC)
    before = session.plan
    found = window.comparisons.bottlenecks[window.comparisons.added[0].path]
    remedy = SpeedRemedy(SpeedRemedyKind.STATIC_ACTIVATIONS)
    figures = {"count": 2.0, "cost_us": 10.0, "cost_share": 0.5}
    finding = Bottleneck(BottleneckKind.DYNAMIC_QUANTIZATION, figures, remedies=(remedy,))
    window.comparisons.set_bottlenecks(dataclasses.replace(found, findings=(finding,)))
    card = tab.findChild(QWidget, "finding_dynamic_quantization")
    assert card is not None
    assert "2. They take 10" in card.findChildren(QLabel)[0].text()
    button = tab.findChild(QAbstractButton, "speed_remedy_static_activations")
    assert button is not None
    assert button.isEnabled()
    button.click()
    assert session.plan is not None
    assert session.plan.defaults.activations == ActivationMode.STATIC
    assert not button.isEnabled()
    session.undo_stack.undo()
    assert session.plan == before


def check_removal(window: MainWindow) -> None:
    view = window.compare_page.view
    remove = next(action for action in view.actions() if action.objectName() == "action_remove_added")
    view.select_row(1)
    assert not remove.isEnabled()
    view.select_row(3)
    assert remove.isEnabled()
    remove.trigger()
    assert view.model().rowCount() == 3


def test_that_layers_inside_a_body_say_why_they_have_no_figure(loaded_window: MainWindow) -> None:
    page = loaded_window.compare_page
    layers = (
        LayerError("conv0", "layer0.conv", (20.0,)),
        LayerError("conv1", "layer1.conv", (None,), body_of="If"),
        LayerError("conv2", "layer2.conv", (None,)),
    )
    loaded_window.comparisons.set_layer_errors(LayerErrors(("a.onnx",), 16, layers))
    model = page.layers_tab.model
    tips = [model.index(row, 1).data(Qt.ItemDataRole.ToolTipRole) for row in range(3)]
    assert tips == [
        None,
        "The layer runs inside If, whose tensors cannot be read from outside.",
        "No tensor of this file could be matched with the layer's output.",
    ]
    hint = page.layers_tab.findChild(QLabel, "layer_errors_hint")
    assert hint is not None
    assert "Outputs that could not be matched: 1." in hint.text()
    assert "Layers inside If, Loop or Scan, which cannot be read: 1." in hint.text()


def test_that_a_comparison_of_nothing_says_what_to_do(loaded_window: MainWindow) -> None:
    loaded_window.tabs.setCurrentWidget(loaded_window.compare_page)
    hint = loaded_window.findChild(QLabel, "overview_hint")
    assert hint is not None
    assert not hint.isHidden()
    assert "Convert" in hint.text()
