"""A prepared graph and a plan become a quantized graph, or the engine's simulation of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes import common as passes

from engine.calibration.calibration import Calibration
from engine.conversion.activations import FloatReader, add_parameters, choose_quantization, insert_pairs
from engine.conversion.kernels import MICROSOFT_DOMAIN, Rewriter
from engine.conversion.opset import raise_opset, required_opset
from engine.conversion.optimized import layer_index
from engine.conversion.spill import Spill
from engine.errors import CalibrationError, ConversionError
from engine.job_context import JobContext
from engine.model.graph import attribute_float, remove_unused_initializers
from engine.model.layers import Layer, find_layers
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights
from engine.numerics.schemes import Kernel
from engine.placement import place
from engine.plan import Plan


def rewrite_model(
    model: Model,
    plan: Plan,
    calibration: Calibration | None,
    context: JobContext,
    *,
    is_simulation: bool = False,
    spill: Spill | None = None,
    chosen: ChosenWeights | None = None,
) -> ir.Model:
    """A new model under `plan`; the opened model stays as it is.

    Args:
        chosen: weights in place of those rounded to nearest.
        spill: where large constants go as soon as they are made; None keeps them in memory.

    Raises:
        CalibrationError: a static plan without a calibration.
        ConversionError: a weight or an operator cannot be converted.
        JobCancelled: cancelled between layers.
    """
    result = model.graph_model.clone()
    raise_opset(result, required_opset(plan))
    graph = result.graph
    placement = place(model.summary, plan)
    if placement.range_source and calibration is None:
        raise CalibrationError("A static plan needs activation ranges. Calibrate first or choose dynamic activations.")
    chosen = chosen or ChosenWeights()
    grids = choose_quantization(placement, calibration, plan.defaults.activation_range) if calibration else {}
    grids |= {tensor: grid for tensor, grid in chosen.grids.items() if tensor in grids}
    parameters = add_parameters(graph, placement, grids, plan.defaults.activation_type)
    scales = {tensor: scale for tensor, (scale, _) in parameters.items()}
    rewriter = Rewriter(graph, grids, scales, is_simulation, chosen)
    layers = {layer.name: layer for layer in find_layers(graph)}
    missing = [layer.name for layer in model.summary.layers if layer.name not in layers]
    if missing:
        raise ConversionError(f"Raising the opset changed the layer {missing[0]!r} beyond recognition. Use more bits.")
    for name, bias in chosen.biases.items():
        _set_bias(layers[name], bias)
    float_readers = {
        layer.name: reader
        for layer in layers.values()
        if plan.layer(layer.name).kernel == Kernel.FLOAT and (reader := FloatReader.of(layer))
    }
    total = len(model.summary.layers)
    for index, summary in enumerate(model.summary.layers):
        context.report(index, total, f"{'Simulating' if is_simulation else 'Quantizing'} {summary.title}")
        rewriter.rewrite(layers[summary.name], summary, plan.layer(summary.name), index)
        if spill is not None:
            spill.absorb(graph, f"q{index}.")
    insert_pairs(graph, placement, grids, parameters, float_readers)
    if any(choice.kernel == Kernel.NBITS for choice in plan.layers.values()) and not is_simulation:
        result.graph.opset_imports[MICROSOFT_DOMAIN] = 1
    _clean(result)
    if spill is not None:
        spill.absorb(graph)
    return result


def _set_bias(layer: Layer, bias: npt.NDArray[np.float32]) -> None:
    """Put other values into the layer's bias, which nothing else reads."""
    value = layer.bias_value
    assert value is not None
    kept = value.const_value
    assert kept is not None
    beta = attribute_float(layer.node, "beta", 1.0) if layer.op == "Gemm" else 1.0
    stored = (bias / np.float32(beta)).astype(kept.dtype.numpy()).reshape(tuple(kept.shape.numpy()))
    value.const_value = ir.Tensor(stored, name=value.name)


def _share_scalars(graph: ir.Graph) -> None:
    """Keep one of equal scalars, such as zero points or the bounds of ReLU6: every constant costs time at load.

    Those of layers stay, because their names tell which layer an optimised node comes from.
    """
    known: dict[tuple[ir.DataType, bytes], ir.Value] = {}
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if tensor is None or len(tensor.shape) or tensor.dtype == ir.DataType.STRING or layer_index(name) is not None:
            continue
        if value.is_graph_output() or value.is_graph_input():
            continue
        first = known.setdefault((tensor.dtype, tensor.tobytes()), value)
        if first is not value:
            ir.convenience.replace_all_uses_with(value, first)


def _clean(model: ir.Model) -> None:
    """Drop what the file does not need: unused constants, stale types, exporters' notes.

    Shapes of intermediate values go too: they may be stale, and with them ONNX Runtime 1.31 fuses
    SkipLayerNormalization, which is slower than what it replaces (a BERT-base layer stack: 41 → 59 ms).
    """
    passes.RemoveUnusedNodesPass()(model)
    _share_scalars(model.graph)
    remove_unused_initializers(model.graph)
    passes.ClearMetadataAndDocStringPass()(model)
    kept = {id(value) for graph in model.graphs() for value in (*graph.inputs, *graph.outputs)}
    values = [value for node in model.graph.all_nodes() for value in node.outputs]
    values += model.graph.initializers.values()
    for value in values:
        if id(value) not in kept:
            value.shape, value.type, value.doc_string = None, None, None
            value.metadata_props.clear()
    model.graph.sort()
