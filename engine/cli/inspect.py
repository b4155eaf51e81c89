"""`bitsmith inspect`: the layers of a model."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from engine.cli.command import Answer, Command, Table, format_shape
from engine.cli.job import ConsoleContext, run_job
from engine.cli.options import add_model, open_request
from engine.machine import advise_range, describe_cpu
from engine.pytorch import is_packed_path
from engine.summary import ModelSummary
from engine.units import format_bytes


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Open the model and list what can be quantized; of a packed PyTorch file, what it holds."""
    if is_packed_path(arguments.model):
        return _inspect_packed(Path(arguments.model))
    model = run_job(open_request(arguments), ModelSummary, context)
    document = {
        "path": model.path,
        "sha256": model.sha256,
        "file_bytes": model.file_bytes,
        "opset": model.opset,
        "producer": model.producer,
        "parameters": model.parameters,
        "inputs": [dataclasses.asdict(spec) for spec in model.inputs],
        "outputs": [dataclasses.asdict(spec) for spec in model.outputs],
        "layers": [
            {
                "name": layer.name,
                "title": layer.title,
                "op": layer.op,
                "detail": layer.detail,
                "weight_shape": layer.weight_shape,
                "parameters": layer.parameters,
                "macs": layer.macs,
                "kernels": layer.kernels,
                "limits": [dataclasses.asdict(limit) for limit in layer.limits],
            }
            for layer in model.layers
        ],
        "notes": model.notes,
    }
    return Answer(document, _describe(model))


def _inspect_packed(path: Path) -> Answer:
    from engine.pytorch.packed_file import read_packed_document

    document = read_packed_document(path)
    layers = document["layers"]
    rows = [
        (layer["name"], layer["title"], layer["op"], format_shape(layer["weight_shape"]), str(layer["bits"]))
        for layer in layers
    ]
    table = Table(("layer", "module", "operator", "weight", "bits"), rows, left=frozenset({0, 1, 2, 3}))
    file_bytes = path.stat().st_size
    text = (
        f"{path}: {format_bytes(file_bytes)}, packed PyTorch, {len(layers)} layers of {document['source_name']}\n"
        f"load it with engine/pytorch/packed.py: load_packed({path.name!r})\n\n{table}"
    )
    return Answer({"path": str(path), "file_bytes": file_bytes, **document}, text)


def _describe(model: ModelSummary) -> str:
    table = Table(
        ("layer", "operator", "weight", "parameters", "MACs"),
        [
            (
                layer.name,
                layer.detail,
                format_shape(layer.weight_shape),
                f"{layer.parameters:,}",
                "–" if layer.macs is None else f"{layer.macs:,}",
            )
            for layer in model.layers
        ],
        left=frozenset({0, 1, 2}),
    )
    lines = [
        f"{model.path}: {format_bytes(model.file_bytes)}, opset {model.opset}, "
        f"{len(model.layers)} layers with {model.parameters:,} weights",
        *(f"input   {spec.name} {spec.dtype} {format_shape(spec.shape)}" for spec in model.inputs),
        *(f"output  {spec.name} {spec.dtype} {format_shape(spec.shape)}" for spec in model.outputs),
        "",
        str(table),
        *(f"note: {note}" for note in (*model.notes, advise_range(describe_cpu())) if note),
    ]
    return "\n".join(lines)


INSPECT = Command(
    name="inspect",
    summary="list the layers of a model",
    description="List the operators of a model that have a weight: what they are, how large, and how much they "
    "compute. The names are those that --layer and --lock match.",
    example="bitsmith inspect net.onnx\nbitsmith inspect net.pt2",
    add_arguments=add_model,
    run=run,
)
