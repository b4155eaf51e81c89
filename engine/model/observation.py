"""Observed shapes: the model is run once, because shape inference fails on real models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.errors import ModelError
from engine.model.layers import Layer
from engine.model.runtime import Session
from engine.summary import TensorSpec

MAX_OBSERVED_BYTES = 1 << 30
IMAGE_SIZE = 224
SEQUENCE_LENGTH = 16


def draw_inputs(specs: Sequence[TensorSpec], *, batch: int = 1, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """Inputs for a model of which nothing is known: floats normal, the rest zero.

    The first dimension is `batch` where it is dynamic; other dynamic sizes are guessed from the rank.
    """
    rng = np.random.default_rng(seed)
    feeds: dict[str, npt.NDArray[Any]] = {}
    for spec in specs:
        free = IMAGE_SIZE if len(spec.shape) == 4 else SEQUENCE_LENGTH
        shape = [
            size if isinstance(size, int) else (batch if index == 0 else free) for index, size in enumerate(spec.shape)
        ]
        if spec.dtype.startswith("float"):
            feeds[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
        else:
            feeds[spec.name] = np.zeros(shape, spec.dtype)
    return feeds


def serialize(model: ir.Model) -> bytes:
    """The model with all weights inside, for an in-memory session."""
    proto = ir.to_proto(model)
    return bytes(proto.SerializeToString())


def with_outputs(model: ir.Model, names: Sequence[str]) -> bytes:
    """The serialised model whose graph outputs are exactly the named values."""
    proto = ir.to_proto(model)
    typed = {output.name: output for output in proto.graph.output}
    del proto.graph.output[:]
    for name in names:
        if name in typed:
            proto.graph.output.append(typed[name])
        else:
            proto.graph.output.add().name = name
    return bytes(proto.SerializeToString())


def observe_shapes(model: ir.Model, layers: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """Shapes of every layer's input and output for one sample; empty if the model cannot be run blindly."""
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    if weights > MAX_OBSERVED_BYTES:
        return {}
    names = list(dict.fromkeys(str(v.name) for layer in layers for v in (layer.input_value, layer.node.outputs[0])))
    names = [name for name in names if name not in {str(value.name) for value in model.graph.inputs}]
    try:
        session = Session(with_outputs(model, names), is_optimized=False)
        feeds = draw_inputs(session.inputs)
        values = session.run(feeds)
    except (ModelError, TypeError, ValueError):
        return {}
    observed = zip((*names, *feeds), (*values, *feeds.values()), strict=True)
    return {name: tuple(value.shape) for name, value in observed}
