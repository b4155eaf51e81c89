"""The table itself: keyboard, mouse and selection; it says what the user wants and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QPersistentModelIndex, QRect, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QFontDatabase,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget
from typing_extensions import override

from gui.layer_edits import LayerEdit
from gui.layers.columns import BITS_OF_COLUMN, HEAT_COLUMNS, OPTIONS, Column
from gui.layers.editors import ChoiceDelegate
from gui.layers.order import LayerOrder
from gui.layers.painters import (
    PADDING,
    ColumnPainter,
    HeatPainter,
    LockPainter,
    ShownColumn,
    ShownRow,
    TablePainter,
    TextPainter,
    WeightPainter,
)
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
ROW_HEIGHT = 27
NAME_PIXELS = 12
WIDTHS = {
    Column.WEIGHTS: 122,
    Column.LOCK: 26,
    Column.BITS: 44,
    Column.KERNEL: 76,
    Column.SCALES: 82,
    Column.ROUNDING: 82,
    Column.TIME: 74,
    Column.SIZE: 74,
}
HEAT_CELL_WIDTH = 52
BUTTON_COLUMNS = (*BITS_OF_COLUMN, Column.LOCK, *OPTIONS)
"""A click in these keeps a selection of several rows."""
ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
NARROW_WEIGHTS = 74
"""Without the bars; so wide where the names would have no room otherwise."""
NAME_WIDTHS = (90, 170)
OPERATOR_WIDTHS = (92, 190)


class LayersView(QTableView):
    """One row per layer.

    Signals:
        bits_requested(names, bits), lock_requested(names): a cell was clicked or activated.
        edit_requested(names, LayerEdit): something was chosen from the list of a cell.
        layer_selected(name): the current row is another one.
    """

    bits_requested = Signal(object, int)
    lock_requested = Signal(object)
    edit_requested = Signal(object, object)
    layer_selected = Signal(str)

    def __init__(self, order: LayerOrder, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._order = order
        self._pressed = QPersistentModelIndex()
        self._hidden: frozenset[Column] = frozenset()
        self._has_times = True
        self._mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self._mono.setPixelSize(NAME_PIXELS)
        self._painter = TablePainter(theme, self._build_painters(theme))
        self.setObjectName("layers")
        self.setAccessibleName(self.tr("Layers and bit widths"))
        self.setModel(order)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMouseTracking(True)
        self._set_up_columns()
        theme.changed.connect(self.viewport().update)
        order.modelReset.connect(self._share_out)
        self.selectionModel().currentRowChanged.connect(self._on_current_row_changed)

    def selected_names(self) -> list[str]:
        """The selected layers from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [self._order.name_at(row) for row in rows]

    def show_layer(self, name: str) -> None:
        """Make a layer current and scroll to it."""
        row = self._order.row_of(name)
        if row < 0 or self.selectionModel().isRowSelected(row):
            return
        column = max(self.currentIndex().column(), 0)
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self.selectionModel().setCurrentIndex(self._order.index(row, column), flags)
        self.scrollTo(self._order.index(row, column))

    def shown_rows(self) -> tuple[int, int]:
        """First and last row in sight."""
        first = max(self.rowAt(0), 0)
        last = self.rowAt(self.viewport().height() - 1)
        return first, self._order.rowCount() - 1 if last < 0 else last

    def hide_columns(self, columns: Iterable[Column]) -> None:
        """Hide exactly these."""
        self._hidden = frozenset(columns)
        self._show_columns()

    def show_times(self, *, is_shown: bool) -> None:
        """Whether there are layer times to show."""
        self._has_times = is_shown
        self._show_columns()

    def _show_columns(self) -> None:
        for column in Column:
            is_missing = column == Column.TIME and not self._has_times
            self.setColumnHidden(column, column in self._hidden or is_missing)
        self._share_out()

    def _share_out(self) -> None:
        """Give the names room first, then the operators, then the bars of the weights; scroll where all is too much.

        The names take what is left over.
        """
        least, most = self._operator_widths()
        flexible = (Column.NAME, Column.OPERATOR, Column.WEIGHTS)
        fixed = sum(self.columnWidth(column) for column in Column if column not in flexible)
        room = self.viewport().width() - fixed
        names = self._name_width()
        has_bars = room >= WIDTHS[Column.WEIGHTS] + names + most
        weights = WIDTHS[Column.WEIGHTS] if has_bars else NARROW_WEIGHTS
        self.setColumnWidth(Column.WEIGHTS, weights)
        operators = min(max(room - weights - names, least), most)
        self.setColumnWidth(Column.OPERATOR, operators)
        others = sum(self.columnWidth(column) for column in (Column.WEIGHTS, Column.OPERATOR))
        is_tight = room - others < NAME_WIDTHS[0]
        mode = QHeaderView.ResizeMode.Interactive if is_tight else QHeaderView.ResizeMode.Stretch
        self.horizontalHeader().setSectionResizeMode(Column.NAME, mode)
        if is_tight:
            self.setColumnWidth(Column.NAME, names)

    def _operator_widths(self) -> tuple[int, int]:
        """What operators need at least to be told apart, and what all of these need, within reason."""
        least, most = OPERATOR_WIDTHS
        self.ensurePolished()  # the style sheet chooses the font
        metrics = self.fontMetrics()
        wanted = max((metrics.horizontalAdvance(text) for text in self._order.operators()), default=0) + 2 * PADDING + 2
        return least, min(max(wanted, least), most)

    def _name_width(self) -> int:
        """What the longest name needs, within reason; the font has one width."""
        letters = self._order.longest_name()
        least, most = NAME_WIDTHS
        return min(max(QFontMetrics(self._mono).horizontalAdvance("0" * letters) + 2 * PADDING, least), most)

    def _set_up_columns(self) -> None:
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in WIDTHS.items():
            self.setColumnWidth(column, width)
        for column in HEAT_COLUMNS:
            self.setColumnWidth(column, HEAT_CELL_WIDTH)
        choices = ChoiceDelegate(self._order, self)
        choices.chosen.connect(self._on_chosen)
        for column in OPTIONS:
            self.setItemDelegateForColumn(column, choices)

    def _build_painters(self, theme: Theme) -> dict[Column, ColumnPainter]:
        return {
            Column.NAME: TextPainter(theme, font=self._mono),
            Column.OPERATOR: TextPainter(theme, color="text_dim"),
            Column.WEIGHTS: WeightPainter(theme, is_right=True),
            Column.LOCK: LockPainter(theme),
            **dict.fromkeys(HEAT_COLUMNS, HeatPainter(theme)),
            **dict.fromkeys(OPTIONS, TextPainter(theme, color="text_dim")),
            Column.TIME: TextPainter(theme, is_right=True),
            Column.SIZE: TextPainter(theme, is_right=True),
        }

    def _on_current_row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.layer_selected.emit(self._order.name_at(current.row()))

    def _is_in_selection(self, index: QModelIndex) -> bool:
        """Whether several rows are selected and this is one of them."""
        rows = self.selectionModel().selectedRows()
        return len(rows) > 1 and self.selectionModel().isRowSelected(index.row())

    def _act_on(self, index: QModelIndex, names: list[str]) -> None:
        if index.column() in BITS_OF_COLUMN:
            self.bits_requested.emit(names, BITS_OF_COLUMN[Column(index.column())])
        elif index.column() == Column.LOCK:
            self.lock_requested.emit(names)

    def _on_chosen(self, edit: LayerEdit) -> None:
        self.edit_requested.emit(self.selected_names() or [self._order.name_at(self.currentIndex().row())], edit)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        columns = self._shown_columns(event.rect())
        with QPainter(self.viewport()) as painter:
            self._painter.paint(painter, columns, self._shown_rows(event.rect()), ROW_HEIGHT)
            current = self.currentIndex()
            if current.isValid() and self.hasFocus():
                top = self.rowViewportPosition(current.row())
                for column in columns:
                    if column.column == current.column():
                        self._painter.mark_current(painter, column, top, ROW_HEIGHT)

    def _shown_columns(self, part: QRect) -> list[ShownColumn]:
        """The columns of which something is in a part of the viewport."""
        found = []
        for column in Column:
            left, width = self.columnViewportPosition(column), self.columnWidth(column)
            if width and left <= part.right() and left + width > part.left():
                found.append(ShownColumn(column, left, width))
        return found

    def _shown_rows(self, part: QRect) -> list[ShownRow]:
        """The rows of which something is in a part of the viewport."""
        first, last = self.rowAt(part.top()), self.rowAt(part.bottom())
        if first < 0:
            return []
        chosen, order = self.selectionModel(), self._order
        end = order.rowCount() if last < 0 else last + 1
        top = self.rowViewportPosition(first)
        return [
            ShownRow(top + (row - first) * ROW_HEIGHT, order.view_at(row), chosen.isRowSelected(row))
            for row in range(first, end)
        ]

    @override
    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._painter.forget()
        super().changeEvent(event)

    @override
    def dataChanged(self, topLeft: Index, bottomRight: Index, roles: Sequence[int] = ()) -> None:
        """Paint no more than the heatmap where only cells were measured: Qt paints all that is in sight."""
        first, last = topLeft.column(), bottomRight.column()
        if first < HEAT_COLUMNS[0] or last > HEAT_COLUMNS[-1] or QAccessible.isActive():
            super().dataChanged(topLeft, bottomRight, roles)
            return
        cells = QRect()
        for index in (topLeft, bottomRight):
            for column in range(first, last + 1):
                cells = cells.united(self.visualRect(index.sibling(index.row(), column)))
        self.viewport().update(cells)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_out()

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        is_plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
        is_button = index.isValid() and index.column() in BUTTON_COLUMNS
        self._pressed = QPersistentModelIndex(index) if is_plain and is_button else QPersistentModelIndex()
        if self._pressed.isValid() and self._is_in_selection(index):
            # A click inside a selection of several rows acts on all of them and keeps the selection.
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        else:
            super().mousePressEvent(event)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A cell acts when it is released where it was pressed; dragging on selects rows and changes nothing."""
        index = self.indexAt(event.position().toPoint())
        pressed, self._pressed = self._pressed, QPersistentModelIndex()
        super().mouseReleaseEvent(event)
        if pressed.isValid() and pressed == index:
            names = self.selected_names() if self._is_in_selection(index) else [self._order.name_at(index.row())]
            self._act_on(index, names)

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open the list of a cell that has one; the selection stays, and all of it is edited."""
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid() and index.column() in OPTIONS:
            self.edit(index)
        else:
            super().mouseDoubleClickEvent(event)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in ENTER and self.currentIndex().isValid():
            if self.currentIndex().column() in OPTIONS:
                self.edit(self.currentIndex())
                return
            self._act_on(self.currentIndex(), self.selected_names() or [self._order.name_at(self.currentIndex().row())])
            return
        super().keyPressEvent(event)
