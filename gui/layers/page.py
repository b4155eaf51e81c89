"""The Layers × bits page: filter, order, legend, table and overview."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from gui.layer_edits import LayerEdit
from gui.layers.choices import describe_edit, describe_effect
from gui.layers.columns import HEAT_COLUMNS, Column
from gui.layers.columns_menu import ColumnsMenu
from gui.layers.legend import Legend
from gui.layers.metric_box import MetricBox
from gui.layers.model import LayersModel
from gui.layers.order import LayerOrder, Order
from gui.layers.overview import Overview
from gui.layers.view import LayersView
from gui.naming import named
from gui.saving import TableSaver
from gui.session import Session
from gui.settings import HIDDEN_AT_FIRST
from gui.theme import Theme

FILTER_WIDTHS = (116, 220)
ORDERS = {
    Column.NAME: Order.GRAPH,
    Column.WEIGHTS: Order.SIZE,
    Column.TIME: Order.TIME,
    **dict.fromkeys(HEAT_COLUMNS, Order.SENSITIVITY),
}
"""What a click on a header sorts by."""


class LayersPage(QWidget):
    """The heart of the window.

    Signals:
        skipped_locked(count): that many layers kept their bits because they are locked.
        edited(str): whom an edit of several layers reached, in a sentence.
    """

    skipped_locked = Signal(int)
    edited = Signal(str)

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("layers_page")
        self._session = session
        self.model = LayersModel(session, self)
        self.order = LayerOrder(self.model, self)
        self.view = LayersView(self.order, theme, self)
        self.columns_menu = ColumnsMenu(session, self)
        self.overview = Overview(self.order, theme, self)
        self.filter = named(QLineEdit(placeholderText=self.tr("Filter layers… (Ctrl+F)")), "filter")
        self._nothing = named(QLabel(self.tr("No layer matches the filter.")), "no_match")
        self._nothing.setProperty("role", "dim")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.hide()
        self._sort = self._build_sort_box()
        self._build_layout(theme)
        self._saver = TableSaver(self.view, always=[Column.BITS])
        self._connect()

    def focus_filter(self) -> None:
        """Put the cursor into the filter."""
        self.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter.selectAll()

    def selected_names(self) -> list[str]:
        """The selected layers from top to bottom."""
        return self.view.selected_names()

    def assign(self, bits: int) -> None:
        """Give the selected layers these bits."""
        self._assign(self.view.selected_names(), bits)

    def toggle_lock(self) -> None:
        """Lock or free the selected layers."""
        self._session.toggle_lock(self.view.selected_names())

    def copy_rows(self) -> None:
        """Put the selected rows on the clipboard, header first, as spreadsheets take them."""
        self._saver.copy(sorted(index.row() for index in self.view.selectionModel().selectedRows()))

    def hide_columns(self, names: Iterable[str]) -> None:
        """Hide exactly these columns, such as "rounding"."""
        self.columns_menu.hide_columns(names)
        self.view.hide_columns(self.columns_menu.hidden_columns())

    def edit_layers(self, names: Sequence[str], edit: LayerEdit) -> None:
        """Give these layers other choices, in one undoable step."""
        effect = self._session.edit_layers(names, edit, describe_edit(edit))
        if len(names) > 1 or effect.locked:
            self.edited.emit(describe_effect(effect))

    def _build_layout(self, theme: Theme) -> None:
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName(self.tr("Filter layers"))
        self.filter.setToolTip(self.tr("Show only layers whose name or operator contains this text"))
        self.filter.setMinimumWidth(FILTER_WIDTHS[0])
        self.filter.setMaximumWidth(FILTER_WIDTHS[1])
        bar = QHBoxLayout()
        bar.addWidget(self.filter, 100)
        bar.addWidget(MetricBox(self._session, self))
        bar.addWidget(self._sort)
        bar.addStretch(1)
        bar.addWidget(Legend(self._session, theme, self))
        table = QHBoxLayout()
        table.setSpacing(6)
        table.addWidget(self.view, 1)
        table.addWidget(self.overview)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 4)
        layout.addLayout(bar)
        layout.addWidget(self._nothing)
        layout.addLayout(table, 1)

    def _build_sort_box(self) -> QComboBox:
        box = named(QComboBox(), "sort")
        box.setAccessibleName(self.tr("Order of the layers"))
        box.setToolTip(self.tr("Order of the layers"))
        box.addItem(self.tr("Sort: graph order"), Order.GRAPH)
        box.addItem(self.tr("Sort: most fragile first"), Order.SENSITIVITY)
        box.addItem(self.tr("Sort: largest first"), Order.SIZE)
        box.currentIndexChanged.connect(self._sort_rows)
        return box

    def _connect(self) -> None:
        self.filter.textChanged.connect(self._on_filter_changed)
        self.view.bits_requested.connect(self._assign)
        self.view.lock_requested.connect(self._session.toggle_lock)
        self.view.edit_requested.connect(self.edit_layers)
        self.columns_menu.hidden_changed.connect(self.hide_columns)
        header = self.view.horizontalHeader()
        header.sectionClicked.connect(self._sort_by_column)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(lambda at: self.columns_menu.popup(header.mapToGlobal(at)))
        self.hide_columns(HIDDEN_AT_FIRST)
        self.view.layer_selected.connect(self._session.select)
        self._session.selection_changed.connect(self.view.show_layer)
        self._session.latencies_changed.connect(self._on_latencies_changed)
        self._on_latencies_changed()
        self.view.show_layer(self._session.selected)
        self.overview.row_requested.connect(self._on_row_requested)
        self._frame_timer = QTimer(self, singleShot=True, interval=0)
        self._frame_timer.timeout.connect(self._frame_rows)
        self.view.verticalScrollBar().valueChanged.connect(self._frame_timer.start)
        self.view.verticalScrollBar().rangeChanged.connect(self._frame_timer.start)
        for changed in (self.order.modelReset, self.order.rowsInserted, self.order.rowsRemoved):
            changed.connect(self._frame_timer.start)

    def _sort_by_column(self, column: int) -> None:
        """A click on a header; columns without an order of their own do nothing."""
        at = self._sort.findData(ORDERS[Column(column)]) if column in ORDERS else -1
        if at >= 0:
            self._sort.setCurrentIndex(at)

    def _sort_rows(self) -> None:
        self.order.set_order(Order(self._sort.currentData()))

    def _on_latencies_changed(self) -> None:
        """Times have a column, and an order, once they were measured."""
        is_measured = self._session.latencies is not None
        self.view.show_times(is_shown=is_measured)
        at = self._sort.findData(Order.TIME)
        if is_measured and at < 0:
            self._sort.addItem(self.tr("Sort: slowest first"), Order.TIME)
        elif not is_measured and at >= 0:
            self._sort.removeItem(at)
        self._sort_rows()

    def _on_filter_changed(self, text: str) -> None:
        self.order.setFilterFixedString(text)
        self._nothing.setVisible(self.order.rowCount() == 0 and bool(text))

    def _frame_rows(self) -> None:
        """Where the table is; with all rows in sight there is nothing to overlook."""
        first, last = self.view.shown_rows()
        self.overview.setVisible(last - first + 1 < self.order.rowCount())
        self.overview.show_rows(first, last)

    def _on_row_requested(self, row: int) -> None:
        self._session.select(self.order.name_at(row))

    def _assign(self, names: Sequence[str], bits: int) -> None:
        locked = self._session.assign_bits(names, bits)
        if locked:
            self.skipped_locked.emit(locked)
