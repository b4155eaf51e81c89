"""What `bitsmith evaluate --layers` and `--changed` print."""

from __future__ import annotations

import math

from engine.cli.command import Answer, Table, drop_absent, format_db
from engine.requests.comparison import ChangedSample, ChangedSamples, ClassGuess, LayerError, LayerErrors


def describe_layer_errors(found: LayerErrors) -> Answer:
    """Of one result, the worst layer first; layers that could not be matched stand last."""
    layers = sorted(found.layers, key=lambda layer: math.inf if layer.sqnr_db[0] is None else layer.sqnr_db[0])
    document = {"layers": [_layer_to_json(layer) for layer in layers]}
    unmatched = sum(layer.sqnr_db[0] is None and not layer.body_of for layer in layers)
    inside = sum(bool(layer.body_of) for layer in layers)
    table = Table(("layer output", "SQNR dB"), [(layer.title, format_db(layer.sqnr_db[0])) for layer in layers])
    note = f"\n{unmatched} layers have no tensor in this file that could be matched." if unmatched else ""
    if inside:
        operators = " or ".join(sorted({layer.body_of for layer in layers if layer.body_of}))
        note += f"\n{inside} layers run inside {operators}, whose tensors cannot be read from outside."
    return Answer(document, f"Layers, {found.samples} samples\n\n{table}{note}")


def _layer_to_json(layer: LayerError) -> dict[str, object]:
    inside = {"body_of": layer.body_of} if layer.body_of else {}
    return {"name": layer.layer, "sqnr_db": layer.sqnr_db[0], **inside}


def describe_changed_samples(found: ChangedSamples) -> Answer:
    """The worst sample first."""
    samples = [_sample_to_json(sample) for sample in found.worst]
    rows = [
        (
            str(sample.index),
            "" if sample.label is None else str(sample.label),
            _describe_guess(sample.before),
            _describe_after(sample),
            "–" if sample.kl is None else f"{sample.kl:.3g}",
            format_db(sample.sqnr_db),
        )
        for sample in found.worst
    ]
    table = Table(("sample", "label", "float", "result", "KL nats", "SQNR dB"), rows)
    changed = "" if found.changed is None else f"{found.changed} of {found.samples} predictions changed\n\n"
    return Answer({"changed": found.changed, "changed_samples": samples}, f"{changed}{table}")


def _describe_guess(guess: ClassGuess | None) -> str:
    return "" if guess is None else f"{guess.number} ({100 * guess.probability:.1f} %)"


def _describe_after(sample: ChangedSample) -> str:
    if sample.changed_tokens is not None:
        return f"{sample.changed_tokens} tokens differ"
    return _describe_guess(sample.after)


def _sample_to_json(sample: ChangedSample) -> dict[str, object]:
    return drop_absent(
        {
            "index": sample.index,
            "label": sample.label,
            "kl": sample.kl,
            "sqnr_db": sample.sqnr_db,
            "before": sample.before and {"class": sample.before.number, "probability": sample.before.probability},
            "after": sample.after and {"class": sample.after.number, "probability": sample.after.probability},
            "changed_tokens": sample.changed_tokens,
        }
    )
