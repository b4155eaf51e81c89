"""The Compare page: the float model beside every result of the session."""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.jobs.requests import DEGRADED_SQNR_DB
from gui.naming import named
from gui.result_table import Cell, ResultModel, TableColumn, Tone, build_result_view
from gui.results import ResultEntry
from gui.session import Session
from gui.theme import Theme
from gui.units import format_bytes, format_db, format_delta, format_ratio

PLOT_HEIGHT = 210
TABLE_HEIGHT = 150
SMALL_DROP = 0.5
"""Points of top-1 below which a loss is not marked."""
SMALL_AGREEMENT = 95.0
"""Percentage of equal decisions below which a result is no longer called close."""


class ComparePage(QWidget):
    """Table and bars over `Session.results`."""

    def __init__(self, session: Session, theme: Theme, compare: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare_page")
        self._session = session
        self._theme = theme
        self.model = ResultModel(self._build_columns(), self._count_rows, theme, self)
        self._view = build_result_view(self.model, "compare_table", self)
        self._view.setAccessibleName(self.tr("Float model and results"))
        self._view.setMinimumHeight(TABLE_HEIGHT)
        self._hint = named(QLabel(), "compare_hint")
        self._hint.setProperty("role", "dim")
        self._hint.setWordWrap(True)
        self._sizes = self._build_plot("size_bars", self.tr("File size"))
        self._quality = self._build_plot("quality_bars", self.tr("SQNR against float, dB"))
        self._build_layout(compare)
        session.results_changed.connect(self._show)
        session.data_changed.connect(self._show)
        theme.changed.connect(self._show)
        self._show()

    def _build_layout(self, compare: QAction) -> None:
        button = named(QPushButton(compare.text().replace("&", "")), "compare_button")
        button.setProperty("primary", True)
        button.setToolTip(compare.toolTip())
        button.setEnabled(compare.isEnabled())
        compare.enabledChanged.connect(button.setEnabled)
        button.clicked.connect(compare.trigger)
        bar = QHBoxLayout()
        bar.addWidget(self._hint, 1)
        bar.addWidget(button)
        plots = QHBoxLayout()
        plots.addWidget(self._sizes)
        plots.addWidget(self._quality)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.addLayout(bar)
        layout.addWidget(self._view, 2)
        layout.addLayout(plots, 3)

    def _build_plot(self, name: str, label: str) -> pg.PlotWidget:
        plot = pg.PlotWidget(self)
        plot.setObjectName(name)
        plot.setAccessibleName(label)
        plot.setMinimumHeight(PLOT_HEIGHT)
        item = plot.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getAxis("left").enableAutoSIPrefix(False)
        item.setLabel("left", label)
        plot.getViewBox().setMouseEnabled(False, False)
        return plot

    def _build_columns(self) -> list[TableColumn]:
        return [
            TableColumn(self.tr("Model"), self.tr("File of the model"), self._name, is_text=True),
            TableColumn(self.tr("File size"), self.tr("Size on disk"), self._size),
            TableColumn(self.tr("Smaller"), self.tr("Float size / size"), self._ratio),
            TableColumn(self.tr("Bits per weight"), self.tr("All stored bits per weight"), self._bits),
            TableColumn(self.tr("SQNR dB"), self.tr("Of the outputs against float"), self._sqnr),
            TableColumn(self.tr("Top-1 %"), self.tr("Share of samples whose label is predicted"), self._top1),
            TableColumn(self.tr("Δ top-1"), self.tr("Points against float on the same samples"), self._delta),
            TableColumn(self.tr("Agreement %"), self.tr("Same prediction as float"), self._agreement),
            TableColumn(self.tr("Perplexity"), self.tr("Of the next token; lower is better"), self._perplexity),
            TableColumn(self.tr("Samples"), self.tr("How many samples were evaluated"), self._samples),
            TableColumn(
                self.tr("Verdict"), self.tr("Whether the result is far from float"), self._verdict, is_text=True
            ),
        ]

    def _count_rows(self) -> int:
        return 1 + len(self._session.results) if self._session.model else 0

    def _entry(self, row: int) -> ResultEntry | None:
        return self._session.results[row - 1] if row else None

    def _name(self, row: int) -> Cell:
        entry, model = self._entry(row), self._session.model
        if entry is None:
            return Cell(self.tr("{name} (float)").format(name=Path(model.path).name) if model else "")
        return Cell(entry.name, tool_tip=entry.converted.output)

    def _size(self, row: int) -> Cell:
        entry, model = self._entry(row), self._session.model
        return Cell(format_bytes(entry.converted.file_bytes if entry else model.file_bytes if model else 0))

    def _ratio(self, row: int) -> Cell:
        entry = self._entry(row)
        if entry is None:
            return Cell("1.0×", Tone.DIM)
        return Cell(format_ratio(entry.converted.source_bytes / max(entry.converted.file_bytes, 1)), Tone.GOOD)

    def _bits(self, row: int) -> Cell:
        entry = self._entry(row)
        return Cell(f"{entry.bits_per_weight:.2f}") if entry else Cell("32", Tone.DIM)

    def _sqnr(self, row: int) -> Cell:
        entry = self._entry(row)
        return Cell(format_db(entry.sqnr_db)) if entry else Cell(format_db(float("inf")), Tone.DIM)

    def _top1(self, row: int) -> Cell:
        entry = self._entry(row)
        if entry is None:
            found = [e.evaluation.reference_top1 for e in self._session.results if e.evaluation]
            return Cell(f"{found[-1]:.2f}" if found and found[-1] is not None else "")
        value = entry.evaluation.top1 if entry.evaluation else None
        return Cell("" if value is None else f"{value:.2f}")

    def _delta(self, row: int) -> Cell:
        entry = self._entry(row)
        delta = entry.top1_delta if entry else None
        if delta is None:
            return Cell("")
        return Cell(format_delta(delta), Tone.BAD if delta < -SMALL_DROP else Tone.GOOD if delta >= 0 else Tone.PLAIN)

    def _agreement(self, row: int) -> Cell:
        entry = self._entry(row)
        value = entry.evaluation.agreement if entry and entry.evaluation else None
        return Cell("" if value is None else f"{value:.2f}")

    def _perplexity(self, row: int) -> Cell:
        entry = self._entry(row)
        if entry is None:
            found = [e.evaluation.reference_perplexity for e in self._session.results if e.evaluation]
            return Cell(f"{found[-1]:.3f}" if found and found[-1] is not None else "")
        value = entry.evaluation.perplexity if entry.evaluation else None
        return Cell("" if value is None else f"{value:.3f}")

    def _samples(self, row: int) -> Cell:
        entry = self._entry(row)
        return Cell(f"{entry.evaluation.samples:,}" if entry and entry.evaluation else "", Tone.DIM)

    def _verdict(self, row: int) -> Cell:
        entry = self._entry(row)
        if entry is None:
            return Cell(self.tr("reference"), Tone.DIM)
        if entry.converted.is_degraded:
            return Cell(self.tr("⚑ degraded"), Tone.BAD, "\n".join(entry.converted.warnings))
        if entry.converted.warnings:
            return Cell(self.tr("note"), Tone.BAD, "\n".join(entry.converted.warnings))
        if entry.evaluation is None:
            return Cell(self.tr("not compared"), Tone.DIM)
        return self._judge(entry)

    def _judge(self, entry: ResultEntry) -> Cell:
        """What the evaluation says, the worst figure first."""
        found, drop = entry.evaluation, -(entry.top1_delta or 0.0)
        if drop > SMALL_DROP:
            return Cell(self.tr("{points} points lower").format(points=f"{drop:.2f}"), Tone.BAD)
        if entry.sqnr_db is not None and entry.sqnr_db < DEGRADED_SQNR_DB:
            return Cell(self.tr("far from float"), Tone.BAD)
        if found is not None and found.agreement is not None and found.agreement < SMALL_AGREEMENT:
            return Cell(self.tr("differs on {share} %").format(share=f"{100 - found.agreement:.1f}"))
        return Cell(self.tr("close to float"), Tone.GOOD)

    def _show(self) -> None:
        self.model.refresh()
        for column in range(self.model.columnCount()):
            self._view.setColumnHidden(column, self.model.is_column_empty(column))
        self._hint.setText(self._describe())
        self._show_bars()

    def _describe(self) -> str:
        results = self._session.results
        if not results:
            return self.tr("No results yet. Convert makes the first one.")
        if self._session.evaluation_data is None:
            return self.tr("No evaluation data. Add some with Data, then compare.")
        pending = len(self._session.pending_results)
        if pending:
            return self.tr("{n} of {total} results not evaluated yet.").format(n=pending, total=len(results))
        return self.tr("All results are evaluated. They stay until another model is opened.")

    def _show_bars(self) -> None:
        model, results = self._session.model, self._session.results
        has_results = model is not None and bool(results)
        self._sizes.setVisible(has_results)
        self._quality.setVisible(any(entry.sqnr_db is not None for entry in results))
        if model is None or not results:
            return
        names = [self.tr("float"), *(Path(entry.name).stem for entry in results)]
        sizes = [model.file_bytes, *(entry.converted.file_bytes for entry in results)]
        scale, unit = (1e6, "MB") if max(sizes) >= 1e6 else (1e3, "kB")
        self._sizes.getPlotItem().setLabel("left", self.tr("file size, {unit}").format(unit=unit))
        self._draw_bars(self._sizes, names, [size / scale for size in sizes], first_color=0)
        measured = [entry for entry in results if entry.sqnr_db is not None]
        names = [Path(entry.name).stem for entry in measured]
        self._draw_bars(self._quality, names, [min(entry.sqnr_db or 0.0, 100.0) for entry in measured], first_color=1)

    def _draw_bars(self, plot: pg.PlotWidget, names: list[str], values: list[float], *, first_color: int) -> None:
        item = plot.getPlotItem()
        item.clear()
        plot.setBackground(self._theme.color("window"))
        for axis in ("bottom", "left"):
            item.getAxis(axis).setPen(self._theme.color("line"))
            item.getAxis(axis).setTextPen(self._theme.color("text_dim"))
        brushes = [pg.mkBrush(self._theme.series_color(first_color + at)) for at in range(len(values))]
        item.addItem(
            pg.BarGraphItem(x=range(len(values)), height=values, width=0.55, brushes=brushes, pen=pg.mkPen(None))
        )
        item.getAxis("bottom").setTicks([[(at, _shorten(name)) for at, name in enumerate(names)]])
        plot.setXRange(-0.6, max(len(values) - 0.4, 1.6), padding=0)
        plot.setYRange(min([*values, 0.0]), max([*values, 0.1]) * 1.08, padding=0)


def _shorten(name: str) -> str:
    return name if len(name) <= 18 else f"…{name[-17:]}"
