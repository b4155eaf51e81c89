"""Time from starting the interpreter to the painted window on the bundled sample, as medians of cold processes.

    python -m benchmarks.startup [--runs 7]

The platform is the current display if there is one, else offscreen. Each run is a fresh interpreter; the
clock stops when the main window has painted with the layer table of the sample in it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

CHILD = """
import sys, time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractItemView, QApplication
application = QApplication(sys.argv)
from gui.app import build_main_window
window = build_main_window()
window.show()
started = float(sys.argv[1])
shown = []
def poll():
    if not shown and window.isVisible():
        application.processEvents()
        window.grab()
        shown.append(time.time() - started)
        window.open_sample()
    table = window.findChild(QAbstractItemView, "layers")
    if table is not None and table.model() is not None and table.model().rowCount():
        window.grab()
        print(shown[0], time.time() - started, flush=True)
        application.quit()
timer = QTimer(interval=5)
timer.timeout.connect(poll)
timer.start()
application.exec()
window.close()
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
    print(f"start page painted: median {statistics.median(visible):.2f} s")
    print(f"sample open, layer table painted: median {statistics.median(usable):.2f} s ({args.runs} runs)")


if __name__ == "__main__":
    main()
