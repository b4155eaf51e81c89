"""Weights that several layers share: the same initializer, or an embedding and the transposed copy of it.

Exporters tie an embedding to the output layer by a Transpose, which constant folding turns into a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from engine.model.graph import constant
from engine.model.layers import Layer

COMPARED_ROWS = 1 << 6


def find_weight_names(layers: Sequence[Layer]) -> dict[str, str]:
    """For every layer's name, the name of the weight that it stands for; layers with the same name are tied."""
    names = {layer.name: str(layer.weight_value.name) for layer in layers}
    tables = [layer for layer in layers if layer.op == "Gather"]
    for layer in layers:
        table = next((item for item in tables if _is_transposed_copy(layer, item)), None)
        if table is not None:
            names[layer.name] = str(table.weight_value.name)
    return names


def count_shares(names: Mapping[str, str]) -> Counter[str]:
    """How many layers stand for each weight."""
    return Counter(names.values())


def _is_transposed_copy(layer: Layer, table: Layer) -> bool:
    if layer.op != "MatMul" or layer.layout.weight_shape != table.layout.weight_shape[::-1] or layer.weight_index != 1:
        return False
    copy, original = constant(layer.weight_value), constant(table.weight_value)
    if copy is None or original is None or copy.dtype != original.dtype:
        return False
    blocks = (slice(start, start + COMPARED_ROWS) for start in range(0, len(original), COMPARED_ROWS))
    return all(np.array_equal(copy[:, block].T, original[block]) for block in blocks)
