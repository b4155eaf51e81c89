"""What the engine says about its work, in the language of the window: progress, reasons, warnings, names of presets.

The engine speaks English and knows no Qt. What it says often is listed here as it stands there, figures and names in
braces, so that it can be translated; `tests/gui/test_translation.py` sees to it that the list is complete. Sentences of
errors are not listed: they stay as they are, as on the command line, and can be searched for.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from PySide6.QtCore import QCoreApplication

CONTEXT = "EngineTexts"
REASONS = (
    "{bits} bits: {share} of the plan's predicted loss",
    "nothing else is allowed",
    "{bits} bits would save {size} and add {share}",
    "{bits} bits would save {size} and make that loss {factor} times as large",
    "{bits} bits would save {size} and remove {share}",
    "{bits} bits would take {size} more and remove {share}",
    "{bits} bits would take {size} more and add {share}",
    "{bits} bits would take {size} more and make that loss {factor} times as large",
    "Has the bits of {layer}, which is locked and shares its weight",
)
JOINT, SENTENCE = "{first}; {second}", "{sentence}."
WARNINGS = (
    "The result is far from float: SQNR {figure} dB on {count} samples. Give fragile layers more bits, then compare.",
    "The result loads in ONNX Runtime but was not compared with float: the source is too large, or does not run on "
    "drawn inputs. Compare it on data: bitsmith evaluate.",
    "{count} of {total} layers were meant for an integer kernel and run in float (first: {name}).",
    "int8 activations suit ARM processors. Choose uint8 for x86: it is faster, the results are equal.",
    "The file has {count} bytes, {predicted} were predicted.",
    "The GPU ({name}) ran out of memory, so training continued on the CPU.",
    "The GPU ({name}) failed ({reason}), so training continued on the CPU.",
    "The GPU cannot be used ({reason}), so training ran on the CPU.",
    "The GPU ({name}) has {free} of free memory, training needs about {needed}, so it ran on the CPU.",
)
PROGRESS = (
    "Asking the service: {request}",
    "Binning {name}",
    "Building the graph that gradients flow through",
    "Calibrating: sample {done} of {total}",
    "Checked {name}",
    "Checking {name}",
    "Collecting moments of {count} layers: sample {done} of {total}",
    "Collecting statistics of {count} layers: sample {done} of {total}",
    "Compared {count} samples",
    "Comparing samples of {name} with float",
    "Comparing the layers of {name}",
    "Comparing with {name}",
    "Converting: {name}",
    "Converting {name} from PyTorch",
    "Copying {name}",
    "Counting the layers' work",
    "Cutting the graph",
    "Diagnosed",
    "Diagnosing {name}",
    "Distilling on {device}",
    "Distilling: step {done} of {total}, loss {loss}, held out {best} at best",
    "Equalizing weight ranges",
    "Evaluated {name}",
    "Evaluating {name}",
    "Finding the front",
    "Gradients: sample {done} of {total}",
    "Hashing {name}",
    "Laying out the graph",
    "Loading {name}",
    "Measured {name}",
    "Measuring",
    "Measuring plan {number}",
    "Measuring the memory of {name}",
    "Observing shapes",
    "Packing {name}",
    "Preparing inputs",
    "Preparing to distill",
    "Preparing to reconstruct blocks",
    "Preparing to round by the layers' inputs",
    "Probing {name}",
    "Quantizing {name}",
    "Reading the graph",
    "Reading {name}",
    "Reconstructing blocks on {device}",
    "Reconstructing block {block} of {blocks}: step {done} of {total}, error {start}, {best} at best",
    "Rounding {name}",
    "Running predict.py",
    "Running the float model",
    "Searching input scales of {name}",
    "Simulating {name}",
    "Smoothing: sample {done} of {total}",
    "Starting the service",
    "Timed {count} models",
    "Timing a few layers",
    "Timing a few samples",
    "Timing {count} versions of {name} in turn",
    "Timing {name} and the float model, node by node",
    "Trying all processors",
    "Trying {name}",
    "Verifying: checking the file",
    "Verifying: comparing outputs with float",
    "Verifying: loading the model in a process of its own",
    "Writing {name}",
    "{count} layers",
    "{count} layers compared",
)


def translate_progress(message: str) -> str:
    """What a job is doing, after the name of the method of recovery if it is one; another prefix stays."""
    found = find_template(message, PROGRESS)
    prefix, colon, rest = message.partition(": ")
    if not found and colon:
        return f"{_name_method(prefix)}: {translate_progress(rest)}"
    return _fill(found, message)


def _name_method(prefix: str) -> str:
    from engine.recovery.targets import Rung  # not before somebody recovers
    from gui.recover.texts import rung_title

    return rung_title(Rung(prefix)) if prefix in set(Rung) else prefix


def translate_reason(reason: str) -> str:
    """Why the allocation gave a layer its bits, part by part."""
    if not reason:
        return ""
    first, *rest = (_fill(find_template(part, REASONS), part) for part in reason.removesuffix(".").split("; "))
    for part in rest:
        first = QCoreApplication.translate(CONTEXT, JOINT).format(first=first, second=part)
    return QCoreApplication.translate(CONTEXT, SENTENCE).format(sentence=first)


def translate_warning(warning: str) -> str:
    """What the user should know of a conversion."""
    return _fill(find_template(warning, WARNINGS), warning)


def translate_name(text: str) -> str:
    """Title or description of a preset that comes with the program; those of users stay as they are."""
    return QCoreApplication.translate(CONTEXT, text)


@lru_cache(maxsize=64)
def find_template(text: str, templates: tuple[str, ...]) -> str:
    """The most particular template that says `text`; "" if none does."""
    fitting = [template for template in templates if _pattern(template).fullmatch(text)]
    return max(fitting, key=lambda template: len(re.sub(r"\{\w+\}", "", template)), default="")


def _fill(template: str, text: str) -> str:
    match = _pattern(template).fullmatch(text) if template else None
    return QCoreApplication.translate(CONTEXT, template).format(**match.groupdict()) if match else text


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template)))
