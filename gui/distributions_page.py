"""The Distributions page: the selected layer's weights at large, and the range of every channel."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui.histogram_feed import HistogramFeed
from gui.histogram_plot import HistogramPlot
from gui.naming import named
from gui.session import Session
from gui.theme import Theme
from gui.units import format_db

STRIP_HEIGHT = 150


class DistributionsPage(QWidget):
    """Shows what `HistogramFeed` has."""

    def __init__(self, session: Session, feed: HistogramFeed, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("distributions_page")
        self._session = session
        self._feed = feed
        self._theme = theme
        self._title = named(QLabel(), "distribution_title")
        self._title.setProperty("role", "title")
        self._facts = named(QLabel(), "distribution_facts")
        self._facts.setProperty("role", "dim")
        self._plot = HistogramPlot(theme, is_small=False, parent=self)
        self._plot.setObjectName("distribution_plot")
        self._channels = pg.PlotWidget(self)
        self._channels.setObjectName("channel_ranges")
        self._channels.setAccessibleName(self.tr("Smallest and largest weight of every output channel"))
        self._channels.setFixedHeight(STRIP_HEIGHT)
        self._channels.getPlotItem().setMenuEnabled(False)
        self._channels.getPlotItem().hideButtons()
        self._build_layout()
        feed.histogram_changed.connect(self._show)
        session.selection_changed.connect(self._show)
        theme.changed.connect(self._show)
        self._show()

    def _build_layout(self) -> None:
        log = named(QCheckBox(self.tr("Log scale")), "log_scale")
        log.setToolTip(self.tr("Show log10(1 + weights per bin), so that the tails can be seen"))
        log.toggled.connect(self._plot.set_log)
        quantized = named(QCheckBox(self.tr("Quantized weights")), "quantized_overlay")
        quantized.setToolTip(self.tr("Draw where the weights end up on the grid; heights are scaled to fit"))
        quantized.setChecked(True)
        quantized.toggled.connect(self._plot.set_quantized_shown)
        bar = QHBoxLayout()
        bar.addWidget(self._title)
        bar.addStretch(1)
        bar.addWidget(quantized)
        bar.addWidget(log)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._facts)
        layout.addWidget(self._plot, 1)
        caption = QLabel(self.tr("Range of every output channel"))
        caption.setProperty("role", "section")
        layout.addWidget(caption)
        layout.addWidget(self._channels)

    def _show(self) -> None:
        layer = self._session.layer(self._session.selected)
        self._title.setText(layer.title if layer else self.tr("No layer selected"))
        self._facts.setText(self._describe())
        self._plot.show_histogram(self._feed.current)
        self._show_channels()

    def _describe(self) -> str:
        found = self._feed.current
        if not self._session.selected:
            return self.tr("Select a layer in Layers × bits to see its weights.")
        if found is None:
            return self.tr("Reading the weights…")
        parts = [self.tr("{count:,} weights").format(count=sum(found.counts))]
        if found.grid:
            parts.append(self.tr("grid {low:.4g} … {high:.4g}").format(low=found.range_min, high=found.range_max))
            parts.append(self.tr("{percent:.2f} % clipped").format(percent=100 * found.clipped_fraction))
        if found.sqnr_db is not None:
            parts.append(self.tr("{db} dB weight SQNR").format(db=format_db(found.sqnr_db)))
        return " · ".join(parts)

    def _show_channels(self) -> None:
        item = self._channels.getPlotItem()
        item.clear()
        self._channels.setBackground(self._theme.color("window"))
        for name in ("bottom", "left"):
            item.getAxis(name).setPen(self._theme.color("line"))
            item.getAxis(name).setTextPen(self._theme.color("text_dim"))
        item.setLabel("bottom", self.tr("output channel"))
        found = self._feed.current
        if found is None or not found.channel_min:
            return
        low, high = np.asarray(found.channel_min), np.asarray(found.channel_max)
        x = np.arange(len(low))
        bars = pg.BarGraphItem(
            x=x, y0=low, height=high - low, width=0.8, brush=self._theme.plot_color("weight"), pen=pg.mkPen(None)
        )
        item.addItem(bars)
        if found.grid:
            pen = pg.mkPen(self._theme.plot_color("clip"), width=1.5, style=Qt.PenStyle.DashLine)
            for position in (found.range_min, found.range_max):
                item.addItem(pg.InfiniteLine(position, angle=0, pen=pen))
        item.autoRange()
