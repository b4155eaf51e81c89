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
from engine.model.sessions import load_session
from engine.summary import TensorSpec

MAX_OBSERVED_BYTES = 1 << 30
IMAGE_SIZE = 224
SEQUENCE_LENGTHS = (16, 256, 1024)


def draw_inputs(
    specs: Sequence[TensorSpec], *, batch: int = 1, seed: int = 0, length: int = SEQUENCE_LENGTHS[0]
) -> dict[str, npt.NDArray[Any]]:
    """Inputs for a model of which nothing is known: floats normal, the rest zero.

    The first dimension is `batch` where it is dynamic, and so is every dimension of that name; other
    dynamic sizes are those of pictures in four dimensions, else `length`.
    """
    rng = np.random.default_rng(seed)
    feeds: dict[str, npt.NDArray[Any]] = {}
    batch_names = {spec.shape[0] for spec in specs if spec.shape and spec.shape[0] != "?"}
    for spec in specs:
        free = IMAGE_SIZE if len(spec.shape) == 4 else length
        shape = [
            size if isinstance(size, int) else (batch if index == 0 or size in batch_names else free)
            for index, size in enumerate(spec.shape)
        ]
        if spec.dtype.startswith("float"):
            feeds[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
        else:
            feeds[spec.name] = np.zeros(shape, spec.dtype)
    return feeds


def find_sequence_length(session: Session) -> int | None:
    """A length with which the model runs on drawn inputs; None if none of a few does."""
    for length in SEQUENCE_LENGTHS:
        try:
            session.run(draw_inputs(session.inputs, length=length))
        except (ModelError, TypeError, ValueError):
            continue
        return length
    return None


def observe_shapes(model: ir.Model, layers: Sequence[Layer]) -> dict[str, tuple[int, ...]]:
    """Shapes of every layer's input and output for one sample; empty if the model cannot be run blindly."""
    weights = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    if weights > MAX_OBSERVED_BYTES:
        return {}
    values = [
        value
        for layer in layers
        if layer.body_owner is None
        for value in (layer.input_value, layer.node.outputs[0])
        if value.name
    ]
    names = list(dict.fromkeys(str(value.name) for value in values))
    names = [name for name in names if name not in {str(value.name) for value in model.graph.inputs}]
    if not values:
        return {}
    if not names:
        return {}
    try:
        session = load_session(model, names, is_optimized=False)
        length = find_sequence_length(session)
        if length is None:
            return {}
        feeds = draw_inputs(session.inputs, length=length)
        found = session.run(feeds)
    except (ModelError, TypeError, ValueError, MemoryError):
        return {}
    observed = zip((*names, *feeds), (*found[: len(names)], *feeds.values()), strict=True)
    return {name: tuple(value.shape) for name, value in observed}
