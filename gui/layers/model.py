"""The layers × bits table as an item model: one row per layer, in graph order."""

from __future__ import annotations

import html
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from typing_extensions import override

from engine.latency.prediction import layer_us
from engine.numerics.schemes import ActivationMode, Rounding
from engine.plan import LayerPlan
from engine.sensitivity.matrix import LOSSLESS, Cell, damage
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary
from engine.units import format_bytes
from gui.layer_edits import LayerEdit, plan_edit
from gui.layers.cells import CellView, RowView, build_card, describe_cell
from gui.layers.choices import rounding_text
from gui.layers.columns import (
    BITS_OF_COLUMN,
    HEAT_COLUMNS,
    OPTIONS,
    RIGHT_ALIGNED,
    TEXT_COLUMNS,
    Column,
    choice_text,
    choice_tool_tip,
    column_title,
    header,
    header_tool_tip,
)
from gui.metrics import format_cell
from gui.session import Session
from gui.units import INFINITY, format_count, format_us

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NO_PARENT = QModelIndex()
# The view asks for these several times per cell and repaint: made once, they cost nothing.
SHOWN = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemNeverHasChildren
EDITABLE = SHOWN | Qt.ItemFlag.ItemIsEditable
COLUMNS = len(Column)

MOST_TELLING_BITS = (4, 8, 2, 16)


class LayerRole(IntEnum):
    """What the filter asks for, beyond the display text; delegates ask for `row_view`, which is quicker."""

    NAME = Qt.ItemDataRole.UserRole + 1
    SEARCH = Qt.ItemDataRole.UserRole + 2


class LayersModel(QAbstractTableModel):
    """Shows the session; never changes it."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._layers: tuple[LayerSummary, ...] = ()
        self._row_of: dict[str, int] = {}
        self._largest = 1
        self._views: dict[int, RowView] = {}
        self._measured_cells: dict[tuple[float, bool], CellView] = {}
        session.model_changed.connect(self._on_model_changed)
        session.plan_changed.connect(self._on_plan_changed)
        session.sensitivity_changed.connect(self._on_sensitivity_changed)
        session.metric_changed.connect(self._on_metric_changed)
        session.latencies_changed.connect(self._on_latencies_changed)
        self._on_model_changed()

    def layer_at(self, row: int) -> LayerSummary:
        """The layer of a row."""
        return self._layers[row]

    def row_view(self, row: int) -> RowView:
        """Everything that is painted of a row; kept until something in it changes."""
        view = self._views.get(row)
        if view is None:
            layer = self._layers[row]
            view = self._views[row] = RowView(
                texts={column: self._text(layer, column) for column in TEXT_COLUMNS},
                cells=self._build_cells(layer, HEAT_COLUMNS),
                weight_share=layer.parameters / self._largest,
                is_locked=self._plan_of(layer).is_locked,
            )
        return view

    def heat_cells(self, row: int) -> dict[int, CellView]:
        """The cells of the weights' bits alone, which is quicker than all of the row."""
        view = self._views.get(row)
        return view.cells if view is not None else self._build_cells(self._layers[row], BITS_OF_COLUMN)

    def _build_cells(self, layer: LayerSummary, columns: Iterable[Column]) -> dict[int, CellView]:
        return {column: self._cell_view(layer, column) for column in columns}

    def damage_at(self, row: int) -> float:
        """What the most telling measured cell of a row costs in the metric shown; below 0 if there is none."""
        measured = self._session.rows.get(self._layers[row].name)
        metric = self._session.metric
        for bits in MOST_TELLING_BITS if measured else ():
            value = measured.value(bits, metric) if measured else None
            if value is not None:
                return damage(metric, value)
        return -1.0

    def time_at(self, row: int) -> float:
        """Microseconds of a row's layer with its current choice; 0 while that was not measured."""
        latencies, layer = self._session.latencies, self._layers[row]
        return layer_us(latencies, layer, self._plan_of(layer))[0] if latencies is not None else 0.0

    def options_at(self, row: int, column: Column) -> list[tuple[str, LayerEdit, bool]]:
        """What a cell's list offers: text, edit, and whether it is so already; only what the layer can take."""
        plan, layer = self._session.plan, self._layers[row]
        assert plan is not None
        free, now = plan.with_lock([layer.name], locked=False), choice_text(self._plan_of(layer), column)
        found = []
        for text, edit in OPTIONS[column]():
            effect = plan_edit(free, [layer], edit)
            if not effect.refused:
                is_now = choice_text(effect.changes.get(layer.name, free.layer(layer.name)), column) == now
                found.append((text, edit, is_now))
        return found

    def row_of(self, name: str) -> int:
        """The row of a layer; -1 if there is none."""
        return self._row_of.get(name, -1)

    def _on_model_changed(self) -> None:
        self.beginResetModel()
        self._layers = self._session.layers
        self._row_of = {layer.name: row for row, layer in enumerate(self._layers)}
        self._largest = max((layer.parameters for layer in self._layers), default=1) or 1
        self._views.clear()
        self._measured_cells.clear()
        self.endResetModel()

    def _on_plan_changed(self, names: Iterable[str]) -> None:
        self._announce(names, Column.LOCK, Column.SIZE)

    def _on_sensitivity_changed(self, names: Iterable[str]) -> None:
        self._announce(names, Column.BITS_32, Column.ACTIVATIONS)

    def _on_metric_changed(self) -> None:
        self._views.clear()
        self._measured_cells.clear()
        if self._layers:
            last = self.index(len(self._layers) - 1, Column.ACTIVATIONS)
            self.dataChanged.emit(self.index(0, Column.BITS_32), last)

    def _on_latencies_changed(self) -> None:
        self._announce([layer.name for layer in self._layers], Column.TIME, Column.TIME)

    def _announce(self, names: Iterable[str], first: Column, last: Column) -> None:
        """One signal per run of neighbouring rows, so that one edit repaints one row."""
        rows = sorted(self._row_of[name] for name in names if name in self._row_of)
        for row in rows:
            self._views.pop(row, None)
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end] != rows[end - 1] + 1:
                self.dataChanged.emit(self.index(rows[start], first), self.index(rows[end - 1], last))
                start = end

    def _plan_of(self, layer: LayerSummary) -> LayerPlan:
        assert self._session.plan is not None
        return self._session.plan.layer(layer.name)

    @property
    def _mode(self) -> ActivationMode:
        """What the plan does to activations."""
        assert self._session.plan is not None
        return self._session.plan.defaults.activations

    def _cell(self, layer: LayerSummary, column: Column) -> Cell | None:
        """What was measured for a cell; None if nothing was."""
        row = self._session.rows.get(layer.name)
        if row is None:
            return None
        if column == Column.ACTIVATIONS:
            return row.activations.get(self._mode)
        return row.cells.get(BITS_OF_COLUMN[column])

    def _is_lossless(self, column: Column) -> bool:
        """Whether a cell stands for float, which needs no measurement."""
        return column == Column.BITS_32 or (column == Column.ACTIVATIONS and self._mode == ActivationMode.FLOAT)

    def _cell_view(self, layer: LayerSummary, column: Column) -> CellView:
        bits = BITS_OF_COLUMN.get(column)
        metric = self._session.metric
        is_chosen = bits == self._plan_of(layer).weights.bits
        if self._is_lossless(column):
            lossless = f"{LOSSLESS.get(metric, 0.0):.0f}".replace("inf", INFINITY)
            return CellView(lossless if bits else self.tr("float"), None, is_hatched=False, is_chosen=is_chosen)
        cell = self._cell(layer, column)
        value = cell.values.get(metric) if cell else None
        if value is None:
            return CellView(str(bits) if is_chosen else "", None, is_hatched=True, is_chosen=is_chosen)
        known = self._measured_cells.get((value, is_chosen))
        if known is None:
            fragility = self._session.scale.fragility(value)
            known = CellView(format_cell(metric, value), fragility, is_hatched=False, is_chosen=is_chosen)
            self._measured_cells[value, is_chosen] = known
        return known

    def _text(self, layer: LayerSummary, column: Column) -> str:
        choice = self._plan_of(layer)
        if column in OPTIONS:
            return choice_text(choice, column)
        if column == Column.SIZE:
            return format_bytes(stored_weight_bytes(layer, choice))
        if column == Column.TIME:
            return self._time(layer, choice)
        if column == Column.WEIGHTS:
            return format_count(layer.parameters)
        if column == Column.LOCK:
            return self.tr("locked") if choice.is_locked else ""
        return layer.title if column == Column.NAME else layer.detail

    def _time(self, layer: LayerSummary, choice: LayerPlan) -> str:
        """What the layer takes as planned; ~ marks an estimate."""
        if self._session.latencies is None:
            return ""
        us, is_estimated = layer_us(self._session.latencies, layer, choice)
        return f"~{format_us(us)}" if is_estimated else format_us(us)

    def _display(self, row: int, column: Column) -> str:
        view = self.row_view(row)
        return view.cells[column].text if column in view.cells else view.texts.get(column, "")

    def _tool_tip(self, layer: LayerSummary, column: Column) -> str:
        choice = self._plan_of(layer)
        if column in HEAT_COLUMNS:
            return self._cell_tool_tip(layer, column)
        if column == Column.LOCK:
            locked = self.tr("Locked: keeps its bits when others change (L)")
            return locked if choice.is_locked else self.tr("Free: click to lock (L)")
        if column == Column.NAME:
            text = self.tr("{title}\nnode {name}").format(title=layer.title, name=layer.name)
            if choice.weights.is_integer and choice.rounding != Rounding.NEAREST:
                text = self.tr("{text}\nrounded by {method}").format(text=text, method=rounding_text(choice))
            return text
        if column == Column.WEIGHTS:
            shape = " × ".join(map(str, layer.weight_shape))
            return self.tr("{count:,} weights, shape {shape}").format(count=layer.parameters, shape=shape)
        if column == Column.SIZE:
            return self.tr("Stored {size}, float {float_size}").format(
                size=format_bytes(stored_weight_bytes(layer, choice)), float_size=format_bytes(layer.float_bytes)
            )
        if column == Column.TIME:
            return self.tr("{time} per call with this plan, measured on this computer; ~ is an estimate").format(
                time=self._time(layer, choice)
            )
        return choice_tool_tip(column) if column in OPTIONS else self._text(layer, column)

    def _cell_title(self, layer: LayerSummary, column: Column) -> str:
        if column == Column.ACTIVATIONS:
            mode = self._mode
            return self.tr("{title}, 8-bit {mode} activations").format(title=layer.title, mode=mode)
        return self.tr("{title} at {bits} bits").format(title=layer.title, bits=BITS_OF_COLUMN[column])

    def _cell_tool_tip(self, layer: LayerSummary, column: Column) -> str:
        cell, title = self._cell(layer, column), self._cell_title(layer, column)
        if self._is_lossless(column) or cell is None:
            return f"<b>{html.escape(title)}</b><br>{self._describe_gap(column)}"
        stored = self._session.rows[layer.name].stored_bytes.get(BITS_OF_COLUMN.get(column, 0))
        return build_card(title, cell, stored)

    def _describe_gap(self, column: Column) -> str:
        """Why a cell has no figures."""
        if column == Column.BITS_32:
            return self.tr("float, nothing is lost")
        return self.tr("activations stay float") if self._is_lossless(column) else self.tr("not measured")

    def _accessible_text(self, layer: LayerSummary, column: Column) -> str:
        """The tool tip of a heatmap cell without its markup."""
        if column not in HEAT_COLUMNS:
            return self._text(layer, column) if column in OPTIONS else self._tool_tip(layer, column)
        cell, title = self._cell(layer, column), self._cell_title(layer, column)
        if self._is_lossless(column) or cell is None:
            return f"{title}: {self._describe_gap(column)}"
        return describe_cell(title, cell, self._session.metric)

    @override
    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return EDITABLE if index.column() in OPTIONS else SHOWN

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._layers)

    @override
    def columnCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else COLUMNS

    @override
    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(Column):
            return None
        if role == Role.DisplayRole:
            return header(Column(section))
        if role == Role.AccessibleTextRole:
            return column_title(Column(section))
        if role == Role.ToolTipRole:
            return header_tool_tip(Column(section), self._session.metric)
        if role == Role.TextAlignmentRole:
            return _alignment(Column(section))
        return None

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        layer, column = self._layers[index.row()], Column(index.column())
        if role == Role.DisplayRole:
            return self._display(index.row(), column)
        if role == Role.TextAlignmentRole:
            return _alignment(column)
        if role == Role.ToolTipRole:
            return self._tool_tip(layer, column)
        if role == Role.AccessibleTextRole:
            return self._accessible_text(layer, column)
        if role == LayerRole.NAME:
            return layer.name
        return f"{layer.title} {layer.name} {layer.detail}" if role == LayerRole.SEARCH else None


def _alignment(column: Column) -> Qt.AlignmentFlag:
    if column in HEAT_COLUMNS:
        return Qt.AlignmentFlag.AlignCenter
    side = Qt.AlignmentFlag.AlignRight if column in RIGHT_ALIGNED else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
