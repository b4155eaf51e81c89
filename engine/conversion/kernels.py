"""One layer rewritten for its kernel: `float`, `qlinear`, `dynamic`, `nbits` (DESIGN section 4)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from engine.conversion.emission import Emitter, emit_float_weight, emit_integer_weight, emit_scales
from engine.conversion.sharing import Share
from engine.model.graph import replace_and_remove
from engine.model.layers import RECURRENT_OPS, Layer
from engine.model.layout import channels_last
from engine.model.quantized_layers import ChosenWeights, to_float16
from engine.numerics.affine import TensorQuantization
from engine.numerics.half_scales import to_half_scales
from engine.numerics.packing import pack, pack_unsigned
from engine.numerics.schemes import Kernel
from engine.numerics.weights import QuantizedWeight, code_range
from engine.plan import LayerPlan
from engine.summary import LayerSummary

MICROSOFT_DOMAIN = "com.microsoft"
# Int8 activations inside MatMulNBits: without it 2 and 8 bits are over ten times slower than float.
NBITS_ACCURACY_LEVEL = 4
BIAS_LIMIT = 2.0**30
# Of a channel whose weights are all zero: float16 holds it, and no bias is too small for it times an input's scale.
DEAD_SCALE = 2.0**-24


@dataclass
class Rewriter:
    """Rewrites layers of one graph.

    Weights of layers in bodies (If, Loop, Scan) are stored in the main graph, which bodies see; ONNX
    Runtime folds their chains there like any other. A weight that several layers take in the same form
    is stored once.

    Attributes:
        is_simulation: write what the engine says the kernels compute, in float operators that any
            runtime executes literally; the reference for verification.
        inputs: quantization of static layers' inputs, by tensor name.
        input_scales: their scales as they stand in the graph, by tensor name.
        chosen: weights in place of those rounded to nearest.
    """

    graph: ir.Graph
    inputs: dict[str, TensorQuantization]
    input_scales: dict[str, ir.Value] = field(default_factory=dict)
    is_simulation: bool = False
    chosen: ChosenWeights = field(default_factory=ChosenWeights)
    _dynamic_inputs: dict[str, ir.Node] = field(default_factory=dict)
    _shared: dict[tuple[object, ...], ir.Value] = field(default_factory=dict)
    _common: dict[bytes, ir.Value] = field(default_factory=dict)
    _recurrent: tuple[Layer, QuantizedWeight, Share, Emitter] | None = None

    def rewrite(self, layer: Layer, summary: LayerSummary, choice: LayerPlan, index: int) -> None:
        """Replace the layer's weight, and its operator where the kernel is another one."""
        if choice.weights.bits < summary.float_bits:
            self._rewrite(layer, summary, choice, index)
        elif summary.weight_name in self.graph.initializers:
            self._tie(layer, summary, index)
        self._flush_recurrent(layer)

    def _rewrite(self, layer: Layer, summary: LayerSummary, choice: LayerPlan, index: int) -> None:
        emit = self._emitter(layer, index)
        matrix = layer.matrix()
        if choice.weights.bits == 16:
            self._store_half(layer, summary, matrix, emit)
            return
        weight = self.chosen.quantize(matrix, summary, choice)
        share = Share.of(layer, summary, choice, self._shared)
        if layer.op in RECURRENT_OPS and choice.kernel == Kernel.DYNAMIC and not self.is_simulation:
            self._dynamic_recurrent(layer, weight, share, emit)
        elif choice.kernel == Kernel.QLINEAR:
            self._qlinear(layer, weight, matrix, share, emit)
        elif choice.kernel == Kernel.DYNAMIC and layer.op not in RECURRENT_OPS:
            self._dynamic(layer, weight, share, emit)
        elif choice.kernel == Kernel.NBITS and not self.is_simulation:
            self._nbits(layer, weight, emit)
        elif layer.op == "Gather" and not self.is_simulation:
            self._gather(layer, weight, share, emit)
        else:
            self._replace_weight(layer, weight, share, emit)

    def _emitter(self, layer: Layer, index: int) -> Emitter:
        return Emitter(self.graph, f"q{index}.", layer.body_owner or layer.node, self._common)

    def _tie(self, layer: Layer, summary: LayerSummary, index: int) -> None:
        """Let a float copy of a transposed embedding be computed from the embedding, at load."""
        if self.is_simulation or summary.weight_name == layer.weight_value.name:
            return
        emit = self._emitter(layer, index)
        table = self.graph.initializers[summary.weight_name]
        layer.node.replace_input_with(layer.weight_index, emit.apply("Transpose", [table], "t", {"perm": (1, 0)}))

    def _set_weight(self, layer: Layer, value: ir.Value) -> None:
        """Put a weight that has Gemm's alpha multiplied in."""
        layer.node.replace_input_with(layer.weight_index, value)
        if "alpha" in layer.node.attributes and layer.op == "Gemm":
            layer.node.attributes["alpha"] = ir.AttrFloat32("alpha", 1.0)

    def _replace_weight(self, layer: Layer, weight: QuantizedWeight, share: Share, emit: Emitter) -> None:
        if self.is_simulation:
            value = emit.constant("w", layer.layout.from_matrix(weight.dequantize()))
        else:
            value = share.once(("float", layer.layout), lambda: emit_float_weight(emit, weight, layer.layout))
        if layer.is_half:
            value = emit.apply("Cast", [value], "h", {"to": layer.dtype})
        self._set_weight(layer, value)

    def _store_half(self, layer: Layer, summary: LayerSummary, matrix: npt.NDArray[np.float32], emit: Emitter) -> None:
        share = Share.of(layer, summary, None, self._shared)

        def store() -> ir.Value:
            half = emit.constant("w", layer.layout.from_matrix(to_float16(matrix, summary)))
            return emit.apply("Cast", [half], "c", {"to": ir.DataType.FLOAT})

        self._set_weight(layer, share.once(("half", layer.layout), store))

    def _gather(self, layer: Layer, weight: QuantizedWeight, share: Share, emit: Emitter) -> None:
        """Look up int8 rows, then scale them: the table is never dequantized as a whole."""
        indices = layer.node.inputs[1]
        table = share.integer_weight(emit, weight, layer.layout)
        local = emit.at(layer.node)
        rows = local.node("Gather", [table, indices], "g", name=layer.name).outputs[0]
        wide = local.apply("Cast", [rows], "f", {"to": layer.dtype})
        scale = channel_scales(weight)
        shape = () if scale.size == 1 else (-1, 1)
        if layer.is_half:
            stored = emit.constant("s", scale.astype(layer.dtype.numpy()).reshape(shape))
        else:
            stored = emit_scales(emit, weight, scale.reshape(shape), "s")
        row_scale = stored if scale.size == 1 else local.apply("Gather", [stored, indices], "k")
        self._replace_layer(layer, local.apply("Mul", [wide, row_scale], "y"))

    def _dynamic_recurrent(self, layer: Layer, weight: QuantizedWeight, share: Share, emit: Emitter) -> None:
        """ONNX Runtime quantizes both weights of an LSTM or none: W waits for R, which is the next layer."""
        if layer.part == "W":
            self._recurrent = (layer, weight, share, emit)
            return
        if self._recurrent is None or self._recurrent[0].node is not layer.node:
            self._replace_weight(layer, weight, share, emit)
            return
        first, first_weight, _, first_emit = self._recurrent
        self._recurrent = None
        node = layer.node
        w, *w_grid = _recurrent_operands(first, first_weight, first_emit)
        r, *r_grid = _recurrent_operands(layer, weight, emit)
        rest = [node.inputs[index] if index < len(node.inputs) else None for index in range(3, 8)]
        attributes = [value for name, value in node.attributes.items() if name != "layout"]
        made = ir.Node(
            MICROSOFT_DOMAIN,
            "DynamicQuantizeLSTM",
            [layer.input_value, w, r, *rest, *w_grid, *r_grid],
            attributes,
            num_outputs=len(node.outputs),
            name=node.name,
        )
        layer.graph.insert_before(node, made)
        self.graph.opset_imports[MICROSOFT_DOMAIN] = 1
        for old, new in zip(node.outputs, made.outputs, strict=True):
            new.name, new.shape, new.type = old.name, old.shape, old.type
            ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
        layer.graph.remove(node, safe=True)

    def _flush_recurrent(self, layer: Layer) -> None:
        """Store a W whose R computes in float, so that it does, too."""
        if self._recurrent is None or self._recurrent[0] is layer:
            return
        waiting, weight, share, emit = self._recurrent
        self._recurrent = None
        self._replace_weight(waiting, weight, share, emit)

    def _qlinear(
        self, layer: Layer, weight: QuantizedWeight, matrix: npt.NDArray[np.float32], share: Share, emit: Emitter
    ) -> None:
        quantization = self.inputs[str(layer.input_value.name)]
        bias = layer.bias
        if bias is not None:
            widened = widen_for_bias(weight, matrix, bias, quantization.scale)
            share = share if widened is weight else share.alone()
            weight = widened
        scale = channel_scales(weight)
        w_scale = emit_scales(emit, weight, scale.reshape(-1) if scale.size > 1 else scale.reshape(()), "s")
        if self.is_simulation:
            value = emit.constant("w", layer.layout.from_matrix(weight.dequantize()))
        else:
            integer = share.integer_weight(emit, weight, layer.layout)
            parameters = [w_scale]
            if layer.op != "Conv":  # QGemm and QLinearMatMul fuse only with an explicit zero point
                parameters.append(emit.constant("zp", np.zeros(scale.size if scale.size > 1 else (), np.int8)))
            axis = {"axis": layer.layout.axis} if scale.size > 1 else {}
            value = emit.apply("DequantizeLinear", [integer, *parameters], "d", axis)
        self._set_weight(layer, value)
        if bias is not None:
            self._set_bias(layer, bias, (scale * quantization.scale, w_scale), emit)

    def _set_bias(
        self,
        layer: Layer,
        bias: npt.NDArray[np.float32],
        scales: tuple[npt.NDArray[np.float32], ir.Value],
        emit: Emitter,
    ) -> None:
        """An int32 bias at scale_x · scale_w, zero point 0; `scales` are that product, and scale_w in the graph."""
        scale, w_scale = scales
        codes = np.rint(bias.astype(np.float64) / scale).astype(np.int32)
        if self.is_simulation:
            value = emit.constant("b", codes.astype(np.float32) * scale)
        else:  # ONNX Runtime folds the product when it loads the model
            product = emit.apply("Mul", [w_scale, self.input_scales[str(layer.input_value.name)]], "bs")
            axis = {"axis": 0} if scale.size > 1 else {}
            value = emit.apply("DequantizeLinear", [emit.constant("b", codes), product], "bd", axis)
        if layer.bias_node is None:
            layer.node.replace_input_with(2, value)
            if "beta" in layer.node.attributes and layer.op == "Gemm":
                layer.node.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
            return
        position = 1 if layer.bias_node.inputs[0] is layer.node.outputs[0] else 0
        layer.bias_node.replace_input_with(position, value)

    def _dynamic(self, layer: Layer, weight: QuantizedWeight, share: Share, emit: Emitter) -> None:
        source = self._dynamic_input(layer, emit)
        if self.is_simulation:
            levels = emit.apply("DequantizeLinear", list(source.outputs), "x")
            layer.node.replace_input_with(layer.input_index, levels)
            self._replace_weight(layer, weight, share, emit)
            return
        layout = channels_last((layer.layout.inputs, layer.layout.channels))
        integer = share.integer_weight(emit, weight, layout)
        codes, x_scale, x_zero_point = source.outputs
        product = emit.node("MatMulInteger", [codes, integer, x_zero_point], "i", name=layer.name).outputs[0]
        wide = emit.apply("Cast", [product], "f", {"to": ir.DataType.FLOAT})
        scale = channel_scales(weight)
        w_scale = emit_scales(emit, weight, scale.reshape(-1) if scale.size > 1 else scale.reshape(()), "s")
        value = emit.apply("Mul", [wide, emit.apply("Mul", [x_scale, w_scale], "k")], "y")
        bias = layer.bias
        if bias is not None:
            value = emit.apply("Add", [value, emit.constant("b", bias)], "a")
        self._replace_layer(layer, value)

    def _dynamic_input(self, layer: Layer, emit: Emitter) -> ir.Node:
        """DynamicQuantizeLinear of the layer's input, shared by the layers that read the same tensor."""
        name = str(layer.input_value.name)
        if name not in self._dynamic_inputs:
            made = emit.node("DynamicQuantizeLinear", [layer.input_value], "q", outputs=3)
            self._dynamic_inputs[name] = made
        return self._dynamic_inputs[name]

    def _nbits(self, layer: Layer, weight: QuantizedWeight, emit: Emitter) -> None:
        half = 1 << (weight.bits - 1)
        channels, inputs = weight.codes.shape
        blocks = weight.groups
        codes = weight.codes
        if missing := blocks * weight.group_size - inputs:
            codes = np.pad(codes, ((0, 0), (0, missing)))
        packed = pack_unsigned(codes, weight.bits).reshape(channels, blocks, -1)
        dtype = layer.dtype.numpy()
        operands: list[ir.Value | None] = [
            layer.input_value,
            emit.constant("w", packed),
            emit.constant("s", weight.scale.reshape(-1).astype(dtype)),
            None
            if weight.zero_point is None
            else emit.constant("z", _pack_rows(weight.zero_point.astype(np.int16) + half, weight.bits)),
            None,
            None if layer.bias is None else emit.constant("b", layer.bias.astype(dtype)),
        ]
        while operands[-1] is None:
            operands.pop()
        attributes = {
            "K": inputs,
            "N": channels,
            "bits": weight.bits,
            "block_size": weight.group_size,
            "accuracy_level": NBITS_ACCURACY_LEVEL,
        }
        made = emit.node("MatMulNBits", operands, "y", attributes, domain=MICROSOFT_DOMAIN, name=layer.name)
        self.graph.opset_imports[MICROSOFT_DOMAIN] = 1
        self._replace_layer(layer, made.outputs[0])

    def _replace_layer(self, layer: Layer, value: ir.Value) -> None:
        old = layer.output_value
        if (
            str(old.name) in self.inputs and not old.is_graph_output()
        ):  # static layers that read it look its grid up by this name
            value.name, old.name = old.name, f"{old.name}_replaced"
        if layer.bias_node is None:
            replace_and_remove(layer.graph, layer.node, value)
            return
        graph = layer.graph
        replace_and_remove(graph, layer.bias_node, value)
        graph.remove(layer.node, safe=True)


def _recurrent_operands(layer: Layer, weight: QuantizedWeight, emit: Emitter) -> tuple[ir.Value, ir.Value, ir.Value]:
    """int8 [directions, inputs, gates · hidden], scales and zero points [directions, gates · hidden]."""
    directions, rows, inputs = layer.layout.weight_shape
    codes = emit_integer_weight(emit, weight, channels_last((directions, inputs, rows)))
    scale = channel_scales(weight)
    scale = np.repeat(scale, directions) if scale.size == 1 else scale.reshape(directions, rows)
    return codes, emit_scales(emit, weight, scale, "s"), emit.constant("zp", np.zeros(scale.shape, np.int8))


def _pack_rows(zero_points: npt.NDArray[np.int16], bits: int) -> npt.NDArray[np.uint8]:
    """Unsigned zero points [channels, blocks], every row packed to whole bytes."""
    missing = -zero_points.shape[1] % (8 // bits)
    padded = np.pad(zero_points, ((0, 0), (0, missing))).astype(np.uint8)
    return pack(padded.view(np.int8), bits).reshape(len(zero_points), -1)


def channel_scales(weight: QuantizedWeight) -> npt.NDArray[np.float32]:
    """Scales of the int8 weight: [channels], or [1] per tensor."""
    return weight.scale.reshape(-1) if weight.channel_scale is None else weight.channel_scale


def widen_for_bias(
    weight: QuantizedWeight,
    matrix: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    input_scale: np.float32,
) -> QuantizedWeight:
    """Give channels whose bias would overflow int32 at scale_x · scale_w a wider weight scale.

    That happens where a channel is all but dead beside its bias (after BatchNorm folding, for one). The scale of
    one that is dead, its weights all zero, means nothing but how finely its bias is stored: it gets a small one.
    """
    scale = np.broadcast_to(channel_scales(weight), bias.shape)
    needed = np.abs(bias) / (BIAS_LIMIT * np.float64(input_scale))
    is_dead = ~(weight.codes if weight.zero_point is None else weight.integer_weight()).any(axis=1)
    if weight.scale.size == 1:
        is_dead = np.full_like(is_dead, is_dead.all())
    needed = np.where(is_dead, np.maximum(needed, DEAD_SCALE), needed)
    narrow = (needed > scale) | (is_dead & (needed < scale))
    if not narrow.any():
        return weight
    if weight.scale.size == 1:
        narrow = np.ones_like(narrow)
        needed = np.full_like(needed, needed.max())
    wide = np.where(narrow, needed, scale).astype(np.float32)
    if weight.has_half_scales:
        wide = to_half_scales(wide, up=True)
    qmin, qmax = code_range(weight.bits, symmetric=weight.zero_point is None)
    codes = weight.codes.copy()
    codes[narrow] = np.clip(np.rint(matrix[narrow] / wide[narrow, None]), qmin, qmax)
    changes: dict[str, object] = {"codes": codes}
    if weight.zero_point is not None:
        changes["zero_point"] = np.where(narrow[: len(weight.zero_point), None], np.int8(0), weight.zero_point)
    if weight.multiplier is not None:
        changes["multiplier"] = np.where(narrow[:, None], np.int8(1), weight.multiplier)
        changes["channel_scale"] = wide
    changes["scale"] = (
        wide[:1, None] if weight.scale.size == 1 else np.where(narrow[:, None], wide[:, None], weight.scale)
    )
    return dataclasses.replace(weight, **changes)  # type: ignore[arg-type]
