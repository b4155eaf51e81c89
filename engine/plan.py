"""The plan: the user's choices before anything runs, as an immutable value and as a JSON file.

Undo swaps plans. The file is sorted and indented, so that it reads and diffs well; fields that this
version does not know survive a round trip.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.errors import PlanError
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_WEIGHT_PERCENTILE,
    ActivationMode,
    ActivationRange,
    ActivationType,
    CalibrationMethod,
    Granularity,
    InputScaling,
    Kernel,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    Rounding,
    WeightScheme,
)
from engine.summary import LayerSummary, ModelSummary

SCHEMA_VERSION = 1
NBITS_GROUP_SIZES = (16, 32, 64, 128, 256)
KERNEL_FOR_MODE = {
    ActivationMode.STATIC: Kernel.QLINEAR,
    ActivationMode.DYNAMIC: Kernel.DYNAMIC,
    ActivationMode.FLOAT: Kernel.FLOAT,
}
JsonObject = dict[str, Any]


@dataclass(frozen=True)
class LayerPlan:
    """One layer's choices. The kernel fixes what happens to the layer's input.

    `input_range` is range_min and range_max of the tensor that a static layer reads, set by hand in place of what
    calibration finds; every layer that reads the tensor shares it.
    """

    weights: WeightScheme = WeightScheme(bits=32)
    kernel: Kernel = Kernel.FLOAT
    is_locked: bool = False
    rounding: Rounding = Rounding.NEAREST
    input_range: tuple[float, float] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        ActivationRange(fixed=self.input_range)  # refuses what is no range
        if self.kernel != Kernel.FLOAT and not self.weights.is_integer:
            raise PlanError(
                f"{self.weights.bits}-bit weights run on the float kernel only, not on {self.kernel}. "
                "Choose 8, 4 or 2 bits or the float kernel."
            )

    @property
    def activations(self) -> ActivationMode:
        """What happens to the layer's input, which the kernel decides."""
        if self.kernel == Kernel.QLINEAR:
            return ActivationMode.STATIC
        return ActivationMode.DYNAMIC if self.kernel == Kernel.DYNAMIC else ActivationMode.FLOAT


@dataclass(frozen=True)
class PlanDefaults:
    """What a layer gets when it is given a bit width and nothing else.

    `weight_only_kernel` serves layers with float activations: `float`, or `nbits` where the operator
    has it, which keeps weights packed in memory. `asymmetric` gives
    4-bit weights a zero point, as 2-bit ones always have. `portable` demands a file of standard ONNX operators
    only, whatever the layers are given. `rounding` is that of integer weights. `per_tensor` gives 8-bit
    weights one scale as a whole instead of one per channel.

    What is done to the network before anything is rounded: `equalize` evens out weight ranges across layers,
    `input_scaling` those of weights and inputs in transformers; `correct_bias` takes mean errors out of biases.

    What is done once they are rounded, 0 leaving it out: `reconstruction_steps` is for how long every block of the
    network is trained to give what it gives in the float model, `distillation_steps` for how long all integer weights
    are trained together to give the outputs of the float model.
    """

    activations: ActivationMode = ActivationMode.STATIC
    activation_range: ActivationRange = ActivationRange()
    group_size: int = DEFAULT_GROUP_SIZE
    range_method: RangeMethod = RangeMethod.MSE
    weight_percentile: float = DEFAULT_WEIGHT_PERCENTILE
    asymmetric: bool = False
    weight_only_kernel: Kernel = Kernel.FLOAT
    reduce_range: bool = False
    portable: bool = False
    rounding: Rounding = Rounding.NEAREST
    per_tensor: bool = False
    equalize: bool = False
    input_scaling: InputScaling = InputScaling.NONE
    correct_bias: bool = False
    distillation_steps: int = 0
    reconstruction_steps: int = 0
    activation_type: ActivationType = ActivationType.UINT8

    def __post_init__(self) -> None:
        if self.reconstruction_steps < 0:
            raise PlanError(f"{self.reconstruction_steps} steps of reconstruction are too few. Give 0 or more.")
        if self.distillation_steps < 0:
            raise PlanError(f"{self.distillation_steps} steps of distillation are too few. Give 0 or more.")
        if self.per_tensor and self.weight_only_kernel == Kernel.NBITS:
            raise PlanError("The nbits kernel needs groups of weights. Do without per-tensor weights.")
        if self.portable and self.weight_only_kernel == Kernel.NBITS:
            raise PlanError(
                "The nbits kernel is com.microsoft's own operator, which portable ONNX leaves out. Choose the float "
                "kernel or do without portable."
            )
        if self.weight_only_kernel not in (Kernel.FLOAT, Kernel.NBITS):
            raise PlanError(f"The weight-only kernel cannot be {self.weight_only_kernel}. Choose float or nbits.")
        if self.weight_only_kernel == Kernel.NBITS and self.group_size not in NBITS_GROUP_SIZES:
            raise PlanError("The nbits kernel needs groups of 16, 32, 64, 128 or 256 weights.")


@dataclass(frozen=True)
class Plan:
    """Choices for every layer of one model; a layer that is not named stays float."""

    model_sha256: str
    model_name: str
    layers: Mapping[str, LayerPlan]
    defaults: PlanDefaults = PlanDefaults()
    provenance: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = [getattr(self, item.name) for item in dataclasses.fields(self)]
        arguments[2] = dict(self.layers)
        return (Plan, tuple(arguments))

    def layer(self, name: str) -> LayerPlan:
        """The choices for one layer."""
        return self.layers.get(name, FLOAT_LAYER)

    def choices(self, layers: Iterable[LayerSummary]) -> list[LayerPlan]:
        """The choices for several layers, in their order; for all of a large model much quicker than one by one."""
        known = self.layers.get
        return [known(layer.name, FLOAT_LAYER) for layer in layers]

    def activation_range(self, name: str) -> ActivationRange:
        """How the static range of what one layer reads is found."""
        return dataclasses.replace(self.defaults.activation_range, fixed=self.layer(name).input_range)

    def with_layers(self, changes: Mapping[str, LayerPlan]) -> Plan:
        """A plan in which the named layers are replaced."""
        return dataclasses.replace(self, layers={**self.layers, **changes})

    def with_bits(self, layers: Iterable[LayerSummary], bits: int) -> Plan:
        """A plan in which the unlocked ones of `layers` have `bits`, in the plan's default scheme.

        A clip was chosen for other bits and goes; a range of the input stays.
        """
        by_form: dict[tuple[object, ...], LayerPlan] = {}
        changes = {}
        for layer in layers:
            before = self.layer(layer.name)
            if before.is_locked:
                continue
            choice = by_form.get(layer.form)
            if choice is None:
                choice = by_form[layer.form] = choose_layer_plan(layer, bits, self.defaults)
            if before.input_range is not None:
                choice = dataclasses.replace(choice, input_range=before.input_range)
            changes[layer.name] = choice
        return self.with_layers(changes)

    def with_lock(self, names: Iterable[str], *, locked: bool) -> Plan:
        """A plan in which the named layers are locked or free."""
        changed: dict[int, LayerPlan] = {}
        changes = {}
        for name in names:
            before = self.layer(name)
            if id(before) not in changed:
                changed[id(before)] = dataclasses.replace(before, is_locked=locked)
            changes[name] = changed[id(before)]
        return self.with_layers(changes)

    @property
    def needs_calibration(self) -> bool:
        """Whether any layer needs static activation ranges."""
        return any(layer.kernel == Kernel.QLINEAR for layer in self.layers.values())

    @property
    def needs_rounding_data(self) -> bool:
        """Whether the codes or the bias of any layer are chosen by what the layer reads."""
        is_any = self.defaults.correct_bias
        return any(x.weights.is_integer and (is_any or x.rounding != Rounding.NEAREST) for x in self.layers.values())

    @property
    def is_distilled(self) -> bool:
        """Whether there are integer weights, and they are trained."""
        return self.defaults.distillation_steps > 0 and any(x.weights.is_integer for x in self.layers.values())

    @property
    def is_reconstructed(self) -> bool:
        """Whether there are integer weights, and they are trained block by block."""
        return self.defaults.reconstruction_steps > 0 and any(x.weights.is_integer for x in self.layers.values())

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides the converted file; locks, reasons and provenance do not."""
        document = plan_to_json(self)
        for key in ("provenance", "model"):
            document.pop(key)
        for layer in document["layers"].values():
            layer.pop("locked", None)
            layer.pop("reason", None)
            if layer["kernel"] != Kernel.QLINEAR:
                layer.pop("input_range", None)
        untouched = _layer_to_json(FLOAT_LAYER)
        document["layers"] = {name: layer for name, layer in document["layers"].items() if layer != untouched}
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


FLOAT_LAYER = LayerPlan()


def choose_granularity(layer: LayerSummary, bits: int, group_size: int) -> Granularity:
    """Per channel for 8 bits; groups for 4 and 2 bits where a channel is longer than a group."""
    if bits >= 8 or layer.inputs_per_channel <= group_size:
        return PerChannel()
    return PerGroup(group_size)


def choose_kernel(layer: LayerSummary, bits: int, defaults: PlanDefaults) -> Kernel:
    """The kernel that the defaults want; float where the operator lacks it or the probe table speaks against it."""
    wanted = KERNEL_FOR_MODE[defaults.activations]
    if wanted == Kernel.FLOAT:
        wanted = defaults.weight_only_kernel
    is_good = bits <= 8 and wanted in layer.kernels and layer.limit(wanted, bits) is None
    is_allowed = is_portable(layer, wanted) or not defaults.portable
    return wanted if is_good and is_allowed else Kernel.FLOAT


def is_portable(layer: LayerSummary, kernel: Kernel) -> bool:
    """Whether standard ONNX operators express the kernel; MatMulNBits and DynamicQuantizeLSTM are com.microsoft's."""
    return kernel != Kernel.NBITS and (kernel != Kernel.DYNAMIC or layer.op != "LSTM")


def choose_layer_plan(layer: LayerSummary, bits: int, defaults: PlanDefaults) -> LayerPlan:
    """The default way to give `layer` these bits."""
    if bits > 8:
        return LayerPlan(weights=WeightScheme(bits=bits))
    kernel = choose_kernel(layer, bits, defaults)
    granularity = choose_granularity(layer, bits, defaults.group_size)
    if kernel == Kernel.NBITS:
        granularity = PerGroup(defaults.group_size)
    elif defaults.per_tensor and bits == 8:
        granularity = PerTensor()
    return LayerPlan(
        weights=WeightScheme(
            bits=bits,
            # Narrow 2-bit codes have three levels only, asymmetric ones four.
            symmetric=bits == 8 or (bits == 4 and not defaults.asymmetric),
            granularity=granularity,
            range_method=_choose_range(defaults, bits),
            percentile=defaults.weight_percentile,
            reduce_range=defaults.reduce_range,
        ),
        kernel=kernel,
        rounding=defaults.rounding,
    )


def _choose_range(defaults: PlanDefaults, bits: int) -> RangeMethod:
    """A search for the least error changes next to nothing at 8 bits and is left out there."""
    return RangeMethod.MINMAX if bits == 8 and defaults.range_method == RangeMethod.MSE else defaults.range_method


def build_plan(model: ModelSummary, bits: int, defaults: PlanDefaults | None = None) -> Plan:
    """A plan that gives every layer the same bits."""
    defaults = defaults or PlanDefaults()
    return Plan(
        model_sha256=model.sha256,
        model_name=Path(model.path).name,
        layers={layer.name: choose_layer_plan(layer, bits, defaults) for layer in model.layers},
        defaults=defaults,
        provenance=f"uniform {bits} bits",
    )


def select_layers(model: ModelSummary, pattern: str) -> tuple[LayerSummary, ...]:
    """The layers whose name or title matches a shell pattern.

    Raises:
        PlanError: the pattern matches nothing.
    """
    found = tuple(
        layer for layer in model.layers if any(fnmatch.fnmatchcase(text, pattern) for text in (layer.name, layer.title))
    )
    if not found:
        raise PlanError(
            f"No layer of {Path(model.path).name} matches {pattern!r}. See the names with: bitsmith inspect"
        )
    return found


def ensure_plan_fits(plan: Plan, model: ModelSummary) -> None:
    """Raise `PlanError` unless `plan` was made for `model` and asks only for what its layers offer."""
    if plan.model_sha256 != model.sha256:
        raise PlanError(
            f"This plan was made for another model ({plan.model_name}, {plan.model_sha256[:12]}), "
            f"not for {Path(model.path).name} ({model.sha256[:12]}). Open that model or make a new plan."
        )
    for name, choice in plan.layers.items():
        layer = model.layer_by_name.get(name)
        if layer is None:
            raise PlanError(f"The plan names a layer {name!r} that {Path(model.path).name} does not have.")
        reason = refuse_layer_plan(layer, choice)
        if reason:
            raise PlanError(reason)
        if plan.defaults.portable and choice.weights.is_integer and not is_portable(layer, choice.kernel):
            raise PlanError(
                f"{layer.title}: the {choice.kernel} kernel of {layer.op} is com.microsoft's own operator, which "
                "portable ONNX leaves out. Choose the float kernel or do without portable."
            )


def refuse_layer_plan(layer: LayerSummary, choice: LayerPlan) -> str | None:
    """Why `layer` cannot be converted as `choice` says, in one sentence; None if it can."""
    if choice.kernel not in layer.kernels:
        offered = ", ".join(layer.kernels)
        return f"{layer.title} ({layer.detail}) has no {choice.kernel} kernel. Choose one of: {offered}."
    scheme = choice.weights
    limit = layer.limit(choice.kernel, scheme.bits)
    if limit is not None and limit.is_refused:
        return (
            f"{layer.title} ({layer.detail}) does not run on the {choice.kernel} kernel at {scheme.bits} bits here. "
            f"Choose another kernel or other bits. ({limit.reason})"
        )
    if choice.kernel == Kernel.NBITS:
        size = scheme.granularity.group_size if isinstance(scheme.granularity, PerGroup) else 0
        if size not in NBITS_GROUP_SIZES:
            return f"{layer.title}: the nbits kernel needs groups of 16, 32, 64, 128 or 256 weights."
    is_integer = choice.kernel in (Kernel.QLINEAR, Kernel.DYNAMIC) or layer.op == "Gather"
    if is_integer and scheme.bits == 8 and not scheme.symmetric:
        return f"{layer.title}: 8-bit asymmetric weights do not fit the {layer.op} integer kernel. Use symmetric."
    if is_integer and scheme.bits == 8 and isinstance(scheme.granularity, PerGroup):
        return f"{layer.title}: 8-bit weights in groups do not fit the {layer.op} integer kernel. Use per channel."
    return None


def plan_to_json(plan: Plan) -> JsonObject:
    """The plan as a JSON document."""
    return {
        **plan.extra,
        "schema_version": SCHEMA_VERSION,
        "model": {**plan.extra.get("model", {}), "name": plan.model_name, "sha256": plan.model_sha256},
        "defaults": {
            **plan.extra.get("defaults", {}),
            "activations": str(plan.defaults.activations),
            "activation_method": str(plan.defaults.activation_range.method),
            "activation_percentile": plan.defaults.activation_range.percentile,
            **_type_to_json(plan.defaults.activation_type),
            "group_size": plan.defaults.group_size,
            "weight_range": str(plan.defaults.range_method),
            "weight_only_kernel": str(plan.defaults.weight_only_kernel),
            **({"reduce_range": True} if plan.defaults.reduce_range else {}),
            **_percentile_to_json(plan.defaults.range_method, plan.defaults.weight_percentile),
            **({"asymmetric": True} if plan.defaults.asymmetric else {}),
            **({"portable": True} if plan.defaults.portable else {}),
            **({"rounding": str(plan.defaults.rounding)} if plan.defaults.rounding != Rounding.NEAREST else {}),
            **{name: True for name in _SWITCHES if getattr(plan.defaults, name)},
            **_scaling_to_json(plan.defaults.input_scaling),
            **{name: getattr(plan.defaults, name) for name in _STEPS if getattr(plan.defaults, name)},
        },
        "layers": {name: _layer_to_json(plan.layers[name]) for name in sorted(plan.layers)},
        "provenance": plan.provenance,
    }


def _type_to_json(stored: ActivationType) -> JsonObject:
    return {} if stored == ActivationType.UINT8 else {"activation_type": str(stored)}


def _scaling_to_json(scaling: InputScaling) -> JsonObject:
    return {} if scaling == InputScaling.NONE else {"input_scaling": str(scaling)}


def _percentile_to_json(method: RangeMethod, percentile: float) -> JsonObject:
    return {"weight_percentile": percentile} if method == RangeMethod.PERCENTILE else {}


def _layer_to_json(layer: LayerPlan) -> JsonObject:
    document: JsonObject = {**layer.extra, "bits": layer.weights.bits, "kernel": str(layer.kernel)}
    if layer.weights.is_integer:
        granularity = layer.weights.granularity
        names = {PerTensor: "per_tensor", PerChannel: "per_channel", PerGroup: "group"}
        document |= {
            "symmetric": layer.weights.symmetric,
            "granularity": names[type(granularity)],
            "weight_range": str(layer.weights.range_method),
            **_percentile_to_json(layer.weights.range_method, layer.weights.percentile),
            "rounding": str(layer.rounding),
        }
        if layer.weights.reduce_range:
            document["reduce_range"] = True
        if layer.weights.clip is not None:
            document["clip"] = layer.weights.clip
        if isinstance(granularity, PerGroup):
            document["group_size"] = granularity.group_size
    if layer.input_range is not None:
        document["input_range"] = list(layer.input_range)
    if layer.is_locked:
        document["locked"] = True
    return document


# Defaults that are off unless they are named.
_SWITCHES = ("per_tensor", "equalize", "correct_bias")
# Counts that are 0 unless they are named.
_STEPS = ("reconstruction_steps", "distillation_steps")
_LAYER_KEYS = {
    "bits", "kernel", "symmetric", "granularity", "group_size", "weight_range", "rounding", "locked",
    "reduce_range", "weight_percentile", "clip", "input_range",
}  # fmt: skip
_PLAN_KEYS = {"schema_version", "model", "defaults", "layers", "provenance"}
_MODEL_KEYS = {"name", "sha256"}
_DEFAULTS_KEYS = {
    "activations", "activation_method", "activation_percentile", "activation_type", "group_size", "weight_range",
    "weight_only_kernel",
    "reduce_range", "portable", "weight_percentile", "asymmetric", "rounding", "input_scaling",
    *_STEPS, *_SWITCHES,
}  # fmt: skip


def plan_from_json(document: JsonObject, source: str) -> Plan:
    """The plan in a JSON document; `source` names it in error messages.

    Raises:
        PlanError: a field is missing or has a value that is not offered, or the schema is newer.
    """
    try:
        if document["schema_version"] > SCHEMA_VERSION:
            raise PlanError(f"{source} was written by a newer Bitsmith. Update Bitsmith to read it.")
        defaults = document.get("defaults", {})
        return Plan(
            model_sha256=_text(document["model"], "sha256"),
            model_name=_text(document["model"], "name"),
            layers={name: _layer_from_json(layer) for name, layer in document["layers"].items()},
            defaults=PlanDefaults(
                activations=ActivationMode(defaults.get("activations", "static")),
                activation_range=ActivationRange(
                    CalibrationMethod(defaults.get("activation_method", "mse")),
                    defaults.get("activation_percentile", ActivationRange.percentile),
                ),
                activation_type=ActivationType(defaults.get("activation_type", ActivationType.UINT8)),
                group_size=_count(defaults, "group_size", DEFAULT_GROUP_SIZE),
                range_method=RangeMethod(defaults.get("weight_range", "mse")),
                weight_percentile=defaults.get("weight_percentile", DEFAULT_WEIGHT_PERCENTILE),
                reduce_range=_switch(defaults, "reduce_range"),
                weight_only_kernel=Kernel(defaults.get("weight_only_kernel", "float")),
                asymmetric=_switch(defaults, "asymmetric"),
                portable=_switch(defaults, "portable"),
                rounding=Rounding(defaults.get("rounding", "nearest")),
                per_tensor=_switch(defaults, "per_tensor"),
                equalize=_switch(defaults, "equalize"),
                correct_bias=_switch(defaults, "correct_bias"),
                input_scaling=InputScaling(defaults.get("input_scaling", "none")),
                distillation_steps=_count(defaults, "distillation_steps", 0),
                reconstruction_steps=_count(defaults, "reconstruction_steps", 0),
            ),
            provenance=_text({"provenance": "", **document}, "provenance"),
            extra=_unknown_fields(document),
        )
    except PlanError:
        raise
    except KeyError as error:
        raise PlanError(f"{source} is not a Bitsmith plan: the field {error} is missing.") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PlanError(f"{source} is not a Bitsmith plan: {error}.") from error


def _switch(document: JsonObject, key: str, *, default: bool = False) -> bool:
    value = document.get(key, default)
    if not isinstance(value, bool):
        raise TypeError(f"'{key}' is {value!r}, and must be true or false")
    return value


def _text(document: JsonObject, key: str) -> str:
    value = document[key]
    if not isinstance(value, str):
        raise TypeError(f"'{key}' is {value!r}, and must be text")
    return value


def _count(document: JsonObject, key: str, default: int | None = None) -> int:
    value = document[key] if default is None else document.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"'{key}' is {value!r}, and must be a whole number")
    return value


def _unknown_fields(document: JsonObject) -> JsonObject:
    """Fields of other versions, those of the model and the defaults under their own keys."""
    unknown = {key: value for key, value in document.items() if key not in _PLAN_KEYS}
    for key, known in (("model", _MODEL_KEYS), ("defaults", _DEFAULTS_KEYS)):
        nested = {name: value for name, value in document.get(key, {}).items() if name not in known}
        if nested:
            unknown[key] = nested
    return unknown


def _layer_from_json(document: JsonObject) -> LayerPlan:
    return LayerPlan(
        weights=WeightScheme(
            bits=_count(document, "bits"),
            symmetric=_switch(document, "symmetric", default=True),
            granularity=_granularity_from_json(document),
            range_method=RangeMethod(document.get("weight_range", "minmax")),
            percentile=document.get("weight_percentile", DEFAULT_WEIGHT_PERCENTILE),
            reduce_range=_switch(document, "reduce_range"),
            clip=None if document.get("clip") is None else float(document["clip"]),
        ),
        kernel=Kernel(document["kernel"]),
        is_locked=_switch(document, "locked"),
        rounding=Rounding(document.get("rounding", "nearest")),
        input_range=_input_range_from_json(document.get("input_range")),
        extra={key: value for key, value in document.items() if key not in _LAYER_KEYS},
    )


def _input_range_from_json(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    return float(low), float(high)


def _granularity_from_json(document: JsonObject) -> Granularity:
    name = document.get("granularity", "per_channel")
    if name == "group":
        return PerGroup(_count(document, "group_size"))
    if name not in ("per_tensor", "per_channel"):
        raise ValueError(f"granularity {name!r} is none of per_tensor, per_channel, group")
    return PerTensor() if name == "per_tensor" else PerChannel()


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        PlanError: missing, unreadable or malformed.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(document, ensure_ascii=False).encode()  # half a character could be read, and not be written
    except OSError as error:
        raise PlanError(f"Cannot read the plan {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is not a JSON file: {error}. Give a plan written by Bitsmith.") from error
    return plan_from_json(document, str(path))


def format_plan(plan: Plan) -> str:
    """The text of the plan file."""
    return json.dumps(plan_to_json(plan), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
