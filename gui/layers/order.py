"""Which layers the table shows and in which order; the item model itself stays in graph order."""

from __future__ import annotations

import math
from enum import StrEnum

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt
from typing_extensions import override

from gui.layers.model import Column, LayerRole, LayersModel

MOST_TELLING_COLUMNS = (Column.BITS_4, Column.BITS_8, Column.BITS_2, Column.BITS_16)


class Order(StrEnum):
    """How rows are sorted."""

    GRAPH = "graph"
    SENSITIVITY = "sensitivity"
    SIZE = "size"


class LayerOrder(QSortFilterProxyModel):
    """Filters by name and operator as the user types, and sorts."""

    def __init__(self, source: LayersModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._order = Order.GRAPH
        self.setFilterRole(LayerRole.SEARCH)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setSourceModel(source)

    def set_order(self, order: Order) -> None:
        """Sort anew."""
        self._order = order
        # Back to graph order first: a second sort by the same column would be skipped. Sorting by a bit
        # column makes the sensitivity order follow the cells as they are measured.
        self.sort(-1)
        if order != Order.GRAPH:
            self.sort(Column.BITS_4)

    def name_at(self, row: int) -> str:
        """The layer's name in a shown row."""
        return self._source.layer_at(self.mapToSource(self.index(row, 0)).row()).name

    def cells_at(self, row: int) -> list[tuple[float | None, bool]]:
        """The bit cells of a shown row, as `LayersModel.cells`."""
        return self._source.cells(self.mapToSource(self.index(row, 0)).row())

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
        for column in MOST_TELLING_COLUMNS:
            value = self._source.index(row, column).data(LayerRole.SQNR_DB)
            if value is not None:
                return (float(value), row)
        return (math.inf, row)

    @override
    def lessThan(self, left: QModelIndex | QPersistentModelIndex, right: QModelIndex | QPersistentModelIndex) -> bool:
        return self._sort_key(left.row()) < self._sort_key(right.row())
