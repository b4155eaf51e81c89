"""Sessions of models that exist in memory: prepared graphs, simulations, graphs with other outputs."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.serde import SerdeError

from engine.errors import ModelError
from engine.model.opening import external_tensors
from engine.model.runtime import Session, first_line

# Larger models go through a temporary folder, weights in a file of their own: that spares two copies
# in memory and knows no 2 GB limit.
IN_MEMORY_BYTES = 32 << 20
NAME = "bitsmith.name"
"""Key in `ir.Model.meta`: what messages call the model."""


def load_session(
    model: ir.Model, outputs: Sequence[str] = (), *, is_optimized: bool = True, threads: int = 0
) -> Session:
    """Load `model`; with `outputs`, its graph outputs are exactly these values of the main graph.

    `threads` is as for `Session`.

    Raises:
        ModelError: ONNX Runtime refuses it.
    """
    name = str(model.meta.get(NAME, "the model"))
    weight_bytes = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    # Bytes have no folder in which ONNX Runtime would find weights that lie beside a model.
    is_whole = next(external_tensors(model), None) is None
    try:
        if is_whole and weight_bytes < IN_MEMORY_BYTES:
            content = _set_outputs(ir.to_proto(model), outputs).SerializeToString()
            return Session(content, threads=threads, is_optimized=is_optimized, name=name)
        with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
            path = Path(folder) / "model.onnx"
            ir.save(model, path, external_data="weights")
            onnx.save(_set_outputs(onnx.load(str(path), load_external_data=False), outputs), str(path))
            return Session(path, threads=threads, is_optimized=is_optimized, name=name)
    except SerdeError as error:
        raise ModelError(f"{name} holds what ONNX cannot say ({first_line(error)}). Export it again.") from error


def _set_outputs(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    if names:
        typed = {output.name: output for output in proto.graph.output}
        del proto.graph.output[:]
        for name in names:
            proto.graph.output.append(typed.get(name, onnx.ValueInfoProto(name=name)))
    return proto
