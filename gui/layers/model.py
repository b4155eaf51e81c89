"""The layers × bits table as an item model: one row per layer, in graph order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont, QFontDatabase
from typing_extensions import override

from engine.plan import LayerPlan
from engine.sensitivity.matrix import Metric
from engine.sizes import stored_weight_bytes
from engine.summary import LayerSummary
from gui.plan_edits import describe_scheme
from gui.session import Session
from gui.units import format_bytes, format_count, format_db

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()


class Column(IntEnum):
    """The columns of the table."""

    NAME = 0
    OPERATOR = 1
    WEIGHTS = 2
    LOCK = 3
    BITS_32 = 4
    BITS_16 = 5
    BITS_8 = 6
    BITS_4 = 7
    BITS_2 = 8
    KERNEL = 9
    SIZE = 10


BITS_OF_COLUMN = {Column.BITS_32: 32, Column.BITS_16: 16, Column.BITS_8: 8, Column.BITS_4: 4, Column.BITS_2: 2}
RIGHT_ALIGNED = {Column.WEIGHTS, Column.SIZE}


class LayerRole(IntEnum):
    """What the delegates and the filter ask for, beyond the display text."""

    NAME = Qt.ItemDataRole.UserRole + 1
    SEARCH = Qt.ItemDataRole.UserRole + 2
    SQNR_DB = Qt.ItemDataRole.UserRole + 3
    """Measured SQNR of a bit cell; None if it was not measured."""
    IS_CHOSEN = Qt.ItemDataRole.UserRole + 4
    """Whether a bit cell holds the layer's bits."""
    WEIGHT_SHARE = Qt.ItemDataRole.UserRole + 5
    """Weights of the layer / weights of the largest layer, 0…1."""
    IS_LOCKED = Qt.ItemDataRole.UserRole + 6


class LayersModel(QAbstractTableModel):
    """Shows the session; never changes it."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers: tuple[LayerSummary, ...] = ()
        self._row_of: dict[str, int] = {}
        self._largest = 1
        self._mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        self._mono.setPixelSize(12)
        self._bold = QFont()
        self._bold.setBold(True)
        session.model_changed.connect(self._on_model_changed)
        session.plan_changed.connect(self._on_plan_changed)
        session.sensitivity_changed.connect(self._on_sensitivity_changed)
        self._on_model_changed()

    def layer_at(self, row: int) -> LayerSummary:
        """The layer of a row."""
        return self._layers[row]

    def cells(self, row: int) -> list[tuple[float | None, bool]]:
        """SQNR and whether it is chosen, for every bit column of a row; quicker than one role at a time."""
        layer = self._layers[row]
        chosen = self._plan_of(layer).weights.bits
        return [(self._sqnr_db(layer, bits), bits == chosen) for bits in BITS_OF_COLUMN.values()]

    def row_of(self, name: str) -> int:
        """The row of a layer; -1 if there is none."""
        return self._row_of.get(name, -1)

    def _on_model_changed(self) -> None:
        self.beginResetModel()
        self._layers = self._session.layers
        self._row_of = {layer.name: row for row, layer in enumerate(self._layers)}
        self._largest = max((layer.parameters for layer in self._layers), default=1) or 1
        self.endResetModel()

    def _on_plan_changed(self, names: Iterable[str]) -> None:
        self._announce(names, Column.LOCK, Column.SIZE)

    def _on_sensitivity_changed(self, names: Iterable[str]) -> None:
        self._announce(names, Column.BITS_32, Column.BITS_2)

    def _announce(self, names: Iterable[str], first: Column, last: Column) -> None:
        """One signal per run of neighbouring rows, so that one edit repaints one row."""
        rows = sorted(self._row_of[name] for name in names if name in self._row_of)
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end] != rows[end - 1] + 1:
                self.dataChanged.emit(self.index(rows[start], first), self.index(rows[end - 1], last))
                start = end

    def _plan_of(self, layer: LayerSummary) -> LayerPlan:
        assert self._session.plan is not None
        return self._session.plan.layer(layer.name)

    def _sqnr_db(self, layer: LayerSummary, bits: int) -> float | None:
        if bits == 32:
            return math.inf
        row = self._session.rows.get(layer.name)
        return row.value(bits, Metric.SQNR) if row else None

    def _display(self, layer: LayerSummary, column: Column) -> str:
        if column in BITS_OF_COLUMN:
            value = self._sqnr_db(layer, BITS_OF_COLUMN[column])
            chosen = self._plan_of(layer).weights.bits == BITS_OF_COLUMN[column]
            if value is None:
                return str(BITS_OF_COLUMN[column]) if chosen else ""
            return format_db(value, digits=0)
        if column == Column.NAME:
            return layer.title
        if column == Column.OPERATOR:
            return layer.detail
        if column == Column.WEIGHTS:
            return format_count(layer.parameters)
        if column == Column.KERNEL:
            return describe_scheme(self._plan_of(layer))
        if column == Column.SIZE:
            return format_bytes(stored_weight_bytes(layer, self._plan_of(layer)))
        return ""

    def _tool_tip(self, layer: LayerSummary, column: Column) -> str:
        choice = self._plan_of(layer)
        if column in BITS_OF_COLUMN:
            return self._cell_tool_tip(layer, BITS_OF_COLUMN[column])
        if column == Column.LOCK:
            locked = self.tr("Locked: keeps its bits when others change (L)")
            return locked if choice.is_locked else self.tr("Free: click to lock (L)")
        if column == Column.NAME:
            return self.tr("{title}\nnode {name}").format(title=layer.title, name=layer.name)
        if column == Column.WEIGHTS:
            shape = " × ".join(map(str, layer.weight_shape))
            return self.tr("{count:,} weights, shape {shape}").format(count=layer.parameters, shape=shape)
        if column == Column.SIZE:
            return self.tr("Stored {size}, float {float_size}").format(
                size=format_bytes(stored_weight_bytes(layer, choice)), float_size=format_bytes(layer.float_bytes)
            )
        return self._display(layer, column)

    def _cell_tool_tip(self, layer: LayerSummary, bits: int) -> str:
        if bits == 32:
            return self.tr("{title} at 32 bits: float, nothing is lost").format(title=layer.title)
        value = self._sqnr_db(layer, bits)
        row = self._session.rows.get(layer.name)
        if value is None or row is None:
            text = self.tr("{title} at {bits} bits: not measured, run Analyse")
            return text.format(title=layer.title, bits=bits)
        text = self.tr("{title} at {bits} bits: {db} dB output SQNR").format(
            title=layer.title, bits=bits, db=format_db(value)
        )
        stored = row.stored_bytes.get(bits)
        return text if stored is None else self.tr("{text}, {size} stored").format(text=text, size=format_bytes(stored))

    def _header(self, column: Column) -> str:
        return {
            Column.NAME: self.tr("Layer"),
            Column.OPERATOR: self.tr("Operator"),
            Column.WEIGHTS: self.tr("Weights"),
            Column.LOCK: "",
            Column.BITS_2: self.tr("2 bits"),
            Column.KERNEL: self.tr("Kernel"),
            Column.SIZE: self.tr("Stored"),
        }.get(column) or str(BITS_OF_COLUMN.get(column, ""))

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._layers)

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(Column)

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Role.DisplayRole:
            return self._header(Column(section))
        if role == Role.ToolTipRole and section in BITS_OF_COLUMN:
            return self.tr("SQNR of the layer's output in dB; click a cell to give the layer these bits")
        if role == Role.TextAlignmentRole:
            return _alignment(Column(section))
        return None

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        layer, column = self._layers[index.row()], Column(index.column())
        if role == Role.DisplayRole:
            return self._display(layer, column)
        if role == Role.TextAlignmentRole:
            return _alignment(column)
        if role == Role.FontRole:
            return self._mono if column == Column.NAME else self._bold if self._is_chosen(layer, column) else None
        if role == Role.ToolTipRole:
            return self._tool_tip(layer, column)
        if role == Role.AccessibleTextRole:
            return self._tool_tip(layer, column)
        return self._own_role(layer, column, role)

    def _own_role(self, layer: LayerSummary, column: Column, role: int) -> Any:
        if role == LayerRole.NAME:
            return layer.name
        if role == LayerRole.SEARCH:
            return f"{layer.title} {layer.name} {layer.detail}"
        if role == LayerRole.SQNR_DB and column in BITS_OF_COLUMN:
            return self._sqnr_db(layer, BITS_OF_COLUMN[column])
        if role == LayerRole.IS_CHOSEN:
            return self._is_chosen(layer, column)
        if role == LayerRole.WEIGHT_SHARE:
            return layer.parameters / self._largest
        if role == LayerRole.IS_LOCKED:
            return self._plan_of(layer).is_locked
        return None

    def _is_chosen(self, layer: LayerSummary, column: Column) -> bool:
        return self._plan_of(layer).weights.bits == BITS_OF_COLUMN.get(column)


def _alignment(column: Column) -> Qt.AlignmentFlag:
    if column in BITS_OF_COLUMN:
        return Qt.AlignmentFlag.AlignCenter
    side = Qt.AlignmentFlag.AlignRight if column in RIGHT_ALIGNED else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
