"""Where static quantization puts QuantizeLinear/DequantizeLinear pairs: a pure function of graph and plan.

The rules are those that ONNX Runtime's CPU fusions need, and no pair more (a pair that does not fuse
costs time and accuracy):

1. The input of a static layer is quantized; so is the output of a static convolution, after its Relu
   or Clip, because QLinearConv writes integers. Gemm and MatMul may write floats.
2. An operator that only moves values shares the grid of its input, if its output is quantized.
3. Add, Mul, Concat and pooling whose output is wanted as integers run on integers if one of their
   inputs is written as integers; then all their inputs are quantized.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from engine.errors import PlanError
from engine.numerics.schemes import Kernel
from engine.plan import Plan
from engine.summary import LayerSummary, ModelSummary, NodeSummary

PASS_THROUGH_OPS = frozenset(
    {
        "MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "DepthToSpace", "Identity",
        "Pad", "Resize", "Gather", "Split", "Expand", "Tile",
    }
)  # fmt: skip
# Seen in the optimised graph of onnxruntime 1.31: HardSigmoid, HardSwish, Tanh, ReduceMean, Neg and a Resize
# that interpolates stay in float between DequantizeLinear and QuantizeLinear, so none of them is here.
INTEGER_OPS = frozenset({"Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"})
# Float layers that ONNX Runtime would quantize by itself, between DequantizeLinear and QuantizeLinear.
SELF_QUANTIZED_OPS = frozenset({"Conv", "ConvTranspose", "Gemm"})
CLIPPING_OPS = frozenset({"Relu", "Clip"})


@dataclass(frozen=True)
class Placement:
    """Quantized activation tensors of one plan.

    Attributes:
        range_source: for every quantized tensor, the tensor whose statistics give its grid (itself,
            unless it only moves values of another one).
        integer_producers: quantized tensors that an integer kernel writes; every reader of these
            reads the dequantized value, readers of the others only if they are in `readers`.
        readers: for the other quantized tensors, names of the nodes that read the dequantized value.
        static_layers: names of the layers that compute on integers.
        fixed_ranges: range_min and range_max that the plan sets by hand, by range source.
    """

    range_source: Mapping[str, str]
    integer_producers: frozenset[str]
    readers: Mapping[str, frozenset[str]]
    static_layers: frozenset[str] = frozenset()
    fixed_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def is_pass_through(node: NodeSummary) -> bool:
    """Whether the operator only moves values of its first input."""
    is_bounding = node.op == "Min" and node.constant_inputs == 1 and len(node.inputs) == 1
    return (node.op in PASS_THROUGH_OPS or is_bounding) and node.moves_data


def place(model: ModelSummary, plan: Plan) -> Placement:
    """The placement for the plan's static layers.

    Raises:
        PlanError: two layers that read the same values have different ranges for them.
    """
    placement = place_layers(model, _static_layers(model, plan))
    return replace(placement, fixed_ranges=_fixed_ranges(model, plan, placement))


def _static_layers(model: ModelSummary, plan: Plan) -> list[str]:
    return [layer.name for layer in model.layers if plan.layer(layer.name).kernel == Kernel.QLINEAR]


def find_input_source(model: ModelSummary, layer: LayerSummary) -> str:
    """The tensor whose statistics give the grid of a layer's input where the layer computes on integers.

    Operators that only move values stand between the two at most, whichever other layers are static.
    """
    return place_layers(model, [layer.name]).range_source[layer.input_name]


def find_layers_on_source(model: ModelSummary, plan: Plan, name: str) -> tuple[str, ...]:
    """The plan's static layers whose input has the grid of that of layer `name`, this one included."""
    placement = place_layers(model, {*_static_layers(model, plan), name})
    source = placement.range_source[model.layer_by_name[name].input_name]
    readers = (layer for layer in model.layers if layer.name in placement.static_layers)
    return tuple(layer.name for layer in readers if placement.range_source[layer.input_name] == source)


def _fixed_ranges(model: ModelSummary, plan: Plan, placement: Placement) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    by: dict[str, str] = {}
    for layer in model.layers:
        wanted = plan.layer(layer.name).input_range
        if wanted is None or layer.name not in placement.static_layers:
            continue
        source = placement.range_source[layer.input_name]
        by.setdefault(source, layer.title)
        if found.setdefault(source, wanted) != wanted:
            raise PlanError(
                f"{by[source]} and {layer.title} read the same values, but the plan gives them different input "
                "ranges. Give both the same range."
            )
    return found


def calibrated_tensors(model: ModelSummary) -> tuple[str, ...]:
    """Every tensor whose range any static plan on this model could need; placement only grows with layers."""
    static = [layer.name for layer in model.layers if Kernel.QLINEAR in layer.kernels]
    return tuple(sorted(set(place_layers(model, static).range_source.values())))


def place_layers(model: ModelSummary, static_layers: Collection[str]) -> Placement:
    """The placement when exactly these layers compute on integers."""
    if not static_layers:
        return Placement({}, frozenset(), {})
    return _Placer(model, [model.layer_by_name[name] for name in static_layers]).run()


class _Placer:
    def __init__(self, model: ModelSummary, layers: list[LayerSummary]) -> None:
        self._model = model
        self._layers = layers
        self._consumers = model.consumers
        self._outputs = {spec.name for spec in model.outputs}
        self._quantized: set[str] = set()
        self._written: set[str] = set()
        self._shared: dict[str, str] = {}
        self._static = {layer.name for layer in layers}

    def run(self) -> Placement:
        integer_writers = [layer for layer in self._layers if layer.op == "Conv" or self._would_fuse_with_relu(layer)]
        ends = {self.after_clipping(layer.output_name) for layer in integer_writers}
        self._written |= ends
        self._quantized |= ends | {layer.input_name for layer in self._layers}
        self._written |= {
            end
            for layer in self._layers
            if layer.op != "Conv" and (end := self.after_clipping(layer.output_name)) in self._quantized
        }
        before = -1
        while before != len(self._quantized) + len(self._written):
            before = len(self._quantized) + len(self._written)
            for node in reversed(self._model.nodes):
                self._visit(node)
            for node in self._model.nodes:
                self._visit(node)
        return Placement(
            range_source={name: self._source_of(name) for name in sorted(self._quantized)},
            integer_producers=frozenset(self._written & self._quantized),
            readers={name: self._readers(name) for name in self._quantized - self._written},
            static_layers=frozenset(self._static),
        )

    def _would_fuse_with_relu(self, layer: LayerSummary) -> bool:
        """Whether ONNX Runtime would make a float FusedGemm of it, unless the Relu's output is quantized."""
        is_gemm = layer.op == "Gemm" or (layer.bias_elements > 0 and layer.macs == layer.parameters)
        end = self.after_clipping(layer.output_name)
        return is_gemm and end not in self._outputs and self._model.producers[end].op == "Relu"

    def after_clipping(self, tensor: str) -> str:
        """The tensor after a Relu or Clip that nothing else stands beside, which the kernel absorbs."""
        readers = self._consumers.get(tensor, ())
        if len(readers) != 1 or tensor in self._outputs:
            return tensor
        is_clipping = readers[0].op in CLIPPING_OPS and len(readers[0].inputs) == 1
        return readers[0].outputs[0] if is_clipping else tensor

    def _visit(self, node: NodeSummary) -> None:
        if not node.outputs or not node.inputs:
            return
        if is_pass_through(node):
            if any(output in self._quantized for output in node.outputs):
                self._pass_through(node)
        elif node.op in INTEGER_OPS and node.constant_inputs == 0:
            end = self.after_clipping(node.outputs[0])
            if end in self._quantized and any(self._is_written(name) for name in node.inputs):
                self._quantized.update(node.inputs)
                self._written.add(end)

    def _pass_through(self, node: NodeSummary) -> None:
        """Quantize the input, and all outputs that are used: a Split moves integers only if every output takes them."""
        source = node.inputs[0]
        used = [output for output in node.outputs if output in self._consumers or output in self._outputs]
        self._quantized.update((source, *used))
        self._shared |= dict.fromkeys(used, source)
        if source in self._written:
            self._written.update(used)

    def _is_written(self, tensor: str) -> bool:
        """Whether the tensor is written as integers, or only moves such a tensor's values."""
        seen = tensor
        while seen not in self._written:
            producer = self._model.producers.get(seen)
            if producer is None or not is_pass_through(producer) or not producer.inputs:
                return False
            seen = producer.inputs[0]
        return True

    def _source_of(self, tensor: str) -> str:
        while tensor in self._shared:
            tensor = self._shared[tensor]
        return tensor

    def _readers(self, tensor: str) -> frozenset[str]:
        found = set()
        for node in self._consumers.get(tensor, ()):
            output = self.after_clipping(node.outputs[0]) if node.outputs else ""
            moves = is_pass_through(node) and any(name in self._quantized for name in node.outputs)
            if node.name in self._static or moves or (node.op in INTEGER_OPS and output in self._written):
                found.add(node.name)
        return frozenset(found)
