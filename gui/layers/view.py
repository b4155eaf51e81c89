"""The table itself: keyboard, mouse and selection; it says what the user wants and changes nothing."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget
from typing_extensions import override

from gui.layers.delegates import BitCellDelegate, LockDelegate, WeightBarDelegate
from gui.layers.model import BITS_OF_COLUMN, Column
from gui.layers.order import LayerOrder
from gui.theme import Theme

ROW_HEIGHT = 27
WIDTHS = {Column.WEIGHTS: 120, Column.LOCK: 30, Column.KERNEL: 98, Column.SIZE: 78}
BIT_CELL_WIDTH = 52
OPERATOR_WIDTH = 192


class LayersView(QTableView):
    """One row per layer.

    Signals:
        bits_requested(names, bits), lock_requested(names): a cell was clicked or activated.
        layer_selected(name): the current row is another one.
    """

    bits_requested = Signal(object, int)
    lock_requested = Signal(object)
    layer_selected = Signal(str)

    def __init__(self, order: LayerOrder, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._order = order
        self._theme = theme
        self.setObjectName("layers")
        self.setAccessibleName(self.tr("Layers and bit widths"))
        self.setModel(order)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMouseTracking(True)
        self._set_up_columns()
        theme.changed.connect(self.viewport().update)
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

    def _set_up_columns(self) -> None:
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(Column.NAME, QHeaderView.ResizeMode.Stretch)
        self.setColumnWidth(Column.OPERATOR, OPERATOR_WIDTH)
        for column, width in WIDTHS.items():
            self.setColumnWidth(column, width)
        bit_cells = BitCellDelegate(self._theme, self)
        for column in BITS_OF_COLUMN:
            self.setColumnWidth(column, BIT_CELL_WIDTH)
            self.setItemDelegateForColumn(column, bit_cells)
        self.setItemDelegateForColumn(Column.WEIGHTS, WeightBarDelegate(self._theme, self))
        self.setItemDelegateForColumn(Column.LOCK, LockDelegate(self._theme, self))

    def _on_current_row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.layer_selected.emit(self._order.name_at(current.row()))

    def _act_on(self, index: QModelIndex, names: list[str]) -> None:
        if index.column() in BITS_OF_COLUMN:
            self.bits_requested.emit(names, BITS_OF_COLUMN[Column(index.column())])
        elif index.column() == Column.LOCK:
            self.lock_requested.emit(names)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        is_plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
        is_button = index.isValid() and (index.column() in BITS_OF_COLUMN or index.column() == Column.LOCK)
        if not (is_plain and is_button):
            super().mousePressEvent(event)
            return
        selected = self.selected_names()
        name = self._order.name_at(index.row())
        if name in selected and len(selected) > 1:
            # A click inside a selection of several rows acts on all of them and keeps the selection.
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
            self._act_on(index, selected)
        else:
            super().mousePressEvent(event)
            self._act_on(index, [name])

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.currentIndex().isValid():
            self._act_on(self.currentIndex(), self.selected_names() or [self._order.name_at(self.currentIndex().row())])
            return
        super().keyPressEvent(event)
