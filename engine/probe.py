"""Probing: a tiny model per operator kind goes through the real conversion, on every kernel, and is timed.

Static activations are uint8 only. ONNX Runtime 1.31 has no CPU kernel for 16-bit ones: QLinearConv,
QLinearMatMul and MatMulInteger refuse uint16 and int16 ("Type 'tensor(uint16)' of input parameter (x)
of operator (QLinearConv) is invalid"), and 16-bit QuantizeLinear/DequantizeLinear pairs stay around
float operators, which makes them slower, not faster.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.calibration.calibration import Calibration
from engine.calibration.collection import calibrate
from engine.conversion.convert import convert
from engine.data.dataset import Dataset, open_dataset
from engine.errors import BitsmithError
from engine.job_context import JobContext
from engine.machine import describe_cpu, describe_runtime
from engine.model.opened import Model, open_model
from engine.model.runtime import Session
from engine.numerics.schemes import DEFAULT_GROUP_SIZE, Kernel, PerGroup
from engine.plan import LayerPlan, Plan, PlanDefaults, choose_layer_plan, refuse_layer_plan
from engine.probe_table import ProbeCell, ProbeTable, load_table, save_table
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice

OPSET, IR_VERSION = 21, 10
PROBED_BITS = (16, 8, 4, 2)
RUN_NS = 10_000_000
MIN_ROUNDS = 5
SAMPLES = 4
Feeds = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Kind:
    """A tiny model with one layer, or with the two of a recurrent operator.

    Attributes:
        shape: of the input, one sample.
        weights: shapes of the constants after the input.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    weights: tuple[tuple[int, ...], ...]
    attributes: tuple[tuple[str, Any], ...] = ()


def _convolution(name: str, shape: tuple[int, ...], weight: tuple[int, ...], **attributes: Any) -> Kind:
    padding = [size // 2 for size in weight[2:]]
    return Kind(name, "Conv", shape, (weight,), (("pads", padding * 2), *attributes.items()))


def _recurrent(op: str, gates: int) -> Kind:
    return Kind(op, op, (16, 1, 128), ((1, gates * 128, 128),) * 2, (("hidden_size", 128),))


# Named as `engine.model.layers.kind_of` names layers.
KINDS = (
    _convolution("Conv 1-D", (1, 64, 256), (64, 64, 5)),
    _convolution("Conv 2-D", (1, 64, 28, 28), (64, 64, 3, 3)),
    _convolution("Conv 3-D", (1, 16, 8, 14, 14), (32, 16, 3, 3, 3)),
    _convolution("Conv depthwise", (1, 64, 28, 28), (64, 1, 3, 3), group=64),
    _convolution("Conv grouped", (1, 64, 28, 28), (64, 16, 3, 3), group=4),
    _convolution("Conv dilated", (1, 64, 28, 28), (64, 64, 3, 3), dilations=[2, 2]),
    Kind("ConvTranspose", "ConvTranspose", (1, 64, 14, 14), ((64, 64, 3, 3),), (("strides", [2, 2]),)),
    Kind("Gemm", "Gemm", (1, 512), ((512, 512), (512,)), (("transB", 1),)),
    Kind("Gemm transA", "Gemm", (512, 8), ((512, 512), (512,)), (("transA", 1),)),
    Kind("MatMul", "MatMul", (1, 64, 512), ((512, 512),)),
    Kind("MatMul constant left", "MatMul", (1, 512, 16), ((256, 512),)),
    Kind("MatMul batched", "MatMul", (1, 8, 64, 64), ((8, 64, 64),)),
    Kind("Gather", "Gather", (1, 128), ((4096, 256),)),
    _recurrent("LSTM", 4),
    _recurrent("GRU", 3),
    _recurrent("RNN", 1),
)
# The weight comes before the input.
_WEIGHT_FIRST = ("Gather", "MatMul constant left")
# The first dimension counts something else than samples, so that there is nothing to calibrate on.
_WITHOUT_SAMPLES = ("LSTM", "GRU", "RNN", "Gemm transA")


def probe_cached(context: JobContext, *, is_fresh: bool = False) -> ProbeTable:
    """The table of this processor and runtime, from the user's cache where it is there.

    Raises:
        JobCancelled: cancelled.
    """
    known = None if is_fresh else load_table(describe_cpu(), describe_runtime())
    if known is not None:
        return known
    table = probe(context)
    save_table(table)
    return table


def probe(context: JobContext, kinds: Sequence[Kind] = KINDS, *, is_timed: bool = True) -> ProbeTable:
    """Convert, load and time every kind × bits × kernel; a few seconds, half of them for the timing.

    Raises:
        JobCancelled: cancelled.
    """
    cells: list[ProbeCell] = []
    for index, kind in enumerate(kinds):
        context.report(index, len(kinds), f"Probing {kind.name}")
        with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
            cells += _Bench(kind, Path(folder), context, is_timed=is_timed).measure()
    return ProbeTable(describe_cpu(), describe_runtime(), tuple(cells))


class _Bench:
    """One kind's float model, its data, and everything that it can be converted to."""

    def __init__(self, kind: Kind, folder: Path, context: JobContext, *, is_timed: bool) -> None:
        self._kind, self._folder, self._context, self._is_timed = kind, folder, context, is_timed
        path = folder / "float.onnx"
        onnx.save(build_model(kind), str(path))
        # Without what an earlier probe held against a kernel, or no later one would find it better.
        self._model: Model = dataclasses.replace(open_model(path), is_limited=False)
        self._feeds = draw_feeds(kind)
        stacked = {name: np.concatenate([value] * SAMPLES) for name, value in self._feeds.items()}
        np.savez(folder / "data.npz", **stacked)  # type: ignore[arg-type]
        self._dataset: Dataset | None = None
        self._calibration: Calibration | None = None
        if kind.name not in _WITHOUT_SAMPLES:
            self._dataset = open_dataset(DataChoice(str(folder / "data.npz")), self._model.summary.inputs)
            self._calibration = calibrate(self._model, self._dataset, SAMPLES, JobContext())
        self._session, self._nodes = _load(path)

    def measure(self) -> Iterator[ProbeCell]:
        """All cells."""
        for bits in PROBED_BITS:
            for kernel in self._model.layers[0].kernels:
                if bits == 16 and kernel != Kernel.FLOAT:
                    continue
                self._context.check_cancelled()
                yield self._measure(bits, kernel)

    def _measure(self, bits: int, kernel: Kernel) -> ProbeCell:
        layers = self._model.summary.layers
        choices = {layer.name: _choose(choose_layer_plan(layer, bits, PlanDefaults()), kernel) for layer in layers}
        refused = [reason for layer in layers if (reason := refuse_layer_plan(layer, choices[layer.name]))]
        if refused:
            return ProbeCell(self._kind.name, bits, kernel, runs=False, reason=refused[0])
        output = self._folder / f"{bits}-{kernel}.onnx"
        plan = Plan(self._model.summary.sha256, self._model.path.name, choices)
        request = ConvertRequest(str(self._model.path), plan, str(output))
        try:
            result = convert(self._model, request, self._calibration, self._dataset, JobContext())
            session, nodes = _load(output)
            speedup = _time(self._session, session, self._feeds) if self._is_timed else None
        except BitsmithError as error:
            return ProbeCell(self._kind.name, bits, kernel, runs=False, reason=str(error))
        is_integer = all(layer.is_integer for layer in result.layers)
        is_on_kernel = is_integer if kernel != Kernel.FLOAT else is_integer or nodes <= self._nodes
        return ProbeCell(self._kind.name, bits, kernel, runs=True, is_on_kernel=is_on_kernel, speedup=speedup)


def _choose(choice: LayerPlan, kernel: Kernel) -> LayerPlan:
    """The default scheme of these bits on this kernel."""
    if kernel == Kernel.NBITS:
        weights = dataclasses.replace(choice.weights, granularity=PerGroup(DEFAULT_GROUP_SIZE))
        return LayerPlan(weights, kernel)
    return LayerPlan(choice.weights, kernel)


def build_model(kind: Kind) -> onnx.ModelProto:
    """The float model: `x` to `y`."""
    rng = np.random.default_rng(0)
    names = [f"w{index}" for index in range(len(kind.weights))]
    constants = [
        numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32), name)
        for name, shape in zip(names, kind.weights, strict=True)
    ]
    is_lookup = kind.op == "Gather"
    inputs = [*names, "x"] if kind.name in _WEIGHT_FIRST else ["x", *names]
    node = helper.make_node(kind.op, inputs, ["y"], name="layer", **dict(kind.attributes))
    first = kind.shape[0] if kind.name in _WITHOUT_SAMPLES else "N"
    shape: list[str | int | None] = [first, *kind.shape[1:]]
    x = helper.make_tensor_value_info("x", TensorProto.INT64 if is_lookup else TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "probe", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return onnx.shape_inference.infer_shapes(model)


def draw_feeds(kind: Kind) -> Feeds:
    """One sample."""
    rng = np.random.default_rng(1)
    if kind.op == "Gather":
        return {"x": rng.integers(0, kind.weights[0][0], kind.shape)}
    return {"x": rng.standard_normal(kind.shape).astype(np.float32)}


def _load(path: Path) -> tuple[Session, int]:
    """The session on one thread, and how many nodes the optimised graph has."""
    optimized = path.with_suffix(".optimized.onnx")
    session = Session(path, threads=1, is_spinning=False, optimized_model_path=optimized)
    return session, len(onnx.load(str(optimized)).graph.node)


def _time(reference: Session, session: Session, feeds: Feeds) -> float:
    """How many times as fast as the reference: the median over rounds in which each runs once."""
    ratios: list[float] = []
    spent = 0
    _run_ns(reference, feeds)
    _run_ns(session, feeds)
    while spent < 2 * RUN_NS or len(ratios) < MIN_ROUNDS:
        before, after = _run_ns(reference, feeds), _run_ns(session, feeds)
        ratios.append(before / after)
        spent += before + after
    return round(float(np.median(ratios)), 3)


def _run_ns(session: Session, feeds: Feeds) -> int:
    start = time.perf_counter_ns()
    session.run(feeds)
    return time.perf_counter_ns() - start
