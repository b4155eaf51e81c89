"""Find what keeps a result from being faster: both models are profiled node by node, and their graphs are read."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from engine.affinity import available_cores
from engine.benchmark import read_feeds
from engine.bottlenecks.graph_facts import FLOAT_OPS, GraphFacts, find_integer_layers
from engine.bottlenecks.report import (
    CONTROL_OPS,
    WEIGHTED_OPS,
    Bottleneck,
    BottleneckKind,
    Bottlenecks,
    OperatorTime,
    SpeedRemedy,
    SpeedRemedyKind,
    is_weightless,
)
from engine.data.binding import fixed_batch_of
from engine.errors import DataError
from engine.job_context import JobContext
from engine.latency.matching import Matcher
from engine.latency.timing import Feeds, NodeTime, Stopwatch, time_in_turn
from engine.machine import cpu_features, describe_cpu, describe_runtime
from engine.model.observation import draw_inputs, find_sequence_length
from engine.model.opened import Model
from engine.model.opening import resolve_onnx
from engine.model.runtime import Session
from engine.requests.benchmark import BottlenecksRequest

FAST_INTEGER_FEATURES = frozenset({"AVX512-VNNI", "AVX-VNNI", "AMX", "dot product", "I8MM"})
# A layer counts as slower than float beyond what two measurements of the same thing differ by.
SLOWER_RATIO = 1.15
SLOWER_US = 1.0
TINY_CALL_US = 200.0
FIXED_SHARE = 0.15
WORTH_SHARE = 0.05
OTHER_SHARE = 0.4
CORES_GAIN = 1.2
CORES_RUNS = 9


@dataclass
class _Tracer:
    """Tells which layers a node of an optimised graph belongs to.

    Where BatchNorm was folded, a node in blocked layout is named after a tensor that only the source file has.
    """

    matcher: Matcher
    source: onnx.GraphProto

    def __post_init__(self) -> None:
        self._producers = {name: node for node in self.source.node for name in node.output}
        self._layers = {str(layer.node.name): index for index, layer in enumerate(self.matcher.model.layers)}

    def trace(self, node: onnx.NodeProto) -> tuple[int, ...]:
        """Indices of the layers, mostly one; none for what belongs to no layer."""
        origin = self.matcher.trace(node)
        if origin is not None:
            return origin.layers
        producer = self._producers.get(node.name.removesuffix("_nchwc"))
        while producer is not None and producer.op_type != node.op_type:
            producer = self._producers.get(producer.input[0]) if producer.input else None
        index = self._layers.get(producer.name) if producer is not None else None
        return () if index is None else (index,)


@dataclass
class _Trial:
    """What was measured.

    Attributes:
        float_layers_us, result_layers_us: by the layer's index; layers that no node could be traced to are absent.
        stored: layers that the result stores as integers, by index.
        own: whether the result is of Bitsmith's making.
    """

    model: Model
    tracer: _Tracer
    reference: Stopwatch
    result: Stopwatch
    facts: GraphFacts
    float_layers_us: dict[int, float]
    result_layers_us: dict[int, float]
    computed_in_float: frozenset[int]
    stored: frozenset[int]

    @property
    def call_us(self) -> float:
        return max(self.result.wall_us, 1e-3)

    def names(self, indices: Iterable[int]) -> tuple[str, ...]:
        """Names of layers, those that take longest in the result first."""
        ordered = sorted(indices, key=lambda index: -self.result_layers_us.get(index, 0.0))
        return tuple(self.model.summary.layers[index].name for index in ordered)

    def cost(self, items: Iterable[float]) -> dict[str, float]:
        total = sum(items)
        return {"cost_us": total, "cost_share": min(total / self.call_us, 1.0)}


def find_bottlenecks(model: Model, request: BottlenecksRequest, context: JobContext) -> Bottlenecks:
    """Time float model and result in turn, node by node, and say what costs.

    Raises:
        ModelError: a model that cannot be loaded or run.
        DataError: data that does not fit, or a batch that a model does not take.
        JobCancelled: cancelled.
    """
    name = Path(request.result).name
    written = resolve_onnx(Path(request.result))
    with tempfile.TemporaryDirectory(prefix="bitsmith-") as folder:
        context.report(0, 3, f"Loading {name}")
        reference = _load(resolve_onnx(Path(request.model)), Path(folder) / "float", request.threads)
        result = _load(written, Path(folder) / "result", request.threads)
        feeds = _read_feeds(request, result.session)
        context.report(1, 3, f"Timing {name} and the float model, node by node")
        time_in_turn([reference, result], feeds, request.seconds, context)
        optimized = onnx.load(str(result.optimized), load_external_data=False).graph
    stored = find_integer_layers(onnx.load(str(written), load_external_data=False).graph)
    source = onnx.load(str(resolve_onnx(Path(request.model))), load_external_data=False).graph
    tracer = _Tracer(Matcher(model), source)
    trial = _Trial(
        model,
        tracer,
        reference,
        result,
        GraphFacts.read(optimized, _with_all_nodes(optimized, result.nodes)),
        _sum_layers(tracer, reference.nodes),
        _sum_layers(tracer, result.nodes),
        _find_float_layers(tracer, result.nodes),
        stored,
    )
    context.report(2, 3, "Trying all processors")
    findings = [*_judge_graph(trial), *_judge_machine(trial, request, feeds, written, context)]
    order = list(BottleneckKind)
    return Bottlenecks(
        request.model,
        request.result,
        request.threads,
        request.batch,
        describe_cpu(),
        describe_runtime(),
        reference.wall_us,
        result.wall_us,
        compare_operators(reference.nodes, result.nodes),
        tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
    )


def _load(path: Path, stem: Path, threads: int) -> Stopwatch:
    optimized = stem.with_suffix(".onnx")
    session = Session(path, threads=threads, is_spinning=False, optimized_model_path=optimized, profile_prefix=stem)
    return Stopwatch(session, optimized)


def _read_feeds(request: BottlenecksRequest, session: Session) -> Feeds:
    fixed = fixed_batch_of(session.inputs)
    if fixed is not None and fixed != request.batch:
        name = Path(request.result).name
        raise DataError(f"{name} takes batches of exactly {fixed}, not {request.batch}. Set the batch to {fixed}.")
    if request.data is None:
        length = find_sequence_length(session)
        if length is None:
            raise DataError(f"{Path(request.result).name} does not run on drawn inputs. Choose data with real samples.")
        return draw_inputs(session.inputs, batch=request.batch, length=length)
    return read_feeds(request.data, session, request.batch)[0]


def _with_all_nodes(graph: onnx.GraphProto, timed: Sequence[NodeTime]) -> list[NodeTime]:
    """The timed nodes, and those that the profiler did not see with no time."""
    times = {item.node.name: item.us for item in timed}
    return [NodeTime(node, times.get(node.name, 0.0)) for node in graph.node]


def _sum_layers(tracer: _Tracer, nodes: Sequence[NodeTime]) -> dict[int, float]:
    totals: dict[int, float] = defaultdict(float)
    for item in nodes:
        layers = tracer.trace(item.node)
        for index in layers:
            totals[index] += item.us / len(layers)
    return dict(totals)


def _find_float_layers(tracer: _Tracer, nodes: Sequence[NodeTime]) -> frozenset[int]:
    """Layers whose operator runs in float."""
    return frozenset(index for item in nodes if item.node.op_type in FLOAT_OPS for index in tracer.trace(item.node))


def compare_operators(reference: Sequence[NodeTime], result: Sequence[NodeTime]) -> tuple[OperatorTime, ...]:
    """Time and number of nodes per operator type."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0, 0])
    for side, nodes in enumerate((reference, result)):
        for item in nodes:
            entry = sums[item.node.op_type]
            entry[side] += item.us
            entry[2 + side] += 1
    rows = [OperatorTime(op, one, other, int(a), int(b)) for op, (one, other, a, b) in sums.items()]
    return tuple(sorted(rows, key=lambda row: (-row.result_us, -row.float_us)))


def _judge_graph(trial: _Trial) -> list[Bottleneck]:
    """What the graph and the nodes' times tell."""
    kind, facts = BottleneckKind, trial.facts
    findings: list[Bottleneck] = []
    unpacked = _trace_layers(trial, [operator for operator, _ in facts.dequantizing])
    if facts.dequantizing:
        figures = trial.cost(operator.us + weight.us for operator, weight in facts.dequantizing)
        keep = SpeedRemedy(SpeedRemedyKind.KEEP_FLOAT, trial.names(unpacked))
        remedy = keep if unpacked and trial.stored else SpeedRemedy(SpeedRemedyKind.CONVERT_HERE)
        findings.append(
            Bottleneck(
                kind.DEQUANTIZED_WEIGHTS,
                {"count": len(facts.dequantizing), **figures},
                trial.names(unpacked),
                (remedy,),
            )
        )
    weights_only = (trial.stored & trial.computed_in_float) - unpacked
    plain = trial.computed_in_float - trial.stored - unpacked
    findings += _judge_layers(trial, kind.WEIGHTS_ONLY, weights_only, SpeedRemedyKind.STATIC_ACTIVATIONS)
    findings += _judge_layers(trial, kind.FLOAT_LAYERS, plain, SpeedRemedyKind.INTEGER_LAYERS)
    findings += _judge_pairs(trial, plain)
    findings += _judge_slower(trial)
    findings += _judge_dynamic(trial)
    layouts = trial.cost(item.us for item in facts.layouts)
    if layouts["cost_share"] >= WORTH_SHARE:
        remedies = (SpeedRemedy(SpeedRemedyKind.INTEGER_LAYERS, trial.names(plain)),) if plain else ()
        findings.append(Bottleneck(kind.LAYOUT_CHANGES, {"count": len(facts.layouts), **layouts}, remedies=remedies))
    return findings + _judge_rest(trial)


def _trace_layers(trial: _Trial, nodes: Sequence[NodeTime]) -> frozenset[int]:
    return frozenset(index for item in nodes for index in trial.tracer.trace(item.node))


def _judge_layers(
    trial: _Trial, kind: BottleneckKind, layers: frozenset[int], remedy: SpeedRemedyKind
) -> list[Bottleneck]:
    """Layers that compute in float, if they take a share worth speaking of."""
    figures = trial.cost(trial.result_layers_us.get(index, 0.0) for index in layers)
    if not layers or figures["cost_share"] < WORTH_SHARE:
        return []
    names = trial.names(layers)
    about = () if remedy == SpeedRemedyKind.STATIC_ACTIVATIONS else names
    return [Bottleneck(kind, {"count": len(layers), **figures}, names, (SpeedRemedy(remedy, about),))]


def _judge_pairs(trial: _Trial, plain: frozenset[int]) -> list[Bottleneck]:
    pairs = trial.facts.pairs
    if not pairs:
        return []
    quantize = sum(item.node.op_type == "QuantizeLinear" for item in pairs)
    figures = {
        "quantize": quantize,
        "dequantize": len(pairs) - quantize,
        **trial.cost(item.us for item in pairs),
    }
    if plain:
        remedy = SpeedRemedy(SpeedRemedyKind.INTEGER_LAYERS, trial.names(plain))
    else:
        remedy = SpeedRemedy(SpeedRemedyKind.CHANGE_NETWORK if trial.stored else SpeedRemedyKind.CONVERT_HERE)
    return [Bottleneck(BottleneckKind.UNFUSED_PAIRS, figures, remedies=(remedy,))]


def _judge_slower(trial: _Trial) -> list[Bottleneck]:
    """Layers on integer kernels that take longer than in float."""
    slower = [
        index
        for index, us in trial.result_layers_us.items()
        if index not in trial.computed_in_float
        and us > SLOWER_RATIO * trial.float_layers_us.get(index, np.inf)
        and us > SLOWER_US + trial.float_layers_us.get(index, np.inf)
    ]
    if not slower:
        return []
    result_us = sum(trial.result_layers_us[index] for index in slower)
    float_us = sum(trial.float_layers_us[index] for index in slower)
    figures = {"count": len(slower), "cost_us": result_us - float_us, "result_us": result_us, "float_us": float_us}
    names = trial.names(slower)
    remedy = SpeedRemedy(SpeedRemedyKind.KEEP_FLOAT, names)
    return [Bottleneck(BottleneckKind.SLOWER_LAYERS, figures, names, (remedy,))]


def _judge_dynamic(trial: _Trial) -> list[Bottleneck]:
    """Ranges measured in every call: by nodes of their own, or inside a fused kernel."""
    remedy = SpeedRemedy(SpeedRemedyKind.STATIC_ACTIVATIONS)
    findings = []
    own = [item for item in trial.facts.dynamic if item.node.op_type == "DynamicQuantizeLinear"]
    fused = [item for item in trial.facts.dynamic if item.node.op_type != "DynamicQuantizeLinear"]
    for kind, items in ((BottleneckKind.DYNAMIC_QUANTIZATION, own), (BottleneckKind.DYNAMIC_KERNELS, fused)):
        if items:
            figures = {"count": len(items), **trial.cost(item.us for item in items)}
            findings.append(Bottleneck(kind, figures, remedies=(remedy,)))
    return findings


def _judge_rest(trial: _Trial) -> list[Bottleneck]:
    """What no bits can change: operators without weights, and the call itself."""
    findings: list[Bottleneck] = []
    other = trial.cost(_other_times(trial.result.nodes))
    float_other_us = sum(_other_times(trial.reference.nodes))
    if other["cost_share"] >= OTHER_SHARE and float_other_us > 0:
        figures = {**other, "limit_ratio": max(trial.reference.wall_us / float_other_us, 1.0)}
        remedy = SpeedRemedy(SpeedRemedyKind.CHANGE_NETWORK)
        findings.append(Bottleneck(BottleneckKind.OTHER_OPERATORS, figures, remedies=(remedy,)))
    call_us = trial.reference.wall_us
    computing_us = sum(item.us for item in trial.reference.nodes if item.node.op_type in WEIGHTED_OPS | CONTROL_OPS)
    fixed_us = max(call_us - computing_us, 0.0)
    if call_us <= TINY_CALL_US and fixed_us >= FIXED_SHARE * call_us:
        figures = {"float_us": call_us, "fixed_us": fixed_us, "nodes": len(trial.reference.nodes)}
        remedy = SpeedRemedy(SpeedRemedyKind.LARGER_BATCH)
        findings.append(Bottleneck(BottleneckKind.TINY_MODEL, figures, remedies=(remedy,)))
    return findings


def _other_times(nodes: Sequence[NodeTime]) -> list[float]:
    return [item.us for item in nodes if is_weightless(item.node.op_type)]


def _judge_machine(
    trial: _Trial, request: BottlenecksRequest, feeds: Feeds, written: Path, context: JobContext
) -> list[Bottleneck]:
    """What the processor and the number of threads have to do with it."""
    findings: list[Bottleneck] = []
    features, cores = cpu_features(), len(available_cores())
    if not features & FAST_INTEGER_FEATURES:
        remedies = (SpeedRemedy(SpeedRemedyKind.REDUCE_RANGE),) if "AVX2" in features else ()
        findings.append(Bottleneck(BottleneckKind.NO_INTEGER_INSTRUCTIONS, remedies=remedies))
    remedy = SpeedRemedy(SpeedRemedyKind.SET_THREADS, threads=cores)
    if request.threads > cores:
        figures: dict[str, float] = {"threads": request.threads, "cores": cores}
        findings.append(Bottleneck(BottleneckKind.OVERSUBSCRIBED, figures, remedies=(remedy,)))
    elif 0 < request.threads < cores:
        few, many = _time_threads(written, (request.threads, cores), feeds, context)
        if few > CORES_GAIN * many:
            figures = {"threads": request.threads, "cores": cores, "all_us": many, "result_us": few}
            findings.append(Bottleneck(BottleneckKind.IDLE_CORES, figures, remedies=(remedy,)))
    return findings


def _time_threads(path: Path, threads: Sequence[int], feeds: Feeds, context: JobContext) -> list[float]:
    """Median microseconds of a call for each number of threads, run in turn."""
    sessions = [Session(path, threads=count, is_spinning=False) for count in threads]
    laps: list[list[int]] = [[] for _ in sessions]
    for round_number in range(CORES_RUNS):
        for session, taken in zip(sessions, laps, strict=True):
            start = time.perf_counter_ns()
            session.run(feeds, context)
            if round_number:
                taken.append(time.perf_counter_ns() - start)
    return [float(np.median(taken)) / 1e3 for taken in laps]
