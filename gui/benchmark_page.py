"""The Benchmark page: how fast the float model and every result run on this computer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.jobs.requests import BenchmarkPoint
from gui.naming import named
from gui.result_table import Cell, ResultModel, TableColumn, Tone, build_result_view
from gui.session import Session
from gui.spin_box import SpinBox
from gui.theme import Theme
from gui.units import format_bytes, format_ms, format_ratio

PLOT_HEIGHT = 260
TABLE_HEIGHT = 150


class BenchmarkPage(QWidget):
    """Table and latency distributions over `Session.baseline` and `Session.results`."""

    def __init__(self, session: Session, theme: Theme, benchmark: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("benchmark_page")
        self._session = session
        self._theme = theme
        self.model = ResultModel(self._build_columns(), self._count_rows, theme, self)
        self._view = build_result_view(self.model, "benchmark_table", self)
        self._view.setAccessibleName(self.tr("Latency and throughput"))
        self._view.setMinimumHeight(TABLE_HEIGHT)
        self._threads = named(SpinBox(1, max(os.cpu_count() or 1, 1)), "threads")
        self._threads.setAccessibleName(self.tr("Threads"))
        self._threads.setToolTip(self.tr("Threads that ONNX Runtime may use for one call"))
        self._hint = named(QLabel(), "benchmark_hint")
        self._hint.setProperty("role", "dim")
        self._plot = self._build_plot()
        self._build_layout(benchmark)
        session.results_changed.connect(self._show)
        theme.changed.connect(self._show)
        self._show()

    @property
    def threads(self) -> int:
        """How many threads were asked for."""
        return self._threads.value()

    def _build_plot(self) -> pg.PlotWidget:
        plot = pg.PlotWidget(self)
        plot.setObjectName("latency_plot")
        plot.setAccessibleName(self.tr("Distribution of the latencies"))
        plot.setMinimumHeight(PLOT_HEIGHT)
        item = plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getAxis("bottom").enableAutoSIPrefix(False)
        item.setLabel("bottom", self.tr("latency, ms"))
        item.setLabel("left", self.tr("share of calls, %"))
        item.addLegend(offset=(-10, -10))
        return plot

    def _build_layout(self, benchmark: QAction) -> None:
        button = named(QPushButton(self.tr("Run the benchmark")), "benchmark_button")
        button.setProperty("primary", True)
        button.setToolTip(benchmark.toolTip())
        button.setEnabled(benchmark.isEnabled())
        benchmark.enabledChanged.connect(button.setEnabled)
        button.clicked.connect(benchmark.trigger)
        label = QLabel(self.tr("Threads"))
        label.setBuddy(self._threads)
        bar = QHBoxLayout()
        bar.addWidget(self._hint, 1)
        bar.addWidget(label)
        bar.addWidget(self._threads)
        bar.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._view, 2)
        layout.addWidget(self._plot, 3)

    def _build_columns(self) -> list[TableColumn]:
        return [
            TableColumn(self.tr("Model"), self.tr("File of the model"), self._name, is_text=True),
            TableColumn(self.tr("File size"), self.tr("Size on disk"), self._size),
            TableColumn(
                self.tr("P50 ms"), self.tr("Half of the calls are faster"), lambda row: self._latency(row, "p50")
            ),
            TableColumn(
                self.tr("P90 ms"), self.tr("90 % of the calls are faster"), lambda row: self._latency(row, "p90")
            ),
            TableColumn(
                self.tr("P99 ms"), self.tr("99 % of the calls are faster"), lambda row: self._latency(row, "p99")
            ),
            TableColumn(self.tr("Calls per s"), self.tr("Throughput"), self._throughput),
            TableColumn(self.tr("Speed-up"), self.tr("Against the float model"), self._speedup),
            TableColumn(self.tr("Memory"), self.tr("Resident memory, where it was measured"), self._memory),
            TableColumn(self.tr("Runs"), self.tr("Calls that were timed"), self._runs),
        ]

    def _count_rows(self) -> int:
        return 1 + len(self._session.results) if self._session.model else 0

    def _point(self, row: int) -> BenchmarkPoint | None:
        return self._session.results[row - 1].benchmark if row else self._session.baseline

    def _name(self, row: int) -> Cell:
        model = self._session.model
        if row:
            return Cell(self._session.results[row - 1].name)
        return Cell(self.tr("{name} (float)").format(name=Path(model.path).name) if model else "")

    def _size(self, row: int) -> Cell:
        model = self._session.model
        if row:
            return Cell(format_bytes(self._session.results[row - 1].converted.file_bytes))
        return Cell(format_bytes(model.file_bytes) if model else "")

    def _latency(self, row: int, name: str) -> Cell:
        point = self._point(row)
        return Cell(format_ms(point.latency_ms[name]) if point else "–", Tone.PLAIN if point else Tone.DIM)

    def _throughput(self, row: int) -> Cell:
        point = self._point(row)
        return Cell(f"{point.throughput_per_s:,.0f}" if point else "–", Tone.PLAIN if point else Tone.DIM)

    def _speedup(self, row: int) -> Cell:
        point = self._point(row)
        if point is None:
            return Cell("–", Tone.DIM)
        return Cell(format_ratio(point.speedup), Tone.DIM if not row else Tone.GOOD if point.speedup >= 1 else Tone.BAD)

    def _memory(self, row: int) -> Cell:
        point = self._point(row)
        return Cell(format_bytes(point.rss_bytes) if point and point.rss_bytes is not None else "")

    def _runs(self, row: int) -> Cell:
        point = self._point(row)
        return Cell(f"{point.runs:,}" if point else "", Tone.DIM)

    def _show(self) -> None:
        self.model.refresh()
        for column in range(self.model.columnCount()):
            self._view.setColumnHidden(column, self.model.is_column_empty(column))
        has_points = self._session.baseline is not None
        self._plot.setVisible(has_points)
        run_first = self.tr("Not measured yet. Models run in turn, so that they see the same conditions.")
        self._hint.setText("" if has_points else run_first)
        self._show_curves()

    def _show_curves(self) -> None:
        item = self._plot.getPlotItem()
        item.clear()
        self._plot.setBackground(self._theme.color("window"))
        item.legend.setLabelTextColor(self._theme.color("text"))
        for axis in ("bottom", "left"):
            item.getAxis(axis).setPen(self._theme.color("line"))
            item.getAxis(axis).setTextPen(self._theme.color("text_dim"))
        for row in range(self._count_rows()):
            point = self._point(row)
            if point is not None and len(point.histogram_ms) > 1:
                pen = pg.mkPen(self._theme.series_color(row), width=2)
                share = np.linspace(0, 100, len(point.histogram_ms))
                item.plot(np.sort(point.histogram_ms), share, pen=pen, name=self._name(row).text)
        self._fit()

    def _fit(self) -> None:
        """So far to the right that rare outliers do not squeeze the curves."""
        points = [point for row in range(self._count_rows()) if (point := self._point(row))]
        if points:
            slowest = max(min(point.latency_ms["p99"], 1.5 * point.latency_ms["p90"]) for point in points)
            self._plot.setXRange(0, slowest * 1.1, padding=0)
            self._plot.setYRange(0, 102, padding=0)
