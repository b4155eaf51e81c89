"""The Benchmark page: how fast the float model and every result run on this computer."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSplitter, QVBoxLayout, QWidget
from typing_extensions import override

from engine.requests.benchmark import BenchmarkPoint, RunSetting
from engine.units import format_bytes
from gui.action_button import ActionButton
from gui.compare.latency_plot import LatencyPlot
from gui.compare.store import Comparisons, Subject
from gui.compare.throughput_plot import ThroughputPlot
from gui.naming import named
from gui.result_table import Cell, ResultModel, ResultView, TableColumn, Tone
from gui.saving import TableSaver
from gui.session import Session
from gui.spin_box import SpinBox
from gui.theme import Theme
from gui.units import format_ms, format_ratio

TABLE_HEIGHT = 150
PLOT_HEIGHT = 240
LIST_WIDTH = 74
MOST_SETTINGS = 32
MOST_BATCH = 4096


class BenchmarkPage(QWidget):
    """Table, latency distributions and throughput by setting over a `Comparisons`.

    Signals:
        threads_changed(int): another number of threads is asked for.
    """

    threads_changed = Signal(int)

    def __init__(
        self, session: Session, store: Comparisons, theme: Theme, benchmark: QAction, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("benchmark_page")
        self._session, self._store = session, store
        self.model = ResultModel(self._build_columns(), lambda: len(store.subjects), theme, self)
        self._view = ResultView(self.model, "benchmark_table", self)
        self._view.setAccessibleName(self.tr("Latency and throughput"))
        self._view.setMinimumHeight(TABLE_HEIGHT)
        TableSaver(self._view)
        self._cores = max(os.cpu_count() or 1, 1)
        self._threads = named(SpinBox(1, self._cores), "threads")
        self._threads.setAccessibleName(self.tr("Threads"))
        self._threads.setToolTip(self.tr("Threads that ONNX Runtime may use for one call"))
        self._sweep_threads = self._build_list(
            "sweep_threads", self.tr("Threads to sweep"), "1,2", self.tr("Further numbers of threads, as 1,2,4")
        )
        self._sweep_batches = self._build_list(
            "sweep_batches", self.tr("Batches to sweep"), "1,8", self.tr("Further batch sizes, as 1,8")
        )
        self._sweep_cores = self._build_list(
            "sweep_cores",
            self.tr("Processors to sweep"),
            "0; 0,1",
            self.tr("CPU affinity: the processors to keep to, sets apart by semicolons, as 0; 0,1. Not on macOS"),
        )
        self._hint = named(QLabel(wordWrap=True), "benchmark_hint")
        self._hint.setProperty("role", "dim")
        self._latency = LatencyPlot(theme, self)
        self._throughput = ThroughputPlot(theme, self)
        self._build_layout(benchmark)
        self._threads.valueChanged.connect(self.threads_changed)
        store.changed.connect(self._on_changed)
        theme.changed.connect(self._show)
        self._show()

    @property
    def threads(self) -> int:
        """How many threads were asked for."""
        return self._threads.value()

    def set_threads(self, threads: int) -> None:
        """Ask for another number of threads."""
        self._threads.setValue(threads)

    @property
    def sweep(self) -> tuple[RunSetting, ...]:
        """The further settings that were asked for, none without any; what is not a number is passed over."""
        threads = _read_counts(self._sweep_threads.text(), self._cores * 4)
        batches = _read_counts(self._sweep_batches.text(), MOST_BATCH)
        cores = [_read_cores(part) for part in self._sweep_cores.text().split(";")]
        sets = [chosen for chosen in dict.fromkeys(cores) if chosen]
        if not (threads or batches or sets):
            return ()
        settings = product(threads or [self.threads], batches or [1], sets or [()])
        return tuple(RunSetting(*setting) for setting in settings)[:MOST_SETTINGS]

    def _build_list(self, name: str, title: str, example: str, tip: str) -> QLineEdit:
        line = named(QLineEdit(), name)
        line.setAccessibleName(title)
        line.setPlaceholderText(example)
        line.setToolTip(tip)
        line.setMaximumWidth(LIST_WIDTH)
        return line

    def _build_layout(self, benchmark: QAction) -> None:
        button = ActionButton(benchmark, "benchmark_button", text=self.tr("Run the benchmark"))
        button.setProperty("primary", True)
        bar = QHBoxLayout()
        fields: tuple[tuple[str, QWidget], ...] = (
            (self.tr("Threads"), self._threads),
            (self.tr("Sweep: threads"), self._sweep_threads),
            (self.tr("batches"), self._sweep_batches),
            (self.tr("processors"), self._sweep_cores),
        )
        for text, field in fields:
            label = QLabel(text)
            label.setBuddy(field)
            bar.addWidget(label)
            bar.addWidget(field)
        bar.addStretch(1)
        bar.addWidget(button)
        self._plots = QSplitter(Qt.Orientation.Horizontal, self, childrenCollapsible=False)
        self._plots.setMinimumHeight(PLOT_HEIGHT)
        self._plots.addWidget(self._latency)
        self._plots.addWidget(self._throughput)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._hint)
        layout.addWidget(self._view, 2)
        layout.addWidget(self._plots, 3)

    def _build_columns(self) -> list[TableColumn]:
        tr = self.tr
        return [
            TableColumn(tr("Model"), tr("File of the model"), self._name, is_text=True),
            TableColumn(tr("File size"), tr("Size on disk"), self._size),
            TableColumn(tr("P50 ms"), tr("Half of the calls are faster"), lambda row: self._latency_cell(row, "p50")),
            TableColumn(tr("P90 ms"), tr("90 % of the calls are faster"), lambda row: self._latency_cell(row, "p90")),
            TableColumn(tr("P99 ms"), tr("99 % of the calls are faster"), lambda row: self._latency_cell(row, "p99")),
            TableColumn(tr("Samples/s"), tr("Throughput"), self._throughput_cell),
            TableColumn(tr("Speed-up"), tr("Against the float model"), self._speedup),
            TableColumn(
                tr("Load ms"),
                tr("Loading in a process of its own"),
                lambda row: self._figure(row, lambda point: point.load_ms, format_ms),
            ),
            self._memory_column(
                tr("RSS"), tr("Resident memory, in a process of its own"), lambda point: point.rss_bytes
            ),
            self._memory_column(
                tr("PSS"), tr("Shared pages divided among those who share them"), lambda point: point.pss_bytes
            ),
            self._memory_column(tr("USS"), tr("Memory that no other process shares"), lambda point: point.uss_bytes),
        ]

    def _memory_column(self, title: str, tip: str, value: Callable[[BenchmarkPoint], float | None]) -> TableColumn:
        return TableColumn(title, tip, lambda row: self._figure(row, value, lambda count: format_bytes(int(count))))

    def _figure(self, row: int, value: Callable[[BenchmarkPoint], float | None], form: Callable[[float], str]) -> Cell:
        point = self._point(row)
        found = value(point) if point else None
        return Cell("") if found is None else Cell(form(found), value=found)

    def _subject(self, row: int) -> Subject:
        return self._store.subjects[row]

    def _point(self, row: int) -> BenchmarkPoint | None:
        return self._subject(row).benchmark

    def _name(self, row: int) -> Cell:
        subject = self._subject(row)
        text = self.tr("{name} (float)").format(name=subject.name) if subject.is_float else subject.name
        return Cell(text, tool_tip=subject.path)

    def _size(self, row: int) -> Cell:
        count = self._subject(row).file_bytes
        return Cell(format_bytes(count), value=count)

    def _latency_cell(self, row: int, name: str) -> Cell:
        point = self._point(row)
        return Cell(format_ms(point.latency_ms[name]), value=point.latency_ms[name]) if point else _UNKNOWN

    def _throughput_cell(self, row: int) -> Cell:
        point = self._point(row)
        if point is None:
            return _UNKNOWN
        tip = self.tr("%n calls were timed", "", point.runs)
        return Cell(f"{point.throughput_per_s:,.0f}", tool_tip=tip, value=point.throughput_per_s)

    def _speedup(self, row: int) -> Cell:
        point = self._point(row)
        if point is None:
            return _UNKNOWN
        tone = Tone.DIM if self._subject(row).is_float else Tone.GOOD if point.speedup >= 1 else Tone.BAD
        return Cell(format_ratio(point.speedup), tone, value=point.speedup)

    def _on_changed(self) -> None:
        """Nobody waits for columns and plots that are out of sight."""
        if self.isVisible():
            self._show()
        else:
            self.model.count_rows()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show()

    def _show(self) -> None:
        self.model.refresh()
        for column in range(self.model.columnCount()):
            self._view.setColumnHidden(column, self.model.is_column_empty(column))
        subjects = list(enumerate(self._store.subjects))
        points = [(at, subject.name, subject.benchmark) for at, subject in subjects if subject.benchmark is not None]
        self._latency.show_points(points)
        self._throughput.show_points(self._store.sweep, [(at, subject.path, subject.name) for at, subject in subjects])
        self._plots.setVisible(bool(points))
        self._throughput.setVisible(bool(self._store.sweep))
        run_first = self.tr("Not measured yet. Models run in turn, so that they see the same conditions.")
        self._hint.setText("\n".join(self._store.notes) if points else run_first)
        self._hint.setVisible(bool(self._hint.text()))


_UNKNOWN = Cell("–", Tone.DIM)


def _read_counts(text: str, most: int) -> list[int]:
    found = (int(part) for part in text.replace(" ", "").split(",") if part.isascii() and part.isdigit())
    return [count for count in dict.fromkeys(found) if 0 < count <= most]


def _read_cores(text: str) -> tuple[int, ...]:
    parts = text.replace(" ", "").split(",")
    return tuple(dict.fromkeys(int(part) for part in parts if part.isascii() and part.isdigit()))
