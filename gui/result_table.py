"""Tables of float and results, for Compare and Benchmark: columns as data, one item model for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget
from typing_extensions import override

from gui.naming import named
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
ROW_HEIGHT = 30


class Tone(IntEnum):
    """How a cell is coloured."""

    PLAIN = 0
    DIM = 1
    GOOD = 2
    BAD = 3


@dataclass(frozen=True)
class Cell:
    """What one cell shows."""

    text: str
    tone: Tone = Tone.PLAIN
    tool_tip: str = ""


@dataclass(frozen=True)
class TableColumn:
    """A column: its header, what it means, and its cell in row `at` (0 is the float model)."""

    title: str
    tool_tip: str
    cell: Callable[[int], Cell]
    is_text: bool = False


class ResultModel(QAbstractTableModel):
    """Row 0 is the float model, then one row per result."""

    def __init__(
        self, columns: Sequence[TableColumn], row_count: Callable[[], int], theme: Theme, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._columns = tuple(columns)
        self._count_rows = row_count
        self._rows = row_count()
        self._theme = theme
        theme.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show the session anew; results are only ever added, except when another model is opened."""
        wanted = self._count_rows()
        if wanted > self._rows:
            self.beginInsertRows(NO_PARENT, self._rows, wanted - 1)
            self._rows = wanted
            self.endInsertRows()
        elif wanted < self._rows:
            self.beginRemoveRows(NO_PARENT, wanted, self._rows - 1)
            self._rows = wanted
            self.endRemoveRows()
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(self._rows - 1, len(self._columns) - 1))

    def is_column_empty(self, column: int) -> bool:
        """Whether no row has anything to say in this column."""
        return all(not self._columns[column].cell(row).text for row in range(self._rows))

    def _color(self, tone: Tone) -> Any:
        names = {Tone.DIM: "text_dim", Tone.GOOD: "good", Tone.BAD: "bad"}
        return self._theme.color(names[tone]) if tone in names else None

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else self._rows

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._columns)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        if role == Role.DisplayRole:
            return self._columns[section].title
        if role == Role.ToolTipRole:
            return self._columns[section].tool_tip
        return self._alignment(section) if role == Role.TextAlignmentRole else None

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Role.TextAlignmentRole:
            return self._alignment(index.column())
        cell = self._columns[index.column()].cell(index.row())
        if role == Role.DisplayRole:
            return cell.text
        if role == Role.ForegroundRole:
            return self._color(cell.tone)
        if role == Role.ToolTipRole:
            return cell.tool_tip or cell.text
        return None

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignLeft if self._columns[column].is_text else Qt.AlignmentFlag.AlignRight
        return side | Qt.AlignmentFlag.AlignVCenter


def build_result_view(model: ResultModel, name: str, parent: QWidget) -> QTableView:
    """A table over `model`, its first column as wide as there is room."""
    view = named(QTableView(parent), name)
    view.setModel(model)
    view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
    header = view.horizontalHeader()
    header.setHighlightSections(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return view
