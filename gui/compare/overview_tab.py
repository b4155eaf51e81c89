"""Size and quality of the ticked models as bars."""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget
from typing_extensions import override

from gui.compare.latency_plot import build_plot, color_plot
from gui.compare.store import Comparisons
from gui.saving import PlotSaver
from gui.theme import Theme

HIGHEST_DB = 100.0
LONGEST_NAMES = (8, 18)
ALL_NAMES = 54
"""Letters that fit side by side below a plot."""


class OverviewTab(QWidget):
    """Two bar charts over `Comparisons.ticked`."""

    def __init__(self, store: Comparisons, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._store, self._theme = store, theme
        self._sizes = build_plot("size_bars", self.tr("File size"), ("", self.tr("File size")), self)
        sqnr = self.tr("SQNR against float, dB")
        self._quality = build_plot("quality_bars", sqnr, ("", sqnr), self)
        for plot in (self._sizes, self._quality):
            plot.getPlotItem().getAxis("bottom").setStyle(tickLength=0)  # else they are drawn into the bars
            PlotSaver(plot)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self._sizes)
        layout.addWidget(self._quality)
        store.changed.connect(self._on_changed)
        theme.changed.connect(self._draw)
        self._draw()

    def _on_changed(self) -> None:
        if self.isVisible():
            self._draw()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._draw()

    def _draw(self) -> None:
        shown = [(at, subject) for at, subject in enumerate(self._store.subjects) if self._store.is_ticked(subject)]
        has_results = any(not subject.is_float for _, subject in shown)
        measured = [
            (at, subject.name, min(subject.sqnr_db, HIGHEST_DB)) for at, subject in shown if subject.sqnr_db is not None
        ]
        self._sizes.setVisible(has_results)
        self._quality.setVisible(bool(measured))
        if not has_results:
            return
        most = max(subject.file_bytes for _, subject in shown)
        scale, unit = (1e6, "MB") if most >= 1e6 else (1e3, "kB")
        self._sizes.getPlotItem().setLabel("left", self.tr("file size, {unit}").format(unit=unit))
        sizes = [
            (at, self.tr("float") if subject.is_float else subject.name, subject.file_bytes / scale)
            for at, subject in shown
        ]
        self._draw_bars(self._sizes, sizes)
        self._draw_bars(self._quality, measured)

    def _draw_bars(self, plot: pg.PlotWidget, bars: list[tuple[int, str, float]]) -> None:
        item = plot.getPlotItem()
        item.clear()
        color_plot(plot, self._theme)
        if not bars:
            return
        values = [value for _, _, value in bars]
        brushes = [pg.mkBrush(self._theme.series_color(at)) for at, _, _ in bars]
        item.addItem(
            pg.BarGraphItem(x=range(len(values)), height=values, width=0.55, brushes=brushes, pen=pg.mkPen(None))
        )
        least, most = LONGEST_NAMES
        room = min(max(ALL_NAMES // len(bars), least), most)
        item.getAxis("bottom").setTicks([[(place, _shorten(name, room)) for place, (_, name, _) in enumerate(bars)]])
        plot.setXRange(-0.6, max(len(values) - 0.4, 1.6), padding=0)
        plot.setYRange(min([*values, 0.0]), max([*values, 0.1]) * 1.08, padding=0)


def _shorten(name: str, room: int) -> str:
    stem = Path(name).stem
    return stem if len(stem) <= room else f"…{stem[1 - room :]}"
