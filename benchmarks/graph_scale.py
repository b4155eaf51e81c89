"""Whether the Graph page stays usable with thousands of nodes: seconds of layout, milliseconds per frame.

    python -m benchmarks.graph_scale [--nodes 5000] [--runs 40] [--model FILE …]

Layout runs as in the worker, here without one; `--model` adds real files. Frames are painted offscreen with
software painting: everything from the step to the painted pixels of a canvas of 1030×640, in processor time,
so that other work on the machine does not count. Three synthetic
graphs of `--nodes` nodes: residual blocks, transformer blocks with three branches and a mask that all of
them read, and random edges. All are laid out flat (every node a box), which is the worst case, and collapsed.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication

from engine.graph_view.building import draw_graph, lay_out
from engine.graph_view.drawing import BoxKind, Drawing
from engine.graph_view.grouping import find_groups
from engine.graph_view.units import Unit
from engine.job_context import JobContext
from engine.model.opened import open_model
from gui.graph.canvas import GraphCanvas
from gui.graph.colours import Shade
from gui.graph.painting import Look
from gui.settings import Settings
from gui.theme import Theme, ThemeMode

FRAME_MS = 16.0
LAYOUT_S = 5.0
SIZE = (1030, 640)
SCALES = (1.0, 0.6, 0.42, 0.3, 0.1, 0.02)


def residual(nodes: int) -> list[set[int]]:
    """Conv, conv, add; what each node reads."""
    sources: list[set[int]] = [set()]
    while len(sources) < nodes:
        start = len(sources) - 1
        sources += [{start}, {start + 1}, {start, start + 2}]
    return sources[:nodes]


def transformer(nodes: int) -> list[set[int]]:
    """Three branches of three nodes each, attention with the mask, residual add."""
    sources: list[set[int]] = [set(), {0}]
    while len(sources) < nodes:
        start, ends = len(sources) - 1, []
        for _ in range(3):
            sources += [{start}, {len(sources)}, {len(sources) + 1}]
            ends.append(len(sources) - 1)
        sources += [{ends[0], ends[1], 0}, {len(sources), ends[2]}, {len(sources) + 1}, {len(sources) + 2, start}]
    return sources[:nodes]


def scattered(nodes: int) -> list[set[int]]:
    """One or two edges from up to 30 nodes before."""
    drawn = random.Random(0)  # noqa: S311
    return [{max(0, at - drawn.randint(1, 30)) for _ in range(drawn.choice((1, 1, 2)))} - {at} for at in range(nodes)]


def build_units(sources: list[set[int]]) -> list[Unit]:
    """Every second node is a layer."""
    kinds = (BoxKind.LAYER, BoxKind.OPERATOR)
    return [
        Unit(kinds[at % 2], f"node{at}", [f"node{at}"], ["Conv"], [f"node{at}"][at % 2 :], (), read, "Conv 3×3")
        for at, read in enumerate(sources)
    ]


def build_looks(drawing: Drawing) -> list[Look]:
    """Colours of all shades, some hatched."""
    return [
        Look(
            Shade(None if at % 9 == 0 else at % 101 / 100, at % 9 == 0, f"{at % 50} dB"),
            "Conv 3×3 · Relu",
            "8",
            at % 5 == 0,
        )
        if box.layers
        else Look(Shade(), box.detail, "", is_locked=False)
        for at, box in enumerate(drawing.boxes)
    ]


def measure_frames(canvas: GraphCanvas, step: Callable[[int], None], runs: int) -> tuple[float, float]:
    """Median and slowest of a step with the painting that it causes, in ms of processor time."""
    picture = QPixmap(canvas.size())
    found = []
    for run in range(runs + 3):
        start = time.process_time()
        step(run)
        canvas.render(picture)
        found.append(1000 * (time.process_time() - start))
    return statistics.median(found[3:]), max(found[3:])


def report_frames(name: str, drawing: Drawing, theme: Theme, runs: int) -> bool:
    """Pan at several scales and zoom; returns whether all medians keep to the budget."""
    canvas = GraphCanvas(theme)
    canvas.resize(*SIZE)
    canvas.show()
    canvas.show_drawing(drawing, "")
    canvas.show_looks(build_looks(drawing))
    QApplication.processEvents()
    is_kept = True
    for scale in SCALES:
        canvas.viewport.scale = scale
        canvas.viewport.middle = QPointF(drawing.width / 2, drawing.height / 2)
        median, most = measure_frames(canvas, lambda run: canvas.pan((-1) ** run * 20, -30), runs)
        is_kept &= median <= FRAME_MS
        print(f"  {name:28} pan at {scale:5.2f}   median {median:6.1f} ms   slowest {most:6.1f} ms")
    canvas.fit()
    median, most = measure_frames(canvas, lambda run: canvas.pan(0, (-1) ** run), runs)
    print(f"  {name:28} all in sight    median {median:6.1f} ms   slowest {most:6.1f} ms")
    is_kept &= median <= FRAME_MS
    middle = QPointF(*SIZE) / 2
    median, most = measure_frames(canvas, lambda run: canvas.zoom(1.25 if run % 40 < 20 else 0.8, middle), runs)
    print(f"  {name:28} zoom in and out median {median:6.1f} ms   slowest {most:6.1f} ms")
    canvas.close()
    return is_kept and median <= FRAME_MS


def main() -> int:
    """Measure all and return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--model", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    application = QApplication([])
    theme = Theme(Settings())
    theme.mode = ThemeMode.DARK
    theme.apply()
    is_kept = True
    for build in (residual, transformer, scattered):
        units = build_units(build(args.nodes))
        start = time.perf_counter()
        groups = find_groups(units)
        flat = lay_out(units, groups, frozenset(group.name for group in groups), lambda: None, nodes=len(units))
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        collapsed = lay_out(units, groups, frozenset(), lambda: None, nodes=len(units))
        rest = f"{len(flat.boxes)} boxes {seconds:5.2f} s, collapsed {len(collapsed.boxes)} boxes"
        print(f"{build.__name__}: {rest} {time.perf_counter() - start:5.2f} s")
        is_kept &= seconds <= LAYOUT_S and report_frames(f"{build.__name__}, flat", flat, theme, args.runs)
    for file in args.model:
        model = open_model(file)
        nodes = len(model.summary.nodes)
        start = time.perf_counter()
        drawing = draw_graph(model, None, JobContext())
        print(f"{file.name}: {nodes} nodes, {len(drawing.boxes)} boxes {time.perf_counter() - start:5.3f} s")
        is_kept &= report_frames(file.stem[:28], drawing, theme, args.runs)
    application.quit()
    return 0 if is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
