"""The columns of the layers table: what they are called, what they mean, and which of them can be edited."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from PySide6.QtCore import QCoreApplication

from engine.plan import LayerPlan
from engine.sensitivity.matrix import Metric
from gui.layers.choices import (
    Options,
    bits_options,
    kernel_options,
    rounding_options,
    rounding_text,
    scales_options,
    scales_text,
)
from gui.metrics import metric_title

CONTEXT = "LayerColumns"


class Column(IntEnum):
    """The columns of the table."""

    NAME = 0
    OPERATOR = 1
    WEIGHTS = 2
    LOCK = 3
    BITS = 4
    BITS_32 = 5
    BITS_16 = 6
    BITS_8 = 7
    BITS_4 = 8
    BITS_2 = 9
    ACTIVATIONS = 10
    KERNEL = 11
    SCALES = 12
    ROUNDING = 13
    TIME = 14
    SIZE = 15


BITS_OF_COLUMN = {Column.BITS_32: 32, Column.BITS_16: 16, Column.BITS_8: 8, Column.BITS_4: 4, Column.BITS_2: 2}
HEAT_COLUMNS = (*BITS_OF_COLUMN, Column.ACTIVATIONS)
OPTIONS: dict[Column, Callable[[], Options]] = {
    Column.BITS: bits_options,
    Column.KERNEL: kernel_options,
    Column.SCALES: scales_options,
    Column.ROUNDING: rounding_options,
}
"""The columns that are edited by a list, and what it offers."""
TEXT_COLUMNS = (Column.NAME, Column.OPERATOR, Column.WEIGHTS, Column.LOCK, *OPTIONS, Column.TIME, Column.SIZE)
RIGHT_ALIGNED = {Column.WEIGHTS, Column.TIME, Column.SIZE}


def header(column: Column) -> str:
    """What stands over a column."""
    tr = QCoreApplication.translate
    titles = {
        Column.NAME: tr(CONTEXT, "Layer"),
        Column.OPERATOR: tr(CONTEXT, "Operator"),
        Column.WEIGHTS: tr(CONTEXT, "Weights"),
        Column.LOCK: "",
        Column.BITS: tr(CONTEXT, "Bits"),
        Column.BITS_2: tr(CONTEXT, "2 bits"),
        Column.ACTIVATIONS: tr(CONTEXT, "Act."),
        Column.KERNEL: tr(CONTEXT, "Kernel"),
        Column.SCALES: tr(CONTEXT, "Scales"),
        Column.ROUNDING: tr(CONTEXT, "Rounding"),
        Column.TIME: tr(CONTEXT, "Time"),
        Column.SIZE: tr(CONTEXT, "Stored"),
    }
    return titles[column] if column in titles else str(BITS_OF_COLUMN[column])


def column_title(column: Column) -> str:
    """What the menu of the columns calls one."""
    tr = QCoreApplication.translate
    if column in BITS_OF_COLUMN:
        return tr(CONTEXT, "Cells of {bits} bits").format(bits=BITS_OF_COLUMN[column])
    titles = {Column.LOCK: tr(CONTEXT, "Lock"), Column.ACTIVATIONS: tr(CONTEXT, "Cells of activations")}
    return titles.get(column) or header(column)


def header_tool_tip(column: Column, metric: Metric) -> str:
    """What a column shows, and what can be done in it.

    Args:
        metric: what the cells show.
    """
    tr = QCoreApplication.translate
    name = metric_title(metric)
    if column in BITS_OF_COLUMN:
        text = tr(
            CONTEXT,
            "Quantizing this layer alone: {metric}. Click a cell to give the layer these bits, click here to sort",
        )
        return text.format(metric=name)
    if column in OPTIONS:
        return choice_tool_tip(column)
    texts = {
        Column.NAME: tr(CONTEXT, "Layers with weights; click to sort them as in the graph"),
        Column.OPERATOR: tr(CONTEXT, "Operator, with the shape of its kernel"),
        Column.WEIGHTS: tr(CONTEXT, "How many weights, with a bar for their share; click to sort by it"),
        Column.LOCK: tr(CONTEXT, "Locked layers keep their bits when others change (L)"),
        Column.ACTIVATIONS: tr(CONTEXT, "8-bit activations at this layer's input alone: {metric}").format(metric=name),
        Column.TIME: tr(CONTEXT, "Time per call with this plan, measured on this computer; click to sort by it"),
        Column.SIZE: tr(CONTEXT, "Bytes of the weights as planned, scales included"),
    }
    return texts[column]


def choice_tool_tip(column: Column) -> str:
    """What a column that can be edited means, and how it is edited."""
    tr = QCoreApplication.translate
    text = {
        Column.BITS: tr(CONTEXT, "Bits of the weights"),
        Column.KERNEL: tr(CONTEXT, "How the layer is computed"),
        Column.SCALES: tr(CONTEXT, "Weights that share a scale: the whole tensor, a channel, or a group of so many"),
        Column.ROUNDING: tr(CONTEXT, "How weights are rounded; GPTQ and AdaRound look at what the layer reads"),
    }[column]
    return tr(CONTEXT, "{text}. Change it with F2 or a double click, in all selected layers").format(text=text)


def choice_text(choice: LayerPlan, column: Column) -> str:
    """What a layer's cell says in a column that can be edited."""
    if column == Column.BITS:
        return str(choice.weights.bits)
    if column == Column.KERNEL:
        return str(choice.kernel)
    return scales_text(choice) if column == Column.SCALES else rounding_text(choice)
