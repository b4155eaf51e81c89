"""Size and quality of the ticked models as bars."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget
from typing_extensions import override

from gui.compare.bars_plot import BarsPlot
from gui.compare.store import Comparisons
from gui.naming import named
from gui.theme import Theme

HIGHEST_DB = 100.0


class OverviewTab(QWidget):
    """Two bar charts over `Comparisons.ticked`."""

    def __init__(self, store: Comparisons, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._sizes = BarsPlot("size_bars", self.tr("File size"), theme, self)
        self._quality = BarsPlot("quality_bars", self.tr("SQNR against float, dB"), theme, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        self._hint = named(QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignCenter), "overview_hint")
        self._hint.setProperty("role", "dim")
        self._hint.setText(self.tr("Nothing to compare yet. Convert the model, and its size and quality stand here."))
        layout.addWidget(self._hint)
        layout.addWidget(self._sizes)
        layout.addWidget(self._quality)
        store.changed.connect(self._on_changed)
        self._show()

    def _on_changed(self) -> None:
        if self.isVisible():
            self._show()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show()

    def _show(self) -> None:
        shown = [(at, subject) for at, subject in enumerate(self._store.subjects) if self._store.is_ticked(subject)]
        measured = [
            (at, subject.name, min(subject.sqnr_db, HIGHEST_DB)) for at, subject in shown if subject.sqnr_db is not None
        ]
        most = max((subject.file_bytes for _, subject in shown), default=0)
        scale, unit = (1e6, "MB") if most >= 1e6 else (1e3, "kB")
        sizes = [
            (at, self.tr("float") if subject.is_float else subject.name, subject.file_bytes / scale)
            for at, subject in shown
        ]
        has_results = any(not subject.is_float for _, subject in shown)
        self._hint.setVisible(not has_results)
        self._sizes.show_bars(sizes if has_results else [], self.tr("file size, {unit}").format(unit=unit))
        self._quality.show_bars(measured, self.tr("SQNR against float, dB"))
