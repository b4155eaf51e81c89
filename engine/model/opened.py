"""An opened model: the source, its prepared graph and its layers, and their summary as plain data."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import InvariantError
from onnx_ir.serde import SerdeError

from engine.errors import ModelError
from engine.layer_sizes import mark_common
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
from engine.wire import field, tensor_bytes, varint

_NOT_NUMERIC = (None, ir.DataType.STRING, ir.DataType.UNDEFINED)
NO_LAYERS = "no Conv, Gemm, MatMul, LSTM, GRU, RNN or embedding with a constant float32 weight was found in it."
WEIGHTED_OPS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN")
# Names that stand for those of layers' weights and biases where a file is weighed: as long as "q0.d".
STAND_IN = 4
# The first that knows scales per axis, to which conversion raises others.
PER_AXIS_OPSET = 13
# Constants up to here are weighed as they are written, larger ones by their descriptor and payload.
SMALL_BYTES = 1024


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
            prefix_bytes=len(f"q{index}."),
        )
        for index, layer in enumerate(model.layers)
    )
    layers = mark_common(layers)
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
        bias_name_bytes=sum(len(str(value.name)) for value in layer_constants(layer)[1:]),
        operator_bytes=_operator_bytes(layer),
        output_reads=_count_reads(layer.output_value),
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
    """What the file weighs without the weights and biases of layers, and without what conversion adds."""
    graph = model.graph
    layered = {value for layer in model.layers for value in layer_constants(layer)}
    own = {str(value.name) for value in layered - _kept_weights(model)}
    total = sum(_node_bytes(node, layered) for node in graph)
    known: set[object] = set()
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if name in own or tensor is None or not (value.uses() or value.is_graph_output()):
            continue
        if not len(tensor.shape) and tensor.dtype != ir.DataType.STRING:  # equal scalars are written once
            key = (tensor.dtype, tensor.tobytes())
            if key in known:
                continue
            known.add(key)
        total += _constant_bytes(name, tensor)
    ends = (*graph.inputs, *graph.outputs)
    return total + sum(_interface_bytes(value, model.source.opset) for value in ends) + _header_bytes(model)


def _interface_bytes(value: ir.Value, opset: int) -> int:
    """Of an input or output. Integer weights raise an old operator set, and with it go remarks on dimensions."""
    proto = ir.to_proto(value)
    if opset < PER_AXIS_OPSET:
        proto.type.ClearField("denotation")
        for dimension in proto.type.tensor_type.shape.dim:
            dimension.ClearField("denotation")
    return field(proto.ByteSize())


def _constant_bytes(name: str, tensor: ir.TensorProtocol) -> int:
    if tensor.nbytes <= SMALL_BYTES and not isinstance(tensor, ir.ExternalTensor):
        return field(ir.to_proto(tensor).ByteSize())
    return tensor_bytes(tuple(int(size) for size in tensor.shape.numpy()), tensor.nbytes, len(name))


def _header_bytes(model: Model) -> int:
    """Everything around the graph's nodes, constants, inputs and outputs."""
    source = model.graph_model
    header = onnx.ModelProto(ir_version=source.ir_version)
    for attribute in ("producer_name", "producer_version", "domain", "doc_string", "model_version"):
        if (value := getattr(source, attribute)) is not None and attribute != "doc_string":
            setattr(header, attribute, value)
    for domain, version in source.graph.opset_imports.items():
        header.opset_import.add(domain=domain, version=version)
    for key, text in source.metadata_props.items():
        header.metadata_props.add(key=key, value=text)
    functions = sum(field(ir.to_proto(function).ByteSize()) for function in source.functions.values())
    name = field(len(source.graph.name)) if source.graph.name else 0
    return int(header.ByteSize()) + functions + name + 1 + varint(model.source.file_bytes // 4)


def _node_bytes(node: ir.Node, layered: Collection[ir.Value]) -> int:
    """Length of the node in the file, without exporters' notes (stack traces, module paths) and layers' constants."""
    proto = ir.to_proto(node)
    _strip_notes(proto)
    names = [len(str(value.name)) for value in node.inputs if value is not None and value in layered]
    shorter = int(proto.ByteSize()) - sum(names) + STAND_IN * len(names)
    return field(shorter) - STAND_IN * len(names)


def _operator_bytes(layer: Layer) -> int:
    """What goes where other operators replace the layer's."""
    if layer.op in RECURRENT_OPS:  # DynamicQuantizeLSTM names all eight inputs of an LSTM, be they empty
        return -field(0) * (8 - len(layer.node.inputs)) if layer.part == "R" else 0
    nodes = [layer.node] if layer.bias_node is None else [layer.node, layer.bias_node]
    output = layer.output_value
    names = _count_reads(output) * len(str(output.name))
    return sum(_node_bytes(node, layer_constants(layer)) for node in nodes) + names + _notes_bytes(output)


def _notes_bytes(value: ir.Value) -> int:
    """Exporters' notes on a graph output, which do not survive the operator that wrote it."""
    if not value.is_graph_output():
        return 0
    proto = ir.to_proto(value)
    total = field(proto.ByteSize())
    proto.ClearField("metadata_props")
    proto.ClearField("doc_string")
    return total - field(proto.ByteSize())


def _count_reads(value: ir.Value) -> int:
    """How often nodes name the value; 0 if it is a graph output, whose name stays."""
    return 0 if value.is_graph_output() else len(value.uses())


def _strip_notes(node: onnx.NodeProto) -> None:
    """Drop notes and shapes, those in bodies included, as conversion does."""
    del node.metadata_props[:]
    node.ClearField("doc_string")
    bodies = [graph for item in node.attribute for graph in ([item.g] if item.HasField("g") else item.graphs)]
    for body in bodies:
        body.ClearField("doc_string")
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
