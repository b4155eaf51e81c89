"""Time from starting the interpreter to the painted window, and to the layer table of a model, in fresh processes.

    python -m benchmarks.startup [--runs 7] [--large 100]

Each run is a fresh interpreter that does what `bitsmith --sample` does. The clock stops when the window has painted,
and again when it has painted with the sample's layer table. Then the same window opens a model of `--large` MB, of
3 × 3 convolutions, with the worker warm: from the user's click to the painted table. Medians, wall clock, and the
processor time until the sample's table of the window's process and of its worker, which other programs disturb less.
The platform is the current display if there is one, else offscreen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

WINDOW_S, SAMPLE_S, LARGE_S = 1.0, 1.0, 2.0
CHANNELS = 512

CHILD = """
import gc, os, sys, time
gc.disable()
started, large = float(sys.argv[1]), sys.argv[2]
import main
assert not main.find_obstacle(os.environ)
from engine.jobs.supervisor import WorkerProcess
worker = WorkerProcess()
worker.start()
import gui.app
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractItemView
build = gui.app.build_main_window
found = []
def build_watched(*arguments, **named):
    window = build(*arguments, **named)
    timer = QTimer(window, interval=5)
    timer.timeout.connect(lambda: watch(window))
    timer.start()
    return window
def is_painted(window, path):
    table = window.findChild(QAbstractItemView, "layers")
    model = window.session.model
    if model is None or path not in model.path or table is None or not table.isVisible():
        return False
    window.grab()
    return True
def watch(window):
    global asked
    if not found:
        window.grab()
        found.append(time.time() - started)
    elif len(found) == 1 and is_painted(window, ""):
        import psutil
        used = psutil.Process(worker.pid).cpu_times()
        found.extend([time.time() - started, time.process_time(), used.user + used.system])
    elif len(found) == 4 and window.session.data is not None and not window.runner.is_busy:
        asked = time.time()
        found.append(None)
        window.open_path(large)
    elif len(found) == 5 and is_painted(window, large):
        found[4] = time.time() - asked
        print(*found, flush=True)
        worker.terminate()
        os._exit(0)
gui.app.build_main_window = build_watched
gui.app.run_window(is_sample=True, worker=worker)
"""


def write_large(path: Path, megabytes: int) -> int:
    """A chain of convolutions with random weights; returns how many."""
    layers = round(megabytes * 1e6 / (4 * 9 * CHANNELS**2))
    weights = np.random.default_rng(0)
    shape = (CHANNELS, CHANNELS, 3, 3)
    nodes, initializers = [], []
    for at in range(layers):
        values = weights.standard_normal(shape, dtype=np.float32) / (3 * CHANNELS**0.5)
        initializers.append(onnx.numpy_helper.from_array(values, f"w{at}"))
        nodes.append(onnx.helper.make_node("Conv", [f"x{at}", f"w{at}"], [f"x{at + 1}"], f"conv{at}", pads=[1] * 4))
    ends = [
        onnx.helper.make_tensor_value_info(f"x{at}", onnx.TensorProto.FLOAT, ["N", CHANNELS, 14, 14])
        for at in (0, layers)
    ]
    graph = onnx.helper.make_graph(nodes, "large", ends[:1], ends[1:], initializers)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)
    return layers


def main() -> None:
    """Run the child several times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--large", type=int, default=100, metavar="MB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bitsmith-benchmark-") as work:
        measure(Path(work), args.runs, args.large)


def measure(folder: Path, runs: int, megabytes: int) -> None:
    """Run everything, settings and files in this folder."""
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    if not environment.get("DISPLAY") and sys.platform == "linux":
        environment["QT_QPA_PLATFORM"] = "offscreen"
    large = folder / "large.onnx"
    layers = write_large(large, megabytes)
    found = []
    for run in range(runs + 1):
        command = [sys.executable, "-c", CHILD, str(time.time()), str(large)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment, timeout=120)
        if run:  # the first one warms the file cache
            found.append([float(text) for text in done.stdout.split()[-5:]])
    window, sample, own, worker, opened = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"window painted: {window:.2f} s   (at most {WINDOW_S:.1f} s)")
    print(f"sample open, layer table painted: {sample:.2f} s   (at most {SAMPLE_S:.1f} s)")
    print(f"  processor time until then: window {own:.2f} s, worker {worker:.2f} s")
    size = large.stat().st_size / 1e6
    print(f"{size:.0f} MB, {layers} layers, opened: {opened:.2f} s   (at most {LARGE_S:.1f} s)")
    print(f"medians of {runs} runs")


if __name__ == "__main__":
    main()
