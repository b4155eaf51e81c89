"""Writing packed PyTorch files: the integers of conversion, one .safetensors file, metadata to run it.

The format is described in `engine.pytorch.packed`, which reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

import engine
from engine.conversion.manifest import Origin, ensure_plan_kept, write_records
from engine.errors import ConversionError, ModelError, OutputError
from engine.job_context import JobContext
from engine.model.graph import attribute_int, attribute_ints
from engine.model.layers import Layer
from engine.model.opened import Model
from engine.model.quantized_layers import ChosenWeights, to_float16
from engine.numerics.packing import pack
from engine.numerics.schemes import Kernel, packed_bytes
from engine.plan import LayerPlan, Plan, ensure_plan_fits
from engine.requests.conversion import ConvertRequest, ConvertResult, LayerOutcome
from engine.stored_weights import has_multipliers, scale_count
from engine.summary import LayerSummary

FORMAT_VERSION = 1
# {"dtype":"F32","shape":[64,9],"data_offsets":[123456,123456]} in the header, about.
_TENSOR_ENTRY_BYTES = 60

Tensors = dict[str, npt.NDArray[Any]]
JsonObject = dict[str, Any]


def write_packed(
    model: Model, request: ConvertRequest, context: JobContext, chosen: ChosenWeights | None = None
) -> ConvertResult:
    """Write the layers of `model` under the plan to `request.output`; activations are not part of the file.

    All packed tensors are in memory until the file is written. `chosen` are weights in place of those rounded to
    nearest.

    Raises:
        PlanError, ConversionError, OutputError: nothing was written.
        JobCancelled: cancelled; nothing was written.
    """
    plan, output = request.plan, Path(request.output)
    ensure_plan_fits(plan, model.summary)
    ensure_plan_kept(output, plan)
    chosen = chosen or ChosenWeights()
    tensors: Tensors = {}
    entries: list[JsonObject] = []
    for index, (layer, summary) in enumerate(zip(model.layers, model.summary.layers, strict=True)):
        context.report(index, len(model.layers), f"Packing {summary.title}")
        parts, entry = _pack_layer(layer, summary, plan.layer(summary.name), chosen)
        tensors.update({f"{summary.name}.{part}": np.ascontiguousarray(value) for part, value in parts.items()})
        entries.append(entry)
    metadata = {"format": "pt", "bitsmith": json.dumps(_document(model, plan, entries), sort_keys=True)}
    payload = sum(_weight_bytes(layer, plan.layer(layer.name)) for layer in model.summary.layers)
    biases = sum(4 * layer.bias_elements for layer in model.summary.layers)
    predicted = payload + biases + _header_bytes(tensors, metadata)
    with context.output(output, expected_bytes=predicted) as temporary:
        context.report(len(entries), len(entries), f"Writing {output.name}")
        temporary.touch()
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:  # the library's name for a full disk, too
            raise OutputError(f"Cannot write {output} ({error}). Free some space or choose another folder.") from error
        temporary.chmod(mode)  # safetensors lets nobody but the owner read it, whatever the user's umask says
        _verify(temporary, tensors)
        result = ConvertResult(
            output=request.output,
            file_bytes=temporary.stat().st_size,
            predicted_bytes=predicted,
            source_bytes=model.source.file_bytes,
            sqnr_db=None,
            kernel_sqnr_db=None,
            verified_samples=0,
            layers=tuple(
                LayerOutcome(entry["name"], entry["bits"], str(Kernel.FLOAT), is_integer=False) for entry in entries
            ),
            warnings=(*_warnings(plan, entries), *chosen.notes),
            bits_per_weight=8 * payload / max(model.summary.parameters, 1),
            devices=chosen.devices,
        )
        origin = Origin(model.path.name, model.source.sha256, model.source.file_bytes, plan)
        write_records(temporary, output, origin, result, context)
    return result


def read_packed_document(path: Path) -> JsonObject:
    """The metadata of a packed file.

    Raises:
        ModelError: missing, damaged, or not written by Bitsmith.
    """
    try:
        with safe_open(path, framework="np") as file:
            document = json.loads((file.metadata() or {}).get("bitsmith", "null"))
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist. Check the path.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} is not a complete .safetensors file. Write it again.") from error
    if not isinstance(document, dict) or "layers" not in document:
        raise ModelError(
            f"{path} holds weights without a network, and Bitsmith did not write it. Open the network: export it with "
            "torch.export.save or torch.onnx.export."
        )
    return document


def _header_bytes(names: Iterable[str], metadata: Mapping[str, str]) -> int:
    """What the file holds beside payloads: the metadata and a line per tensor."""
    quoted = [json.dumps(name, ensure_ascii=False).encode() for name in names]
    return len(json.dumps(metadata)) + sum(len(name) + _TENSOR_ENTRY_BYTES for name in quoted)


def _weight_bytes(layer: LayerSummary, choice: LayerPlan) -> int:
    """Codes, scales and zero points."""
    scheme = choice.weights
    if not scheme.is_integer:
        return layer.parameters * scheme.bits // 8
    count = scale_count(layer, choice)
    scales = count + 4 * layer.channels if has_multipliers(layer, choice) else 4 * count
    return packed_bytes(layer.parameters, scheme.bits) + scales + (0 if scheme.symmetric else count)


def _pack_layer(
    layer: Layer, summary: LayerSummary, choice: LayerPlan, chosen: ChosenWeights
) -> tuple[Tensors, JsonObject]:
    matrix = layer.matrix()
    parts: Tensors = {}
    group_size = layer.layout.inputs
    if choice.weights.is_integer:
        found = chosen.quantize(matrix, summary, choice)
        group_size = found.group_size
        parts["codes"] = pack(found.codes, found.bits)
        if found.multiplier is not None and found.channel_scale is not None:
            parts |= {"multiplier": found.multiplier, "channel_scale": found.channel_scale}
        else:
            parts["scale"] = found.scale
        if found.zero_point is not None:
            parts["zero_point"] = found.zero_point
    else:
        is_half = choice.weights.bits == 16
        parts["values"] = to_float16(matrix, summary) if is_half else np.asarray(matrix, np.float32)
    bias = chosen.biases.get(summary.name, layer.bias)
    if bias is not None:
        parts["bias"] = bias
    return parts, _describe_layer(layer, summary, choice, group_size)


def _describe_layer(layer: Layer, summary: LayerSummary, choice: LayerPlan, group_size: int) -> JsonObject:
    layout = layer.layout
    kind, attributes = _kind_of(layer)
    matrix_shape = (layout.channels, layout.inputs)
    is_linear = kind == "linear"
    return {
        "name": summary.name,
        "title": summary.title,
        "op": summary.op,
        "kind": kind,
        "bits": choice.weights.bits,
        "group_size": group_size,
        "channels": layout.channels,
        "inputs": layout.inputs,
        "weight_shape": matrix_shape if is_linear else layout.weight_shape,
        "permuted_shape": matrix_shape if is_linear else layout.permuted_shape,
        "inverse_permutation": (0, 1) if is_linear else layout.inverse_permutation,
        "is_folded": str(layer.weight_value.name).endswith("_folded"),
        "attributes": attributes,
    }


def _kind_of(layer: Layer) -> tuple[str, JsonObject]:
    """Which module of `engine.pytorch.packed` runs the layer, and with what attributes."""
    node, spatial = layer.node, len(layer.layout.weight_shape) - 2
    if layer.op == "Gather":
        return "embedding", {}
    if layer.op in ("Gemm", "MatMul"):
        is_plain = layer.weight_index == 1 and spatial == 0 and not attribute_int(node, "transA", 0)
        return ("linear" if is_plain else "weight"), {}
    if layer.op not in ("Conv", "ConvTranspose") or spatial not in (1, 2, 3):
        return "weight", {}
    ones, zeros = (1,) * spatial, (0,) * (2 * spatial)
    auto_pad = node.attributes["auto_pad"].as_string() if "auto_pad" in node.attributes else "NOTSET"
    pads = zeros if auto_pad == "VALID" else attribute_ints(node, "pads", zeros)
    attributes = {
        "stride": attribute_ints(node, "strides", ones),
        "dilation": attribute_ints(node, "dilations", ones),
        "groups": layer.group,
        "kernel": layer.layout.weight_shape[2:],
        "auto_pad": auto_pad,
        "padding_begin": pads[:spatial],
        "padding_end": pads[spatial:],
    }
    if layer.op == "Conv":
        return "conv", attributes
    is_plain = auto_pad in ("NOTSET", "VALID") and pads[:spatial] == pads[spatial:]
    attributes["output_padding"] = attribute_ints(node, "output_padding", (0,) * spatial)
    return ("conv_transpose" if is_plain and "output_shape" not in node.attributes else "weight"), attributes


def _document(model: Model, plan: Plan, entries: list[JsonObject]) -> JsonObject:
    return {
        "format_version": FORMAT_VERSION,
        "bitsmith_version": engine.__version__,
        "source_name": model.path.name,
        "source_sha256": model.source.sha256,
        "plan_sha256": plan.digest,
        "layers": entries,
    }


def _verify(path: Path, tensors: Tensors) -> None:
    """Read back what was written."""
    with safe_open(path, framework="np") as file:
        names = set(file.keys())
        if names != set(tensors) or not all(np.array_equal(file.get_tensor(name), tensors[name]) for name in names):
            raise ConversionError(f"{path.name} does not read back as it was written. Nothing was written; try again.")


def _warnings(plan: Plan, entries: list[JsonObject]) -> list[str]:
    warnings = []
    if any(plan.layer(entry["name"]).kernel not in (Kernel.FLOAT, Kernel.NBITS) for entry in entries):
        warnings.append("A packed PyTorch file holds weights; inputs of the layers stay float, whatever the plan says.")
    bare = [entry["name"] for entry in entries if entry["kind"] == "weight"]
    if bare:
        warnings.append(
            f"{len(bare)} of {len(entries)} layers have no PyTorch module here; their weights are in the file "
            f"(first: {bare[0]})."
        )
    return warnings
