"""The operators of ONNX that have a torch form."""

from __future__ import annotations

from engine.torch_graph import (
    convolution,
    elementwise,
    indexing,
    normalization,
    pooling,
    recurrent,
    reduction,
    resizing,
    shaping,
)
from engine.torch_graph.call import Operator

OPERATORS: dict[str, Operator] = {
    **convolution.OPERATORS,
    **elementwise.OPERATORS,
    **indexing.OPERATORS,
    **normalization.OPERATORS,
    **pooling.OPERATORS,
    **recurrent.OPERATORS,
    **reduction.OPERATORS,
    **resizing.OPERATORS,
    **shaping.OPERATORS,
}
