"""Time from starting the interpreter to the painted window on the bundled sample, as medians of cold processes.

    python -m benchmarks.startup [--runs 7]

The platform is the current display if there is one, else offscreen. Each run is a fresh interpreter that
does what `bitsmith --sample` does; the clock stops when the window has painted with the sample's layer table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

CHILD = """
import os, sys, time
from engine.jobs.supervisor import WorkerProcess
worker = WorkerProcess()
worker.start()
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractItemView, QApplication
application = QApplication(sys.argv)
from gui.app import build_main_window
window = build_main_window(worker=worker)
window.show()
window.open_sample()
started = float(sys.argv[1])
shown = []
def poll():
    if not shown:
        window.grab()
        shown.append(time.time() - started)
    table = window.findChild(QAbstractItemView, "layers")
    if table.model().rowCount() and table.isVisible():
        window.grab()
        print(shown[0], time.time() - started, flush=True)
        worker.terminate()
        os._exit(0)
timer = QTimer(interval=5)
timer.timeout.connect(poll)
timer.start()
application.exec()
"""


def main() -> None:
    """Run the child several times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    environment = dict(os.environ)
    if not environment.get("DISPLAY") and sys.platform == "linux":
        environment["QT_QPA_PLATFORM"] = "offscreen"
    visible, usable = [], []
    for run in range(args.runs + 1):
        command = [sys.executable, "-c", CHILD, str(time.time())]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
        first, second = (float(text) for text in done.stdout.split()[-2:])
        if run:  # the first one warms the file cache
            visible.append(first)
            usable.append(second)
    print(f"window painted: median {statistics.median(visible):.2f} s")
    print(f"sample open, layer table painted: median {statistics.median(usable):.2f} s ({args.runs} runs)")


if __name__ == "__main__":
    main()
