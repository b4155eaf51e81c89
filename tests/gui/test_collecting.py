"""Forgotten widgets: no collection of garbage may destroy them while Qt walks over widgets, or in another thread."""

from __future__ import annotations

import subprocess
import sys

THEME_SCRIPT = """
import gc
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from gui.app import build_main_window
from gui.theme import ThemeMode

class Collector(QWidget):
    def changeEvent(self, event):
        if event.type() == QEvent.Type.StyleChange and gc.isenabled():
            gc.collect()
        super().changeEvent(event)

application = QApplication([])
window = build_main_window()
first = Collector()
first.show()
for mode in (ThemeMode.DARK, ThemeMode.LIGHT) * 5:
    for _ in range(50):
        forgotten = QWidget()
        forgotten.itself = forgotten
        QLabel("x", forgotten)
        forgotten.show()
    del forgotten
    application.processEvents()
    window.theme.set_mode(mode)
window.close()
print("alive")
"""

THREAD_SCRIPT = """
import gc
import sys
from PySide6.QtCore import QEvent, QThread
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from gui.app import build_main_window
from gui.collecting import INTERVAL_MS

class Job(QThread):
    def run(self):
        if gc.isenabled():
            gc.collect()

application = QApplication([])
window = build_main_window()
for _ in range(5):
    for _ in range(100):
        forgotten = QWidget()
        forgotten.itself = forgotten
        QLabel("x", forgotten)
        forgotten.show()
    del forgotten
    job = Job()
    job.start()
    while not job.wait(1):
        application.processEvents()
while len(application.allWidgets()) > 500:
    kept = [[] for _ in range(1000)]
    QTest.qWait(INTERVAL_MS)
window.close()
window.deleteLater()
application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
assert gc.isenabled()
print("alive")
"""


def run(script: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip() or done.stderr[-2000:]


def test_that_a_new_theme_survives_garbage() -> None:
    assert run(THEME_SCRIPT) == (0, "alive")


def test_that_a_job_in_a_thread_destroys_no_forgotten_widget() -> None:
    assert run(THREAD_SCRIPT) == (0, "alive")
