"""What ONNX Runtime makes of a written model: the optimised graph says which kernels really run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from engine.model.runtime import Session

INTEGER_OPS = frozenset(
    {
        "QLinearConv", "QLinearMatMul", "QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits",
        "MatMulInteger", "DynamicQuantizeLSTM",
    }
)  # fmt: skip


def load_optimized(written: Path) -> tuple[Session, frozenset[int]]:
    """The session, and which layers ONNX Runtime put on integer kernels, by the names of their constants.

    Raises:
        ModelError: ONNX Runtime refuses the model.
    """
    with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
        path = Path(folder) / "optimized.onnx"
        session = Session(written, optimized_model_path=path)
        graph = onnx.load(str(path), load_external_data=False).graph
    tables = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    found = set()
    for node in graph.node:
        if node.op_type in INTEGER_OPS:
            found |= {layer_index(name) for name in node.input}
        elif node.op_type == "Gather" and node.input[0] in tables:
            # By what it writes: equal tables of tied layers are merged under one of their names.
            found.add(layer_index(node.output[0]))
    return session, frozenset(index for index in found if index is not None)


def layer_index(name: str) -> int | None:
    """The layer that a constant named q<index>.<tag> belongs to."""
    head, _, tag = name.partition(".")
    return int(head[1:]) if tag and head.startswith("q") and head[1:].isdigit() else None
