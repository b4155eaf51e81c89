"""A small model per kind of layer, and what every conversion of one must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from engine.calibration.calibration import Calibration
from engine.conversion.convert import convert
from engine.conversion.rewriting import rewrite_model
from engine.data.dataset import Dataset
from engine.job_context import JobContext
from engine.model.layers import RECURRENT_OPS
from engine.model.opened import Model
from engine.numerics.schemes import Kernel
from engine.plan import Plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.summary import LayerSummary
from tests.engine.models import (
    Array,
    Shape,
    build_model,
    calibrate_on,
    draw_samples,
    normal,
    open_built,
    run_model,
    serialize,
    sqnr_db,
    write_dataset,
)

ROWS = 20
SAMPLES = 24
HIDDEN = 8


def single(
    op: str, shape: Shape, weight: tuple[int, ...], bias: int = 0, *, opset: int = 17, **attributes: Any
) -> onnx.ModelProto:
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    constants: dict[str, Array] = {"w": normal(*weight, scale=0.3)}
    if bias:
        constants["b"] = normal(bias, seed=2)
    return build_model(
        [helper.make_node(op, inputs, ["y"], name="layer", **attributes)], {"x": shape}, ["y"], constants, opset=opset
    )


def matmul_with_bias(shape: Shape, *, opset: int = 17) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="layer"), helper.make_node("Add", ["m", "b"], ["y"])]
    return build_model(
        nodes, {"x": shape}, ["y"], {"w": normal(40, 24, scale=0.3), "b": normal(24, seed=2)}, opset=opset
    )


def matmul_constant_left() -> onnx.ModelProto:
    node = helper.make_node("MatMul", ["w", "x"], ["y"], name="layer")
    return build_model([node], {"x": ["N", 40, 5]}, ["y"], {"w": normal(12, 40, scale=0.3)})


def embedding() -> onnx.ModelProto:
    node = helper.make_node("Gather", ["w", "x"], ["y"], name="layer")
    return build_model([node], {"x": ["N", 6]}, ["y"], {"w": normal(ROWS, 40)}, dtypes={"x": TensorProto.INT64})


def recurrent(op: str, gates: int) -> onnx.ModelProto:
    node = helper.make_node(op, ["x", "w", "r", "b"], ["y"], name="layer", hidden_size=HIDDEN)
    constants = {
        "w": normal(1, gates * HIDDEN, 20, scale=0.3),
        "r": normal(1, gates * HIDDEN, HIDDEN, seed=2, scale=0.3),
        "b": normal(1, 2 * gates * HIDDEN, seed=3, scale=0.1),
    }
    return build_model([node], {"x": [6, 2, 20]}, ["y"], constants, opset=21)


CASES: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv": lambda: single("Conv", ["N", 5, 8, 8], (12, 5, 3, 3), 12, pads=[1, 1, 1, 1]),
    "conv without bias": lambda: single("Conv", ["N", 5, 8, 8], (12, 5, 3, 3), opset=21),
    "conv 1-D": lambda: single("Conv", ["N", 5, 12], (12, 5, 3), 12, opset=21),
    "conv 3-D": lambda: single("Conv", ["N", 3, 4, 5, 6], (8, 3, 3, 2, 3), 8, opset=21),
    "conv depthwise": lambda: single("Conv", ["N", 12, 8, 8], (12, 1, 3, 3), 12, group=12),
    "conv grouped": lambda: single("Conv", ["N", 12, 8, 8], (8, 6, 3, 3), 8, group=2, opset=21),
    "conv dilated": lambda: single("Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, dilations=[2, 2], opset=21),
    "conv strided": lambda: single(
        "Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, strides=[2, 1], pads=[1, 0, 1, 2], opset=21
    ),
    "conv auto_pad": lambda: single(
        "Conv", ["N", 4, 9, 9], (8, 4, 3, 3), 8, strides=[2, 2], auto_pad="SAME_UPPER", opset=21
    ),
    "transposed": lambda: single("ConvTranspose", ["N", 6, 5, 5], (6, 8, 3, 3), 8, strides=[2, 2], opset=21),
    "transposed grouped": lambda: single("ConvTranspose", ["N", 6, 5, 5], (6, 4, 3, 3), 8, group=2),
    "gemm": lambda: single("Gemm", ["N", 40], (40, 24), 24, alpha=0.5, beta=2.0, opset=21),
    "gemm transA": lambda: single("Gemm", [40, 6], (40, 24), 24, transA=1),
    "gemm transB": lambda: single("Gemm", ["N", 40], (24, 40), 24, transB=1),
    "gemm without bias": lambda: single("Gemm", ["N", 40], (24, 40), transB=1, alpha=1.5, opset=21),
    "matmul": lambda: single("MatMul", ["N", 40], (40, 24), opset=21),
    "matmul 3-D": lambda: single("MatMul", ["N", 6, 40], (40, 24), opset=21),
    "matmul with bias": lambda: matmul_with_bias(["N", 6, 40]),
    "matmul 2-D with bias": lambda: matmul_with_bias(["N", 40], opset=21),
    "matmul constant left": matmul_constant_left,
    "matmul batched": lambda: single("MatMul", ["N", 3, 6, 40], (3, 40, 8), opset=21),
    "embedding": embedding,
    "lstm": lambda: recurrent("LSTM", 4),
    "gru": lambda: recurrent("GRU", 3),
    "rnn": lambda: recurrent("RNN", 1),
}


@dataclass
class Opened:
    """A case with its data; inputs whose first dimension does not count samples have none to calibrate on."""

    model: Model
    dataset: Dataset | None
    calibration: Calibration | None
    feeds: dict[str, Array]

    @property
    def layer(self) -> LayerSummary:
        return self.model.summary.layers[0]


def open_with_data(proto: onnx.ModelProto, folder: Path) -> Opened:
    model = open_built(proto, folder)
    first = model.summary.inputs[0].shape[0]
    if isinstance(first, int):
        return Opened(model, None, None, draw_samples(model.summary, first))
    feeds = draw_samples(model.summary, SAMPLES, integers_below=ROWS)
    dataset = write_dataset(model, feeds, folder / "d.npz")
    return Opened(model, dataset, calibrate_on(model, dataset), feeds)


def convert_opened(opened: Opened, plan: Plan, output: Path) -> ConvertResult:
    request = ConvertRequest(str(opened.model.path), plan, str(output))
    return convert(opened.model, request, opened.calibration, opened.dataset, JobContext())


def output_scale(opened: Opened, plan: Plan, output: str) -> float:
    """The scale of a quantized graph output; 0 if it is float."""
    if opened.calibration is None or output not in opened.calibration.tensors or opened.layer.op != "Conv":
        return 0.0
    if plan.layer(opened.layer.name).kernel != Kernel.QLINEAR:
        return 0.0
    return float(opened.calibration.quantization(output, plan.defaults.activation_range).scale)


def ensure_computes_what_the_engine_says(opened: Opened, plan: Plan, written: Path) -> None:
    """The file as written equals the simulation but for rounding; ONNX Runtime's optimised graph agrees."""
    simulation = serialize(rewrite_model(opened.model, plan, opened.calibration, JobContext(), is_simulation=True))
    (expected,) = run_model(simulation, opened.feeds)
    (optimized,) = run_model(written, opened.feeds, optimized=True)
    kernel = plan.layer(opened.layer.name).kernel
    if kernel == Kernel.DYNAMIC and opened.layer.op in RECURRENT_OPS:  # it needs weights that loading has folded
        assert sqnr_db(expected, optimized) > 30
        return
    (literal,) = run_model(written, opened.feeds)
    if kernel == Kernel.NBITS:  # its int8 activations are no part of the simulation
        assert sqnr_db(expected, literal) > 30
        assert sqnr_db(expected, optimized) > 30
        return
    largest = np.abs(expected).max()
    step = output_scale(opened, plan, "y")
    for found in (literal, optimized):
        difference = np.abs(found - expected)
        # A value beside a rounding boundary of a quantized output may fall to the other side.
        assert difference.max() <= step * 1.001 + 2e-5 * largest
        assert (difference > 2e-5 * largest).mean() < 0.01
