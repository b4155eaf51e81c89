"""An opened model: the source, its prepared graph and its layers, and their summary as plain data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import InvariantError
from onnx_ir.serde import SerdeError

from engine.errors import ModelError
from engine.model.graph import PLAIN_DTYPES, attribute_string, bodies_of, is_constant
from engine.model.layers import RECURRENT_OPS, Layer, describe_layer, find_layers, kind_of, title_layer
from engine.model.observation import observe_shapes
from engine.model.opening import Source, open_source
from engine.model.preparation import prepare
from engine.model.runtime import Session, first_line
from engine.model.sessions import NAME
from engine.model.tying import count_shares, find_weight_names
from engine.numerics.schemes import Kernel
from engine.probe_table import current_table
from engine.summary import LayerSummary, ModelSummary, NodeSummary, TensorSpec

_NOT_NUMERIC = (None, ir.DataType.STRING, ir.DataType.UNDEFINED)
NO_LAYERS = "no Conv, Gemm, MatMul, LSTM, GRU, RNN or embedding with a constant float32 weight was found in it."
WEIGHTED_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN")
# Descriptor of an initializer in the file: name, dims, dtype, tags.
INITIALIZER_DESCRIPTOR_BYTES = 12
TENSOR_DESCRIPTOR_BYTES = 16
HEADER_BYTES = 36


@dataclass(frozen=True)
class Model:
    """A source file and its prepared graph, whose weights are memory-mapped or lazily read.

    Attributes:
        is_limited: whether layers heed what the probe table holds against kernels.
    """

    source: Source
    graph_model: ir.Model
    is_limited: bool = True

    @property
    def path(self) -> Path:
        """The source file."""
        return self.source.path

    @property
    def graph(self) -> ir.Graph:
        """The prepared graph: BatchNorm folded, constants lifted."""
        return self.graph_model.graph

    @cached_property
    def layers(self) -> list[Layer]:
        """Quantizable operators in graph order."""
        return find_layers(self.graph)

    @cached_property
    def summary(self) -> ModelSummary:
        """Plain data for plans, sizes and the window; runs the model once to observe shapes."""
        with _blaming_the_file(self.source):
            return summarize(self)


@contextlib.contextmanager
def _blaming_the_file(source: Source) -> Iterator[None]:
    """Raise `ModelError` for what goes wrong in the block where the file is no valid model; it is our bug otherwise."""
    try:
        yield
    except (SerdeError, InvariantError) as error:  # such as functions that call each other without end
        raise ModelError(f"{source.path} contradicts itself ({first_line(error)}). Export it again.") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        Session(source.onnx_path, is_optimized=False)
        raise


def open_model(path: Path | str) -> Model:
    """Open and prepare a model.

    Raises:
        ModelError: the file cannot be used, or has nothing to quantize.
    """
    source = open_source(Path(path))
    with _blaming_the_file(source):
        model = Model(source, prepare(source.model))
        release_file_contents(model.graph_model)
        has_layers = bool(model.layers)
    if not has_layers:
        raise ModelError(f"{path} has nothing to quantize: {NO_LAYERS}")
    model.graph_model.meta[NAME] = source.path.name
    return model


def release_file_contents(model: ir.Model) -> None:
    """Let go of the parsed file where little of it is left in use, as after BatchNorm folding.

    One tensor that still points into the parsed protobuf message keeps all of it alive.
    """
    initializers = model.graph.initializers.values()
    values = [value for value in initializers if isinstance(value.const_value, ir.serde.TensorProtoTensor)]
    everything = sum(value.const_value.nbytes for value in initializers if value.const_value is not None)
    kept = sum(value.const_value.nbytes for value in values if value.const_value is not None)
    if kept < everything / 2:
        for value in values:
            tensor = value.const_value
            if tensor is not None and tensor.dtype in PLAIN_DTYPES:
                value.const_value = ir.Tensor(np.array(tensor.numpy()), name=value.name)


def summarize(model: Model) -> ModelSummary:
    """The plain description of an opened model."""
    shapes = observe_shapes(model.graph_model, model.layers)
    names = find_weight_names(model.layers)
    shares = count_shares(names)
    table = current_table() if model.is_limited else None
    kept = _kept_weights(model)
    layers = tuple(
        replace(
            _summarize_layer(layer, shapes),
            limits=table.limits(kind_of(layer), layer.kernels) if table else (),
            weight_name=names[layer.name],
            shares_weight=shares[names[layer.name]] > 1,
            keeps_weight=layer.weight_value in kept,
        )
        for layer in model.layers
    )
    return ModelSummary(
        path=str(model.path),
        sha256=model.source.sha256,
        file_bytes=model.source.file_bytes,
        fixed_bytes=_fixed_bytes(model),
        opset=model.source.opset,
        producer=f"{model.graph_model.producer_name or ''} {model.graph_model.producer_version or ''}".strip(),
        inputs=tuple(_spec(value) for value in model.graph.inputs),
        outputs=tuple(_spec(value) for value in model.graph.outputs),
        layers=layers,
        nodes=tuple(_summarize_node(node) for node in model.graph),
        notes=(*_notes(model), *_limit_notes(layers)),
    )


def _spec(value: ir.Value) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else str(size.value or "?") for size in value.shape or ())
    dtype = value.dtype.numpy() if value.dtype not in _NOT_NUMERIC else "unknown"
    return TensorSpec(str(value.name), str(np.dtype(dtype)) if dtype != "unknown" else "string", shape)


def _summarize_layer(layer: Layer, shapes: dict[str, tuple[int, ...]]) -> LayerSummary:
    layout = layer.layout
    bias = layer.bias
    return LayerSummary(
        name=layer.name,
        title=title_layer(layer),
        op=layer.op,
        detail=describe_layer(layer),
        weight_shape=layout.weight_shape,
        axis=layout.axis if layout.axis is not None else len(layout.weight_shape) - 1,
        channels=layout.channels,
        groups=layer.group,
        inputs_per_channel=layout.inputs,
        parameters=layout.channels * layout.inputs,
        bias_elements=0 if bias is None else bias.size,
        macs=_macs(layer, shapes),
        input_name=str(layer.input_value.name),
        output_name=str(layer.output_value.name),
        constant_name_bytes=sum(len(str(value.name)) for value in layer_constants(layer)),
        kernels=layer.kernels,
        float_bits=16 if layer.is_half else 32,
        weight_name=str(layer.weight_value.name),
        kind=kind_of(layer),
    )


def _macs(layer: Layer, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Multiply-accumulates per sample: every output element takes one per input of its channel."""
    is_by_input = layer.op == "ConvTranspose" or layer.op in RECURRENT_OPS
    source = layer.input_value if is_by_input else layer.node.outputs[0]
    shape = shapes.get(str(source.name))
    if layer.op == "Gather":
        return 0
    if shape is None or layer.body_owner is not None:
        return None
    if layer.op in RECURRENT_OPS:  # every step of [steps, batch, inputs] takes the whole matrix once
        return int(np.prod(shape[:2])) * layer.layout.channels * layer.layout.inputs
    per_element = layer.layout.inputs
    if layer.op == "ConvTranspose":
        per_element = layer.layout.channels // layer.group * int(np.prod(layer.layout.weight_shape[2:]))
    return int(np.prod(shape)) * per_element


def _summarize_node(node: ir.Node) -> NodeSummary:
    read = [*node.inputs, *_captured(node)]
    return NodeSummary(
        name=str(node.name),
        op=str(node.op_type),
        inputs=tuple(str(value.name) for value in read if value is not None and not is_constant(value)),
        outputs=tuple(str(value.name) for value in node.outputs if value.name),
        constant_inputs=sum(is_constant(value) for value in node.inputs),
        moves_data=bool(node.inputs) and not is_constant(node.inputs[0]) and _copies(node),
    )


def _copies(node: ir.Node) -> bool:
    """Whether a Resize takes the nearest element, rather than a mean of several."""
    return node.op_type != "Resize" or attribute_string(node, "mode", "nearest") == "nearest"


def _captured(node: ir.Node) -> list[ir.Value]:
    """Values of the main graph that the bodies of an If, Loop or Scan read."""
    graph = node.graph
    inner = [item for _, body in bodies_of(node) for item in body.all_nodes()]
    read = [value for item in inner for value in item.inputs if value is not None]
    read += [value for _, body in bodies_of(node) for value in body.outputs]
    inputs = set(graph.inputs) if isinstance(graph, ir.Graph) else set()
    outer = (value for value in read if value in inputs or getattr(value.producer(), "graph", None) is graph)
    return list(dict.fromkeys(outer))


def layer_constants(layer: Layer) -> list[ir.Value]:
    """The initializers of weight and bias."""
    found = [layer.weight_value]
    if layer.bias_node is not None:
        found += [value for value in layer.bias_node.inputs if value is not None and is_constant(value)]
    elif layer.bias is not None and layer.node.inputs[2] is not None:
        found.append(layer.node.inputs[2])
    return found


def _kept_weights(model: Model) -> set[ir.Value]:
    """Weights of layers that are graph outputs, or that something besides layers reads."""
    slots = {(id(layer.node), layer.weight_index) for layer in model.layers}
    return {
        layer.weight_value
        for layer in model.layers
        if layer.weight_value.is_graph_output()
        or any((id(use.node), use.idx) not in slots for use in layer.weight_value.uses())
    }


def _fixed_bytes(model: Model) -> int:
    """What the file weighs without the weights and biases of layers, from the serialised nodes."""
    layered = [value for layer in model.layers for value in layer_constants(layer)]
    names = {str(value.name) for value in layered} - {str(value.name) for value in _kept_weights(model)}
    nodes = sum(_node_bytes(node) for node in model.graph) - sum(len(str(value.name)) for value in layered)
    constants = sum(
        value.const_value.nbytes + len(name) + INITIALIZER_DESCRIPTOR_BYTES
        for name, value in model.graph.initializers.items()
        if name not in names and value.const_value is not None
    )
    ends = [*model.graph.inputs, *model.graph.outputs]
    interface = sum(len(str(value.name)) + TENSOR_DESCRIPTOR_BYTES + 6 * len(value.shape or ()) for value in ends)
    return nodes + constants + interface + HEADER_BYTES


def _node_bytes(node: ir.Node) -> int:
    """Length of the node in the file, without exporters' notes (stack traces, module paths)."""
    proto = ir.to_proto(node)
    _strip_notes(proto)
    return int(proto.ByteSize()) + 3


def _strip_notes(node: onnx.NodeProto) -> None:
    """Drop notes and shapes, those in bodies included, as conversion does."""
    del node.metadata_props[:]
    node.doc_string = ""
    bodies = [graph for item in node.attribute for graph in ([item.g] if item.HasField("g") else item.graphs)]
    for body in bodies:
        body.doc_string = ""
        del body.value_info[:]
        for inner in body.node:
            _strip_notes(inner)


def _notes(model: Model) -> list[str]:
    known = {id(layer.node) for layer in model.layers}
    left = [n for n in model.graph.all_nodes() if n.op_type in WEIGHTED_OPS and id(n) not in known and _has_weight(n)]
    if not left:
        return []
    kinds = sorted({node.op_type for node in left})
    return [f"{len(left)} operators with weights stay as they are ({', '.join(kinds)}): the weight is tiny, "
            "not float32, or in a place that no kernel takes."]  # fmt: skip


def _limit_notes(layers: Sequence[LayerSummary]) -> list[str]:
    """One sentence per kind of layer and reason."""
    found: dict[tuple[str, Kernel, str, bool], set[int]] = {}
    for layer in layers:
        for limit in layer.limits:
            key = (layer.kind, limit.kernel, limit.reason, limit.is_refused)
            found.setdefault(key, set()).add(limit.bits)
    return [
        f"{kind}: the {kernel} kernel {'does not run' if is_refused else 'is no default'} at "
        f"{', '.join(map(str, sorted(bits, reverse=True)))} bits. {reason}"
        for (kind, kernel, reason, is_refused), bits in found.items()
    ]


def _has_weight(node: ir.Node) -> bool:
    return any(is_constant(value) for value in node.inputs[:2])
