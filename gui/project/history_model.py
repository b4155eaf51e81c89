"""The history as an item model: pinned runs first, then the newest; notes are edited in place."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from typing_extensions import override

from engine.project.runs import Run, is_output_there
from engine.units import format_bytes
from gui.engine_texts import translate_warning
from gui.session import Session
from gui.theme import Theme
from gui.tradeoff.points import bits_of, count_bits
from gui.units import NOTHING, format_db, format_ms, local_time

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
PINNED = "★"
MAX_NOTE = 2000


class Column(IntEnum):
    """What the columns show."""

    PIN = 0
    NUMBER = 1
    CREATED = 2
    MODEL = 3
    BITS = 4
    PARENT = 5
    SIZE = 6
    SQNR = 7
    TOP1 = 8
    LATENCY = 9
    COMPARED = 10
    NOTE = 11


TEXTS = (Column.PIN, Column.CREATED, Column.MODEL, Column.BITS, Column.COMPARED, Column.NOTE)
MEASURED = (Column.TOP1, Column.LATENCY)
"""Columns that have nothing to say until something was measured."""


class HistoryModel(QAbstractTableModel):
    """Rows are `Session.history`. A run whose files are gone is dimmed and cannot be compared."""

    def __init__(self, session: Session, theme: Theme, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._runs: tuple[Run, ...] = ()
        self._numbers: dict[str, int] = {}
        self._missing: frozenset[str] = frozenset()
        self._bits: dict[str, str] = {}
        self._titles = self._build_titles()
        self._texts: dict[Column, Callable[[Run], str]] = {
            Column.PIN: lambda run: PINNED if run.is_pinned else "",
            Column.NUMBER: lambda run: str(run.number),
            Column.CREATED: lambda run: local_time(run.created),
            Column.MODEL: lambda run: run.name,
            Column.BITS: self._describe_bits,
            Column.PARENT: self._describe_parent,
            Column.SIZE: lambda run: format_bytes(run.converted.file_bytes),
            Column.SQNR: lambda run: format_db(run.sqnr_db),
            Column.TOP1: lambda run: NOTHING if (top1 := _top1(run)) is None else f"{top1:.2f}",
            Column.LATENCY: lambda run: NOTHING if (p50 := _p50(run)) is None else format_ms(p50),
            Column.COMPARED: lambda _run: "",
            Column.NOTE: lambda run: run.note,
        }
        session.results_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        theme.changed.connect(self._repaint)
        self.refresh()

    def _build_titles(self) -> dict[Column, tuple[str, str]]:
        return {
            Column.PIN: ("", self.tr("Pinned runs stand first")),
            Column.NUMBER: (self.tr("Run"), self.tr("Counts the conversions of this project")),
            Column.CREATED: (self.tr("When"), self.tr("When it was converted")),
            Column.MODEL: (self.tr("Model"), self.tr("File that was written")),
            Column.BITS: (self.tr("Plan"), self.tr("How many layers have how many bits")),
            Column.PARENT: (self.tr("From"), self.tr("The run whose plan this one's was derived from")),
            Column.SIZE: (self.tr("File size"), self.tr("Size on disk")),
            Column.SQNR: (self.tr("SQNR dB"), self.tr("Of the outputs against float")),
            Column.TOP1: (self.tr("Top-1 %"), self.tr("Share of samples whose label is predicted")),
            Column.LATENCY: (self.tr("P50 ms"), self.tr("Half of the calls are faster")),
            Column.COMPARED: (self.tr("Compare"), self.tr("Whether Compare and Benchmark show it")),
            Column.NOTE: (self.tr("Note"), self.tr("Yours; edit it with F2 or a double click")),
        }

    def refresh(self) -> None:
        """Show the session's runs anew. Rows keep their selection while the runs stay the same."""
        runs = sorted(self._session.history, key=lambda run: (not run.is_pinned, -run.number))
        is_same_order = [run.id for run in runs] == [run.id for run in self._runs]
        if not is_same_order:
            self.beginResetModel()
        self._runs = tuple(runs)
        self._numbers = {run.id: run.number for run in runs}
        if not is_same_order:
            self.check_files()
            self.endResetModel()
        self._repaint()

    def check_files(self) -> None:
        """Look again which runs' files are still there."""
        self._missing = frozenset(run.id for run in self._runs if not is_output_there(run))

    def run(self, row: int) -> Run:
        """The run in a row."""
        return self._runs[row]

    def row_of(self, name: str) -> int:
        """The row of the run of that id; -1 if there is none."""
        return next((row for row, run in enumerate(self._runs) if run.id == name), -1)

    def is_column_empty(self, column: Column) -> bool:
        """Whether no run has anything to say in this column."""
        return all(self._texts[column](run) == NOTHING for run in self._runs)

    def is_missing(self, run: Run) -> bool:
        """Whether its files are gone."""
        return run.id in self._missing

    def _repaint(self) -> None:
        if self._runs:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._runs) - 1, len(Column) - 1))

    def _describe_bits(self, run: Run) -> str:
        """Counted once per run, as that goes through all layers, and a run's plan never changes."""
        model = self._session.model
        if model is not None and run.id not in self._bits:
            counts = count_bits(bits_of(model, run.plan))
            if len(counts) == 1:
                text = self.tr("{bits} bits").format(bits=counts[0][0])
            else:
                every = ", ".join(f"{count} × {bits}" for bits, count in counts)
                text = self.tr("{counts} bits").format(counts=every)
            self._bits[run.id] = text
        return self._bits.get(run.id, "")

    def _describe_parent(self, run: Run) -> str:
        if not run.parent:
            return NOTHING
        number = self._numbers.get(run.parent)
        return self.tr("deleted") if number is None else str(number)

    def _describe_run(self, run: Run) -> str:
        """The tip of the model's file: where it is, what was said about it."""
        lines = [run.converted.output, *map(translate_warning, run.converted.warnings)]
        if self.is_missing(run):
            lines.append(self.tr("This file is not there any more, or it was changed."))
        return "<br>".join(html.escape(line) for line in lines)

    def _decoration(self, run: Run) -> Any:
        return self._theme.color("text_dim") if self.is_missing(run) else None

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._runs)

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(Column)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role in {Role.DisplayRole, Role.ToolTipRole}:
            return self._titles[Column(section)][role == Role.ToolTipRole]
        return _alignment(Column(section)) if role == Role.TextAlignmentRole else None

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        run, column = self._runs[index.row()], Column(index.column())
        match role:
            case Role.DisplayRole | Role.EditRole:
                return self._texts[column](run)
            case Role.TextAlignmentRole:
                return _alignment(column)
            case Role.ForegroundRole:
                return self._decoration(run)
            case Role.CheckStateRole if column == Column.COMPARED:
                return Qt.CheckState.Checked if run.is_compared else Qt.CheckState.Unchecked
            case Role.ToolTipRole:
                return self._describe_run(run) if column == Column.MODEL else html.escape(self._texts[column](run))
            case Role.AccessibleTextRole if column == Column.PIN:
                return self.tr("pinned") if run.is_pinned else ""
        return None

    @override
    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        if not index.isValid():
            return False
        run, column = self._runs[index.row()], Column(index.column())
        if column == Column.NOTE and role == Role.EditRole:
            note = str(value)[:MAX_NOTE]
            if note != run.note:
                self._session.change_run(dataclasses.replace(run, note=note))
            return True
        if column == Column.COMPARED and role == Role.CheckStateRole and not self.is_missing(run):
            self._session.change_run(dataclasses.replace(run, is_compared=not run.is_compared))
            return True
        return False

    @override
    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        if not index.isValid():
            return flags
        if index.column() == Column.NOTE:
            flags |= Qt.ItemFlag.ItemIsEditable
        if index.column() == Column.COMPARED and not self.is_missing(self._runs[index.row()]):
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column in TEXTS else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


def _top1(run: Run) -> float | None:
    return run.evaluation.top1 if run.evaluation else None


def _p50(run: Run) -> float | None:
    return run.benchmark.latency_ms.get("p50") if run.benchmark else None
