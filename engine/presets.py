"""Presets for targets: how layers are quantized for a kind of computer, as JSON files.

They lie in `resources/presets`, and users add their own to `presets` in their configuration folder, where a file
of the same name replaces the program's. The name is the file's stem. All fields but `title` may be left out:

    {
      "title": "Server CPU with VNNI",
      "description": "What for, and by which source.",
      "activations": {"mode": "static" | "dynamic" | "float", "method": "mse" | "entropy" | …, "percentile": 99.999,
                      "type": "uint8" | "int8"},
      "weights": {"bits": 8, "group_size": 32, "range": "mse" | "minmax" | "percentile", "asymmetric": false,
                  "rounding": "nearest" | "gptq" | "adaround", "granularity": "per_channel" | "per_tensor"},
      "calibration": {"samples": 128},
      "kernels": ["qlinear", "dynamic", "nbits", "float"],
      "reduce_range": false,
      "portable": false
    }

`kernels` limits what layers may run on: one that would get another kernel gets `float`, which is always allowed.
`granularity` is that of 8-bit weights; narrower ones have groups of `group_size`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import PlanError
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    WEIGHT_BITS,
    ActivationMode,
    ActivationRange,
    ActivationType,
    CalibrationMethod,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import LayerPlan, Plan, PlanDefaults, choose_layer_plan
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES
from engine.summary import LayerSummary, ModelSummary
from engine.user_files import preset_files

KIND = "presets"
_KEYS: Mapping[str, tuple[str, ...]] = {
    "": ("title", "description", "activations", "weights", "calibration", "kernels", "reduce_range", "portable"),
    "activations": ("mode", "method", "percentile", "type"),
    "weights": ("bits", "group_size", "range", "asymmetric", "rounding", "granularity"),
    "calibration": ("samples",),
}


@dataclass(frozen=True)
class Preset:
    """Choices for a target.

    Attributes:
        name: stem of the file.
        bits: of all weights.
        samples: for calibration.
        kernels: allowed ones.
    """

    name: str
    title: str
    description: str
    bits: int
    defaults: PlanDefaults
    samples: int
    kernels: frozenset[Kernel]

    def choose_layer(self, layer: LayerSummary) -> LayerPlan:
        """What this layer gets."""
        choice = choose_layer_plan(layer, self.bits, self.defaults)
        if choice.kernel in self.kernels:
            return choice
        plain = dataclasses.replace(self.defaults, activations=ActivationMode.FLOAT, weight_only_kernel=Kernel.FLOAT)
        return choose_layer_plan(layer, self.bits, plain)


def apply_preset(plan: Plan, model: ModelSummary, preset: Preset) -> Plan:
    """The plan with the preset's defaults, and its choices in all layers that are not locked."""
    changes = {layer.name: preset.choose_layer(layer) for layer in model.layers if not plan.layer(layer.name).is_locked}
    changed = dataclasses.replace(plan, defaults=preset.defaults, provenance=f"preset {preset.name}")
    return changed.with_layers(changes)


def load_presets() -> tuple[Preset, ...]:
    """All presets, the program's own first.

    Raises:
        PlanError: a malformed file, which the sentence names.
    """
    return tuple(load_preset(path) for path in preset_files(KIND).values())


def find_preset(name: str) -> Preset:
    """One preset by its name.

    Raises:
        PlanError: there is none of that name, or its file is malformed.
    """
    files = preset_files(KIND)
    if name not in files:
        raise PlanError(f"There is no preset '{name}'. Choose one of {', '.join(files)}.")
    return load_preset(files[name])


def load_preset(path: Path) -> Preset:
    """Read a preset.

    Raises:
        PlanError: it cannot be read, or a field is unknown or has a value that is not offered.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        _ensure_known(document, "")
        return _build(path.stem, document)
    except OSError as error:
        raise PlanError(f"Cannot read the preset {path}: {error.strerror}. Correct or remove the file.") from error
    except (PlanError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        reason = f"the field {error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise PlanError(f"The preset {path} is malformed: {reason}. Correct or remove the file.") from error


def _build(name: str, document: Mapping[str, Any]) -> Preset:
    activations, weights = document.get("activations", {}), document.get("weights", {})
    bits, samples = weights.get("bits", 8), document.get("calibration", {}).get("samples", DEFAULT_CALIBRATION_SAMPLES)
    if not isinstance(bits, int) or bits not in WEIGHT_BITS:
        raise ValueError(f"'bits' is {bits!r}, and must be one of {', '.join(map(str, WEIGHT_BITS))}")
    if not _is_count(samples):
        raise ValueError(f"'samples' is {samples!r}, and must be a positive whole number")
    kernels = frozenset(Kernel(kernel) for kernel in document.get("kernels", list(Kernel)))
    granularity = weights.get("granularity", "per_channel")
    if granularity not in ("per_channel", "per_tensor"):
        raise ValueError(f"'granularity' is {granularity!r}, and must be per_channel or per_tensor")
    mode = ActivationMode(activations.get("mode", ActivationMode.STATIC))
    is_packed = mode == ActivationMode.FLOAT and Kernel.NBITS in kernels and "kernels" in document
    group_size = weights.get("group_size", DEFAULT_GROUP_SIZE)
    if not _is_count(group_size) or group_size < 2:
        raise ValueError(f"'group_size' is {group_size!r}, and must be a whole number of at least 2")
    return Preset(
        name=name,
        title=_text(document["title"], "title"),
        description=_text(document.get("description", ""), "description"),
        bits=bits,
        defaults=PlanDefaults(
            activations=mode,
            activation_range=ActivationRange(
                CalibrationMethod(activations.get("method", ActivationRange.method)),
                float(activations.get("percentile", ActivationRange.percentile)),
            ),
            activation_type=ActivationType(activations.get("type", ActivationType.UINT8)),
            group_size=group_size,
            range_method=RangeMethod(weights.get("range", RangeMethod.MSE)),
            asymmetric=_flag(weights, "asymmetric"),
            rounding=Rounding(weights.get("rounding", Rounding.NEAREST)),
            weight_only_kernel=Kernel.NBITS if is_packed else Kernel.FLOAT,
            reduce_range=_flag(document, "reduce_range"),
            portable=_flag(document, "portable"),
            per_tensor=granularity == "per_tensor",
        ),
        samples=samples,
        kernels=kernels | {Kernel.FLOAT},
    )


def _ensure_known(document: Any, place: str) -> None:
    where = f"'{place}'" if place else "it"
    if not isinstance(document, dict):
        raise TypeError(f"{where} must be a JSON object")
    unknown = [key for key in document if key not in _KEYS[place]]
    if unknown:
        raise ValueError(f"{where} has the unknown field '{unknown[0]}'; known are {', '.join(_KEYS[place])}")
    for key in document:
        if key in _KEYS:
            _ensure_known(document[key], key)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _flag(document: Mapping[str, Any], key: str) -> bool:
    value = document.get(key, False)
    if not isinstance(value, bool):
        raise TypeError(f"'{key}' is {value!r}, and must be true or false")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"'{key}' must be text")
    return value
