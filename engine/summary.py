"""What is known of an opened model, as plain picklable data: all that the window ever sees of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from engine.numerics.schemes import Kernel


@dataclass(frozen=True)
class KernelLimit:
    """What the probe table holds against a kernel at one bit width.

    Attributes:
        reason: a sentence.
        is_refused: it does not run at all; otherwise it can be asked for, and is never the default.
    """

    kernel: Kernel
    bits: int
    reason: str
    is_refused: bool = False


class Common(StrEnum):
    """What a converted file has one of for several layers, and that is counted for one of them.

    input: the DynamicQuantizeLinear of a tensor that layers read. shape: that of a matrix on its way back to the
    operator's layout. bound, spread: constants that spread values of groups over inputs that they do not divide,
    of layers with the same inputs per channel, and of all layers. domain: the entry that operators of
    com.microsoft need.
    """

    INPUT = "input"
    SHAPE = "shape"
    BOUND = "bound"
    SPREAD = "spread"
    DOMAIN = "domain"


@dataclass(frozen=True)
class LayerSummary:
    """One operator with a constant weight.

    Attributes:
        name: stable id, the node's name in the source model; unique within the model.
        title: what to show; the module path where the exporter left one, else the name.
        op: ONNX operator type (Conv, ConvTranspose, Gemm, MatMul, Gather, LSTM, GRU, RNN).
        detail: operator with its kernel shape, such as "Conv 3×3" or "Conv 3×3 depthwise".
        weight_shape: as stored in the source model.
        axis: the output channel axis of the stored weight; negative never.
        channels: output channels; a per-channel scale has this many entries.
        inputs_per_channel: weights that share one output channel; groups divide this.
        groups: of a convolution's channels; 1 for everything else.
        parameters: weight elements, bias excluded.
        bias_elements: 0 without a bias.
        macs: multiply-accumulates per sample, from observed shapes; None if not observed.
        input_name, output_name: activation tensors in the prepared graph.
        constant_name_bytes: length of the names of weight and bias in the source.
        bias_name_bytes: length of that of the bias alone.
        operator_bytes: what a converted file saves where other operators replace the layer's: its nodes without the
            names of weight and bias, and the name of their output where it is read.
        output_reads: how often that name is read; 0 if it is the name of a graph output, which stays.
        prefix_bytes: length of what the names of all that conversion adds for this layer begin with.
        common: what is counted for this layer, though others use it, too.
        kernels: what conversion offers for this layer, best first; `float` is always there.
        weight_name: the weight's tensor; layers that share a weight have the same.
        shares_weight: whether another layer has this weight, too.
        keeps_weight: whether the float weight stays in a converted file in any case, because it is a graph output, or
            something that is no layer reads it.
        float_bits: of weight and activations in the source, 32 or 16.
        kind: the row of the probe table that this layer belongs to.
        limits: what that row holds against some of `kernels`.
    """

    name: str
    title: str
    op: str
    detail: str
    weight_shape: tuple[int, ...]
    axis: int
    channels: int
    inputs_per_channel: int
    parameters: int
    bias_elements: int
    macs: int | None
    input_name: str
    output_name: str
    constant_name_bytes: int
    kernels: tuple[Kernel, ...]
    weight_name: str = ""
    shares_weight: bool = False
    keeps_weight: bool = False
    groups: int = 1
    float_bits: int = 32
    kind: str = ""
    limits: tuple[KernelLimit, ...] = ()
    bias_name_bytes: int = 0
    operator_bytes: int = 0
    output_reads: int = 1
    prefix_bytes: int = len("q0.")
    common: frozenset[Common] = frozenset()

    def limit(self, kernel: Kernel, bits: int) -> KernelLimit | None:
        """What is held against this kernel at this bit width; mostly nothing."""
        return next((item for item in self.limits if (item.kernel, item.bits) == (kernel, bits)), None)

    @cached_property
    def form(self) -> tuple[object, ...]:
        """Everything that choices and their sizes depend on: equal for layers that are treated alike."""
        return (
            self.op,
            self.weight_shape,
            self.channels,
            self.inputs_per_channel,
            self.parameters,
            self.bias_elements,
            self.constant_name_bytes,
            " ".join(self.kernels),
            self.float_bits,
            self.keeps_weight,
            self.limits,
            self.axis,
            self.groups,
            self.shares_weight,
            self.bias_name_bytes,
            self.operator_bytes,
            self.output_reads,
            self.prefix_bytes,
            self.common,
            len(self.name),
            len(self.input_name),
            len(self.output_name),
        )

    @property
    def float_bytes(self) -> int:
        """Bytes of the weight in the source, bias excluded."""
        return self.float_bits // 8 * self.parameters


@dataclass(frozen=True)
class NodeSummary:
    """One node of the prepared graph: enough to place quantization and to draw it."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """Activation inputs in order; constants are left out."""
    outputs: tuple[str, ...]
    constant_inputs: int = 0
    moves_data: bool = True
    """For operators that can pass values through: the first input is computed, and the mode is one that copies."""


@dataclass(frozen=True)
class TensorSpec:
    """A graph input or output: shape entries are sizes, or names of dynamic dimensions."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class ModelSummary:
    """An opened model.

    Attributes:
        sha256: of the source file (external data excluded).
        file_bytes: source file plus its external data.
        fixed_bytes: what a converted file keeps whatever the plan: graph, names, constants that
            belong to no layer; without the names of layers' weights and biases.
        notes: sentences about what was left alone and why.
    """

    path: str
    sha256: str
    file_bytes: int
    fixed_bytes: int
    opset: int
    producer: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[LayerSummary, ...]
    nodes: tuple[NodeSummary, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> int:
        """Weight elements of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @cached_property
    def layer_by_name(self) -> dict[str, LayerSummary]:
        """The layers by their stable name."""
        return {layer.name: layer for layer in self.layers}

    @cached_property
    def consumers(self) -> dict[str, tuple[NodeSummary, ...]]:
        """The nodes that read each activation tensor."""
        readers: dict[str, list[NodeSummary]] = {}
        for node in self.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in readers.items()}

    @cached_property
    def producers(self) -> dict[str, NodeSummary]:
        """The node that writes each activation tensor."""
        return {name: node for node in self.nodes for name in node.outputs}
