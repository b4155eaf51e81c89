"""Which layers the table shows and in which order; the item model itself stays in graph order."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt
from typing_extensions import override

from gui.layer_edits import LayerEdit
from gui.layers.cells import CellView, RowView
from gui.layers.columns import Column
from gui.layers.model import LayerRole, LayersModel


class Order(StrEnum):
    """How rows are sorted."""

    GRAPH = "graph"
    SENSITIVITY = "sensitivity"
    SIZE = "size"
    TIME = "time"


class LayerOrder(QSortFilterProxyModel):
    """Filters by name and operator as the user types, and sorts."""

    def __init__(self, source: LayersModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._order = Order.GRAPH
        self._times: list[float] = []
        self._source_rows: list[int] = []
        for changed in (self.modelReset, self.layoutChanged, self.rowsInserted, self.rowsRemoved):
            changed.connect(self._source_rows.clear)
        self.setFilterRole(LayerRole.SEARCH)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setSourceModel(source)

    def set_order(self, order: Order) -> None:
        """Sort anew. Times are those of the plan of now, so that rows stay where they are while it is edited."""
        self._order = order
        if order == Order.TIME:
            self._times = [self._source.time_at(row) for row in range(self._source.rowCount())]
        # Back to graph order first: a second sort by the same column would be skipped. Sorting by a bit
        # column makes the sensitivity order follow the cells as they are measured.
        self.sort(-1)
        if order != Order.GRAPH:
            self.sort(Column.BITS_4)

    def name_at(self, row: int) -> str:
        """The layer's name in a shown row."""
        return self._source.layer_at(self._source_row(row)).name

    def view_at(self, row: int) -> RowView:
        """What a shown row paints."""
        return self._source.row_view(self._source_row(row))

    def heat_cells_at(self, row: int) -> dict[int, CellView]:
        """The cells of the weights' bits of a shown row."""
        return self._source.heat_cells(self._source_row(row))

    def options_at(self, row: int, column: Column) -> list[tuple[str, LayerEdit, bool]]:
        """What the list of a shown cell offers, as `LayersModel.options_at` says."""
        return self._source.options_at(self._source_row(row), column)

    def _source_row(self, row: int) -> int:
        """As `mapToSource`, quick enough to be asked for every cell that is painted."""
        if not self._source_rows:
            self._source_rows.extend(self.mapToSource(self.index(at, 0)).row() for at in range(self.rowCount()))
        return self._source_rows[row]

    def longest_name(self) -> int:
        """Letters of the longest title of all layers, shown or not."""
        return max((len(self._source.layer_at(row).title) for row in range(self._source.rowCount())), default=0)

    def operators(self) -> frozenset[str]:
        """The operators of all layers, shown or not."""
        return frozenset(self._source.layer_at(row).detail for row in range(self._source.rowCount()))

    def row_of(self, name: str) -> int:
        """The shown row of a layer; -1 if it is filtered out."""
        source_row = self._source.row_of(name)
        return -1 if source_row < 0 else self.mapFromSource(self._source.index(source_row, 0)).row()

    def shown_names(self) -> list[str]:
        """The shown layers from top to bottom."""
        return [self.name_at(row) for row in range(self.rowCount())]

    def _sort_key(self, row: int) -> tuple[float, int]:
        if self._order == Order.SIZE:
            return (-self._source.layer_at(row).parameters, row)
        if self._order == Order.TIME:
            return (-self._times[row] if row < len(self._times) else 0.0, row)
        return (-self._source.damage_at(row), row)

    @override
    def lessThan(self, left: QModelIndex | QPersistentModelIndex, right: QModelIndex | QPersistentModelIndex) -> bool:
        return self._sort_key(left.row()) < self._sort_key(right.row())
