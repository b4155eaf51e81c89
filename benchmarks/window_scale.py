"""Whether the window stays fluid with many layers: scrolling, editing and the front, against their budgets.

    python -m benchmarks.window_scale [--layers 1000] [--runs 60]

Runs offscreen with software painting and no worker: models and cells are synthetic, so nothing is measured
but the window. A frame is everything from the user's step to the painted pixels, the overview beside the
table and the live bar included. Medians and the slowest percent, wall clock; on a busy machine the
processor time in the second pair of columns is the better one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from engine.allocation import find_front
from engine.latency.figures import FLOAT_FORM, Latencies, LatencyCell, LayerLatency
from engine.numerics.schemes import ActivationMode, Kernel
from engine.plan import PlanDefaults, build_plan
from engine.requests.allocation import FrontRequest
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.summary import LayerSummary, ModelSummary, NodeSummary
from gui.layers.page import LayersPage
from gui.live_bar import LiveBar
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme, ThemeMode

FRAME_MS = 16.0
FRONT_MS = 50.0
SIZE = (1044, 760)
WHEEL_PIXELS = 81
SHA = "0" * 64


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one run."""

    wall_ms: float
    cpu_ms: float


def build_model(count: int) -> ModelSummary:
    """A chain of convolutions with their Relus."""
    layers, nodes = [], []
    for number in range(count):
        channels = 32 * (number % 7 + 1)
        name, before = f"conv{number}", f"relu{number - 1}.out" if number else "input"
        layers.append(
            LayerSummary(
                name=name,
                title=f"layer{number // 10}.{number % 10}.conv",
                op="Conv",
                detail="Conv 3×3",
                weight_shape=(channels, 64, 3, 3),
                axis=0,
                channels=channels,
                inputs_per_channel=576,
                parameters=channels * 576,
                bias_elements=channels,
                macs=channels * 576 * 49,
                input_name=before,
                output_name=f"{name}.out",
                constant_name_bytes=30,
                kernels=(Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.FLOAT),
            )
        )
        nodes.append(NodeSummary(name, "Conv", (before,), (f"{name}.out",), 2))
        nodes.append(NodeSummary(f"relu{number}", "Relu", (f"{name}.out",), (f"relu{number}.out",)))
    size = 4 * sum(layer.parameters for layer in layers)
    return ModelSummary("net.onnx", SHA, size + 9000, 9000, 18, "", (), (), tuple(layers), tuple(nodes))


def build_rows(model: ModelSummary) -> dict[str, SensitivityRow]:
    """Cells of two metrics, different for every layer."""
    rows = {}
    for number, layer in enumerate(model.layers):
        fragile = (number * 37 % 101) / 10
        cells = {
            bits: Cell({Metric.KL: 10 ** (fragile / 5 - bits), Metric.SQNR: 5.0 * bits - fragile}, samples=64)
            for bits in (16, 8, 4, 2)
        }
        stored = {bits: layer.parameters * bits // 8 for bits in cells}
        activations = {ActivationMode.STATIC: Cell({Metric.KL: 1e-4, Metric.SQNR: 35.0 - fragile})}
        rows[layer.name] = SensitivityRow(layer.name, cells, stored, activations)
    return rows


def build_latencies(model: ModelSummary) -> Latencies:
    """A time for every form."""
    forms = {(Kernel.QLINEAR, bits): LatencyCell(10.0 + bits) for bits in (8, 4, 2)}
    layers = {layer.name: LayerLatency(layer.name, {FLOAT_FORM: LatencyCell(40.0), **forms}) for layer in model.layers}
    return Latencies(SHA, "net", "cpu", "runtime", 1, 1, 100.0, layers)


class Stage(QWidget):
    """The table page over the live bar, as they stand in the window."""

    def __init__(self, session: Session, theme: Theme) -> None:
        super().__init__()
        self.page = LayersPage(session, theme, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.page, 1)
        layout.addWidget(LiveBar(session, self))
        self.resize(*SIZE)


def measure(step: Callable[[int], None], runs: int) -> list[Timing]:
    """Time `step(run)` and everything that it makes the event loop do; the first runs warm up."""
    found = []
    for run in range(runs + 3):
        wall, cpu = time.perf_counter(), time.process_time()
        step(run)
        QApplication.processEvents()
        found.append(Timing(1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    return found[3:]


def report(name: str, timings: Sequence[Timing], budget_ms: float) -> bool:
    """Print one line; returns whether the median keeps to the budget."""
    walls, cpus = ([getattr(item, field) for item in timings] for field in ("wall_ms", "cpu_ms"))
    verdict = [statistics.median(values) for values in (walls, cpus)]
    slowest = [sorted(values)[int(0.99 * (len(values) - 1))] for values in (walls, cpus)]
    is_kept = verdict[0] <= budget_ms
    figures = f"{verdict[0]:8.1f} {slowest[0]:8.1f}   {verdict[1]:8.1f} {slowest[1]:8.1f}   {budget_ms:6.0f}"
    print(f"{name:44}{figures}   {'kept' if is_kept else 'MISSED'}")
    return is_kept


def main() -> int:
    """Measure all and return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=60)
    args = parser.parse_args()
    application = QApplication([])
    theme = Theme(Settings())
    theme.mode = ThemeMode.DARK
    theme.apply()
    session = Session()
    model = build_model(args.layers)
    session.set_model(model)
    rows = build_rows(model)
    session.set_sensitivity(Sensitivity(SHA, "net.onnx", "exact", 64, "", rows))
    session.set_latencies(build_latencies(model))
    stage = Stage(session, theme)
    stage.show()
    application.processEvents()
    print(f"{args.layers} layers, milliseconds     {'':18}median      99 %  cpu median      99 %   budget")
    kept = [measure_window(stage, session, args.runs), measure_front(session, rows)]
    stage.close()
    return 0 if all(kept) else 1


def measure_window(stage: Stage, session: Session, runs: int) -> bool:
    """Scrolling and editing."""
    view = stage.page.view
    bar, names = view.verticalScrollBar(), [layer.name for layer in session.layers]
    page = view.viewport().height()
    bar.setValue(0)
    kept = [report("scroll by one turn of the wheel", measure(lambda run: bar.setValue(run * WHEEL_PIXELS), runs), 16)]
    kept.append(
        report("scroll by a whole page", measure(lambda run: bar.setValue(run * page % bar.maximum()), runs), FRAME_MS)
    )
    bar.setValue(0)
    QApplication.processEvents()
    edits = measure(lambda run: void(session.assign_bits(names[run % 20 : run % 20 + 1], (4, 8)[run // 20 % 2])), runs)
    kept.append(report("edit one layer: figures and table", edits, FRAME_MS))
    edits = measure(lambda run: void(session.assign_bits(names, (4, 2, 8)[run % 3])), max(runs // 4, 5))
    kept.append(report("edit all layers: figures and table", edits, FRAME_MS))
    metrics = (Metric.SQNR, Metric.KL)
    report("another metric", measure(lambda run: session.set_metric(metrics[run % 2]), max(runs // 4, 5)), FRAME_MS)
    return all(kept)


def measure_front(session: Session, rows: dict[str, SensitivityRow]) -> bool:
    """The front over five candidates per layer; in the program it is found in the worker."""
    model, sensitivity = session.model, session.sensitivity()
    assert model is not None
    assert sensitivity is not None
    weights_only = build_plan(model, 8, PlanDefaults(ActivationMode.FLOAT))
    request = FrontRequest(model, sensitivity, weights_only, Metric.KL)
    return report("front of all plans, five candidates", measure(lambda _run: void(find_front(request)), 10), FRONT_MS)


def void(_result: object) -> None:
    """A step returns nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
