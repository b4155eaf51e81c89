"""Changing the theme while Python holds forgotten widgets: Qt's walk over all widgets must not meet freed ones."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
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


def test_that_a_new_theme_survives_garbage() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]
