"""Small ONNX models that tests build: one place for shapes, opsets and random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from engine.calibration.calibration import Calibration
from engine.calibration.collection import calibrate
from engine.data.dataset import Dataset, open_dataset
from engine.job_context import JobContext
from engine.model.opened import Model, open_model
from engine.plan import LayerPlan, Plan
from engine.requests.data import DataChoice
from engine.summary import ModelSummary

Array = npt.NDArray[Any]
Shape = Sequence[int | str]
IR_VERSION = {25: 13, 21: 10}


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> npt.NDArray[np.float32]:
    """Normal values in float32."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def build_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Sequence[str],
    constants: Mapping[str, Array],
    *,
    opset: int = 17,
    dtypes: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A checked model; shapes of outputs are inferred."""
    dtypes = dtypes or {}

    def describe(name: str, shape: Shape | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, dtypes.get(name, TensorProto.FLOAT), shape)

    graph = helper.make_graph(
        nodes,
        "g",
        [describe(name, shape) for name, shape in inputs.items()],
        [describe(name, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION.get(opset, 8))
    inferred = onnx.shape_inference.infer_shapes(model)
    del inferred.graph.value_info[:]
    onnx.checker.check_model(inferred)
    return inferred


def save_model(model: onnx.ModelProto, folder: Path, name: str = "m.onnx") -> Path:
    """Write the model."""
    path = folder / name
    onnx.save(model, path)
    return path


def open_built(model: onnx.ModelProto, folder: Path, name: str = "m.onnx") -> Model:
    """Write the model, then open it with the engine."""
    return open_model(save_model(model, folder, name))


def serialize(model: ir.Model) -> bytes:
    """The model with all weights inside."""
    return bytes(ir.to_proto(model).SerializeToString())


def run_model(
    model: onnx.ModelProto | bytes | Path, feeds: Mapping[str, Array], *, optimized: bool = False
) -> list[Array]:
    """The outputs, by ONNX Runtime alone."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimized else level.ORT_DISABLE_ALL
    source = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
    session = ort.InferenceSession(
        str(source) if isinstance(source, Path) else source, options, providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, dict(feeds)))


def draw_samples(summary: ModelSummary, samples: int, *, integers_below: int = 2, seed: int = 1) -> dict[str, Array]:
    """Inputs of a batch of samples: floats normal, integers uniform."""
    rng = np.random.default_rng(seed)
    feeds: dict[str, Array] = {}
    for spec in summary.inputs:
        shape = (samples, *(size if isinstance(size, int) else 4 for size in spec.shape[1:]))
        if spec.dtype == "float32":
            feeds[spec.name] = rng.standard_normal(shape).astype(np.float32)
        else:
            feeds[spec.name] = rng.integers(0, integers_below, shape).astype(spec.dtype)
    return feeds


def write_dataset(model: Model, feeds: Mapping[str, Array], path: Path) -> Dataset:
    """An `.npz` of these inputs, opened for the model."""
    np.savez(path, **dict(feeds))  # type: ignore[arg-type]
    return open_dataset(DataChoice(str(path)), model.summary.inputs)


def calibrate_on(model: Model, dataset: Dataset) -> Calibration:
    """Statistics of all samples."""
    return calibrate(model, dataset, dataset.samples, JobContext())


def plan_for(summary: ModelSummary, choice: LayerPlan) -> Plan:
    """The same choice for every layer."""
    return Plan(summary.sha256, Path(summary.path).name, {layer.name: choice for layer in summary.layers})


def sqnr_db(reference: Array, test: Array) -> float:
    """SQNR by its definition, in dB."""
    wide = reference.astype(np.float64)
    noise = np.square(wide - test).sum()
    return float(10 * np.log10(np.square(wide).sum() / noise)) if noise else float("inf")


def conv_chain(*, opset: int = 17, channels: int = 8, size: int = 8) -> onnx.ModelProto:
    """Conv → Relu → Conv → GlobalAveragePool → Flatten → Gemm."""
    return build_model(
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c1"], ["r1"], name="relu"),
            helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="second", pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["c2"], ["p"], name="pool"),
            helper.make_node("Flatten", ["p"], ["f"], name="flat"),
            helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="head", transB=1),
        ],
        {"x": ["N", 3, size, size]},
        ["y"],
        {
            "w1": normal(channels, 3, 3, 3, seed=1, scale=0.3),
            "b1": normal(channels, seed=2),
            "w2": normal(channels, channels, 3, 3, seed=3, scale=0.2),
            "b2": normal(channels, seed=4),
            "w3": normal(10, channels, seed=5),
            "b3": normal(10, seed=6),
        },
        opset=opset,
    )


def colour_classifier() -> onnx.ModelProto:
    """Three classes: the channel of an 8 × 8 picture with the largest mean."""
    weight = np.zeros((3, 3, 3, 3), np.float32)
    weight[range(3), range(3), 1, 1] = 1
    return build_model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="same", pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"], name="pool"),
            helper.make_node("Flatten", ["p"], ["y"], name="flat"),
        ],
        {"x": ["N", 3, 8, 8]},
        ["y"],
        {"w": weight},
    )
