"""Tables of float and results, for Compare and Benchmark: columns as data, one item model for both.

A table can be sorted by a click on a header, copied (Ctrl+C) as tab-separated text and saved as CSV.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget
from typing_extensions import override

from gui.naming import named
from gui.saving import format_table
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
ROW_HEIGHT = 30
LEAST_NAME_WIDTH = 130


class Tone(IntEnum):
    """How a cell is coloured."""

    PLAIN = 0
    DIM = 1
    GOOD = 2
    BAD = 3


@dataclass(frozen=True)
class Cell:
    """What one cell shows.

    Attributes:
        delta: how it differs from the baseline, signed and with an arrow; `tone` is its colour then.
        value: to sort by; texts are sorted as such.
    """

    text: str
    tone: Tone = Tone.PLAIN
    tool_tip: str = ""
    delta: str = ""
    value: float | None = None


@dataclass(frozen=True)
class TableColumn:
    """A column: its header, what it means, and its cell in row `at` (0 is the float model).

    Attributes:
        group: which figures it belongs to, for tables that show some of them at a time.
    """

    title: str
    tool_tip: str
    cell: Callable[[int], Cell]
    is_text: bool = False
    group: str = ""


SORT_ROLE = Role.UserRole
DELTA_ROLE = Role.UserRole + 1
TONE_ROLE = Role.UserRole + 2
ANSWERED_ROLES = frozenset(
    map(int, (Role.DisplayRole, Role.ForegroundRole, Role.ToolTipRole, SORT_ROLE, DELTA_ROLE, TONE_ROLE))
)


class ResultModel(QAbstractTableModel):
    """Row 0 is the float model, then one row per result.

    Signals:
        tick_requested(int, bool): the box of a row was clicked.
    """

    tick_requested = Signal(int, bool)

    def __init__(
        self,
        columns: Sequence[TableColumn],
        row_count: Callable[[], int],
        theme: Theme,
        parent: QObject | None = None,
        is_ticked: Callable[[int], bool] | None = None,
    ) -> None:
        """Show `row_count()` rows; with `is_ticked`, the first column has boxes."""
        super().__init__(parent)
        self._is_ticked = is_ticked
        self._columns = tuple(columns)
        self._count_rows = row_count
        self._rows = row_count()
        self._theme = theme
        theme.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Show all rows anew; which row a result has changes when one before it is deleted."""
        self.count_rows()
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(self._rows - 1, len(self._columns) - 1))

    def count_rows(self) -> None:
        """Have as many rows as there are models; what they show is left to `refresh`."""
        wanted = self._count_rows()
        if wanted > self._rows:
            self.beginInsertRows(NO_PARENT, self._rows, wanted - 1)
            self._rows = wanted
            self.endInsertRows()
        elif wanted < self._rows:
            self.beginRemoveRows(NO_PARENT, wanted, self._rows - 1)
            self._rows = wanted
            self.endRemoveRows()

    @property
    def columns(self) -> Sequence[TableColumn]:
        """What is shown."""
        return self._columns

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
        if role == Role.CheckStateRole and self._is_ticked is not None and index.column() == 0:
            return Qt.CheckState.Checked if self._is_ticked(index.row()) else Qt.CheckState.Unchecked
        # Painting asks for many roles of every cell; most have no answer.
        return self._answer(role, index.row(), self._columns[index.column()]) if role in ANSWERED_ROLES else None

    def _answer(self, role: int, row: int, column: TableColumn) -> Any:
        cell = column.cell(row)
        if role == Role.DisplayRole:
            return cell.text
        if role == Role.ForegroundRole:
            return self._color(Tone.PLAIN if cell.delta else cell.tone)
        if role == Role.ToolTipRole:
            return cell.tool_tip or cell.text
        if role == SORT_ROLE:
            return cell.text.lower() if column.is_text else _sort_key(cell.value)
        return cell.delta if role == DELTA_ROLE else cell.tone

    @override
    def setData(self, index: Index, value: Any, role: int = Role.EditRole) -> bool:
        if role != Role.CheckStateRole or self._is_ticked is None or index.column():
            return False
        self.tick_requested.emit(index.row(), Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    @override
    def flags(self, index: Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        is_box = self._is_ticked is not None and index.isValid() and index.column() == 0
        return flags | Qt.ItemFlag.ItemIsUserCheckable if is_box else flags

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignLeft if self._columns[column].is_text else Qt.AlignmentFlag.AlignRight
        return side | Qt.AlignmentFlag.AlignVCenter


def _sort_key(value: float | None) -> float:
    """What is not known stands below everything that is."""
    return -math.inf if value is None or math.isnan(value) else value


class NarrowHeader(QHeaderView):
    """A header for sorting that keeps room for the arrow where it stands, not in every section."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.setSortIndicatorClearable(True)
        self.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.sortIndicatorChanged.connect(lambda _section: self.resizeSections())

    @override
    def sectionSizeFromContents(self, logicalIndex: int) -> QSize:
        size = super().sectionSizeFromContents(logicalIndex)
        if self.isSortIndicatorShown() and logicalIndex != self.sortIndicatorSection():
            size.setWidth(size.width() - self.fontMetrics().height())
        return size


class ResultView(QTableView):
    """A sortable table over a `ResultModel`.

    The names take the room that the figures leave, until the user gives them another width; where even short names do
    not fit, the table scrolls sideways.
    """

    def __init__(self, model: ResultModel, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        named(self, name)
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSourceModel(model)
        self._proxy.setSortRole(SORT_ROLE)
        self.setModel(self._proxy)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = NarrowHeader(self)
        self.setHorizontalHeader(header)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSortingEnabled(True)
        self._is_fitting = self._is_sized_by_user = False
        header.sectionResized.connect(self._on_section_resized)

    def _on_section_resized(self, section: int, old: int, new: int) -> None:
        if section:
            self._fit_names()
        elif old and new and not self._is_fitting:  # else it is hidden or shown
            self._is_sized_by_user = True

    def _fit_names(self) -> None:
        if self._is_sized_by_user or self._is_fitting:
            return
        self._is_fitting = True
        figures = sum(self.columnWidth(at) for at in range(1, self._proxy.columnCount()))
        self.setColumnWidth(0, max(self.viewport().width() - figures, LEAST_NAME_WIDTH))
        self._is_fitting = False

    @property
    def current_row(self) -> int:
        """The selected row in the order of the model below, whatever the sorting; −1 for none."""
        return self._proxy.mapToSource(self.currentIndex()).row()

    def select_row(self, row: int) -> None:
        """Select a row of the model below."""
        self.setCurrentIndex(self._proxy.mapFromSource(self._proxy.sourceModel().index(row, 0)))

    def format_table(self, delimiter: str) -> str:
        """The visible columns in the visible order, one line per row after the titles."""
        return format_table(self, delimiter)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.format_table("\t"))
            event.accept()
            return
        super().keyPressEvent(event)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_names()
