"""`bitsmith presets`: what there is for targets and for preprocessing."""

from __future__ import annotations

import argparse

from engine.cli.command import Answer, Command, Table
from engine.cli.job import ConsoleContext
from engine.data.guessing import KIND as PREPROCESS_KIND
from engine.data.guessing import load_presets as load_preprocess_presets
from engine.presets import KIND, Preset, load_presets
from engine.user_files import config_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace, context: ConsoleContext) -> Answer:
    """Read all presets and list them."""
    targets, preprocessing = load_presets(), load_preprocess_presets()
    folders = [str(config_folder(KIND)), str(config_folder(PREPROCESS_KIND))]
    document = {
        "targets": [_to_json(preset) for preset in targets],
        "preprocessing": [
            {"name": preset.name, "title": preset.title, "description": preset.description} for preset in preprocessing
        ],
        "folders": folders,
    }
    left = frozenset(range(4))
    table = Table(
        ("--preset", "for", "weights", "activations"),
        [(preset.name, preset.title, f"{preset.bits} bits", str(preset.defaults.activations)) for preset in targets],
        left,
    )
    images = Table(("--preprocess", "for"), [(preset.name, preset.title) for preset in preprocessing], left)
    ending = f"Add your own as JSON files in {folders[0]} and {folders[1]}."
    return Answer(document, f"{table}\n\n{images}\n\n{ending}")


def _to_json(preset: Preset) -> dict[str, object]:
    return {
        "name": preset.name,
        "title": preset.title,
        "description": preset.description,
        "bits": preset.bits,
        "activations": str(preset.defaults.activations),
        "samples": preset.samples,
        "kernels": sorted(preset.kernels),
        "reduce_range": preset.defaults.reduce_range,
        "portable": preset.defaults.portable,
    }


PRESETS = Command(
    name="presets",
    summary="list presets for targets and for preprocessing",
    description="List the presets that --preset and --preprocess take by name: those of Bitsmith, and your own in the "
    "configuration folder, where a file of the same name replaces Bitsmith's.",
    example="bitsmith presets\nbitsmith convert net.onnx --preset mobile --data images --preprocess "
    "imagenet_torchvision -o net-int8.onnx",
    add_arguments=add_arguments,
    run=run,
)
