"""What a plan will weigh, in bytes, from plain arithmetic: the live figure of the window.

Layer by layer this counts what `engine.conversion` writes, down to the names of nodes, without knowing values or
other layers' choices. So these are estimates: how many activations have the same zero point, which layers have
constants in common that only some schemes need, what another operator set changes, and what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from engine import __version__
from engine.layer_sizes import INPUT_SCALE, RECURRENT_OPS, layer_bytes, saved_bytes
from engine.numerics.schemes import Kernel
from engine.placement import PASS_THROUGH_OPS, SELF_QUANTIZED_OPS, Placement, place
from engine.plan import LayerPlan, Plan
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary, ModelSummary, NodeSummary
from engine.wire import AXIS, field, node_bytes, tensor_bytes

DIGEST = 64
# Their outputs are not negative, so that their zero point is 0 or, signed, -128: the same for all.
NON_NEGATIVE_OPS = frozenset({"Relu", "Clip", "Sigmoid", "HardSigmoid", "Softmax"})
POOLING_OPS = frozenset({"AveragePool", "GlobalAveragePool"})


def _entry(key: str, value: int) -> int:
    """An entry of the file's metadata."""
    return field(field(len(f"bitsmith.{key}")) + field(value))


METADATA_BYTES = (
    _entry("version", len(__version__))
    + _entry("source_sha256", DIGEST)
    + _entry("plan_sha256", DIGEST)
    + _entry("sqnr_db", len("12.34"))
    + _entry("verified_samples", len("32"))
)


def bits_per_weight(model: ModelSummary, plan: Plan) -> float:
    """All stored bits of all layers, scales included, per weight."""
    stored = sum(stored_weight_bytes(layer, plan.layer(layer.name)) for layer in model.layers)
    return 8 * stored / max(model.parameters, 1)


def predict_file_bytes(model: ModelSummary, plan: Plan) -> int:
    """Size of the converted file."""
    layers = joint_bytes(model.layers, plan.choices(model.layers))
    return model.fixed_bytes + layers + activation_bytes(model, place(model, plan)) + METADATA_BYTES


def joint_bytes(layers: Sequence[LayerSummary], choices: Sequence[LayerPlan]) -> int:
    """What these layers add to the file together: a weight that they share in one form is stored once."""
    own = sum(layer_bytes(layer, choice) for layer, choice in zip(layers, choices, strict=True))
    return own - shared_bytes(layers, choices)


def shared_bytes(layers: Sequence[LayerSummary], choices: Sequence[LayerPlan]) -> int:
    """What layers save by sharing a weight that they take in the same form."""
    seen: set[tuple[object, ...]] = set()
    saved = 0
    for layer, choice in zip(layers, choices, strict=True):
        form = _stored_form(layer, choice) if layer.shares_weight else None
        if form is None:
            continue
        if (layer.weight_name, form) in seen:
            saved += saved_bytes(layer, choice)
        seen.add((layer.weight_name, form))
    return saved


def _stored_form(layer: LayerSummary, choice: LayerPlan) -> tuple[object, ...] | None:
    """Equal for layers that store a shared weight once; None where each stores its own."""
    if choice.weights.bits >= layer.float_bits:
        return None if layer.keeps_weight else (32,)
    matrix = (layer.channels, layer.inputs_per_channel)
    if choice.weights.bits == 16:
        return (16, layer.weight_shape, *matrix)
    if choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC) or layer.op == "Gather":
        return None if layer.op in RECURRENT_OPS else ("int8", choice.weights, *matrix)
    return ("float", choice.weights, layer.weight_shape, *matrix) if choice.kernel == Kernel.FLOAT else None


def activation_bytes(model: ModelSummary, placement: Placement) -> int:
    """QuantizeLinear/DequantizeLinear pairs; their readers get a shorter name than the tensor had."""
    if not placement.range_source:
        return 0
    total = _entry("calibration_sha256", DIGEST)
    scales: dict[str, int] = {}  # letters in the names of scales, as in "a12.s", by the tensor that gives the range
    zero_points: dict[str, int] = {}  # the same; "" stands for all ranges that begin at 0
    signs: dict[str, bool] = {}
    outputs = {spec.name for spec in model.outputs}
    spared = {layer.name: layer for layer in model.layers if _is_spared(layer, placement)}
    for index, (tensor, source) in enumerate(placement.range_source.items()):
        name = len(f"a{index}.d")
        value = "" if _is_non_negative(model, source, signs) else source
        total += tensor_bytes((), 4, name) if source not in scales else 0
        total += tensor_bytes((), 1, name) if value not in zero_points else 0
        grid = scales.setdefault(source, name), zero_points.setdefault(value, name)
        quantized, written = len(tensor), name
        readers: Sequence[NodeSummary] = model.consumers.get(tensor, ())
        if tensor not in placement.integer_producers:
            readers = [reader for reader in readers if reader.name in placement.readers[tensor]]
        elif tensor in outputs:  # which keeps its name, so that what is quantized gets another
            quantized, written = name + len(".f"), len(tensor)
            total += quantized - len(tensor)
        total += _pair_bytes(quantized, grid, name, written) + len(readers) * (written - len(tensor))
        found = [spared[reader.name] for reader in readers if reader.name in spared] if spared else ()
        total += _float_reader_bytes(found, len(readers), name, grid) if found else 0
    for layer in model.layers:
        if layer.bias_elements and layer.name in placement.static_layers:
            total += scales[placement.range_source[layer.input_name]] - INPUT_SCALE
    return total


def _is_non_negative(model: ModelSummary, tensor: str, known: dict[str, bool]) -> bool:
    """Whether no value of the tensor is negative, as far as operators tell; `known` keeps answers."""
    passed = []
    while tensor not in known:
        passed.append(tensor)
        node = model.producers.get(tensor)
        if node is None or not _keeps_sign(node):
            known[tensor] = node is not None and node.op in NON_NEGATIVE_OPS
        else:
            tensor = node.inputs[0]
    known.update(dict.fromkeys(passed, known[tensor]))
    return known[tensor]


def _keeps_sign(node: NodeSummary) -> bool:
    """Whether the output is not negative where the one computed input is not."""
    return len(node.inputs) == 1 and (node.op in PASS_THROUGH_OPS or node.op in POOLING_OPS)


@cache
def _pair_bytes(quantized: int, grid: tuple[int, int], name: int, written: int) -> int:
    nodes = node_bytes("QuantizeLinear", (quantized, *grid), (name,), name)
    return nodes + node_bytes("DequantizeLinear", (name, *grid), (written,), name)


def _float_reader_bytes(spared: Sequence[LayerSummary], readers: int, name: int, grid: tuple[int, int]) -> int:
    """A DequantizeLinear of their own, with scales per axis, for float layers among the readers of a tensor."""
    own = name + 1
    node = node_bytes("DequantizeLinear", (name, own + 2, own + 2), (own,), own, AXIS)
    total = len(spared)  # they read a name that is longer by one letter
    for size in {_input_channels(layer) for layer in spared}:
        total += node + tensor_bytes((size,), 4 * size, own + 2) + tensor_bytes((size,), size, own + 2)
    if len(spared) == readers:  # the common one goes if nobody else reads it
        total -= node_bytes("DequantizeLinear", (name, *grid), (name,), name)
    return total


def _is_spared(layer: LayerSummary, placement: Placement) -> bool:
    return layer.op in SELF_QUANTIZED_OPS and layer.name not in placement.static_layers


def _input_channels(layer: LayerSummary) -> int:
    """Size of the input axis that the weight multiplies."""
    if layer.op == "Conv":
        return layer.weight_shape[1] * layer.groups
    return layer.weight_shape[0] if layer.op == "ConvTranspose" else layer.inputs_per_channel
