"""How layers are quantized when they get a bit width: the options, and the plan that they make."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from engine.calibration.calibration import load_calibration
from engine.cli.command import UsageError
from engine.cli.options import positive_count
from engine.numerics.schemes import (
    DEFAULT_GROUP_SIZE,
    DEFAULT_WEIGHT_PERCENTILE,
    ActivationMode,
    ActivationRange,
    ActivationType,
    CalibrationMethod,
    InputScaling,
    Kernel,
    RangeMethod,
    Rounding,
)
from engine.plan import Plan, PlanDefaults, build_plan
from engine.presets import apply_preset, find_preset
from engine.summary import ModelSummary

DEFAULT_BITS = 8
ACTIVATIONS = {"static8": ActivationMode.STATIC, "dynamic8": ActivationMode.DYNAMIC, "float": ActivationMode.FLOAT}
SCHEME_OPTIONS = (
    "preset",
    "activations", "activation_type", "group_size", "kernel", "weight_range", "reduce_range", "portable",
    "activation_method", "percentile", "weight_percentile", "asymmetric", "rounding", "reconstruct", "distill",
    "per_tensor", "equalize", "scale_inputs", "correct_bias",
)  # fmt: skip


def add_scheme(parser: argparse.ArgumentParser) -> None:
    """How layers are quantized when they get a bit width; all default to None, so that use can be told."""
    group = parser.add_argument_group("how layers are quantized")
    group.add_argument(
        "--preset",
        metavar="NAME",
        help="start from what suits a target, such as server-vnni or mobile; the options below change it (see: "
        "bitsmith presets)",
    )
    group.add_argument(
        "--activations",
        choices=ACTIVATIONS,
        help="inputs of the layers: 8 bits with ranges from calibration (static8, the default), 8 bits with ranges "
        "found at run time (dynamic8), or float",
    )
    group.add_argument(
        "--activation-type",
        choices=[str(stored) for stored in ActivationType],
        help="what static activations are stored as: uint8 (the default), or int8, as ARM processors and some "
        "compilers want it; the results are the same, and x86 processors are slower with int8",
    )
    group.add_argument(
        "--group-size",
        type=positive_count,
        metavar="N",
        help=f"weights that share a scale at 4 and 2 bits (default {DEFAULT_GROUP_SIZE})",
    )
    group.add_argument(
        "--kernel",
        choices=["float", "nbits"],
        help="with --activations float: compute with float weights that are unpacked at load (the default), or keep "
        "them packed in memory (nbits: best for language models that answer token by token)",
    )
    group.add_argument(
        "--weight-range",
        choices=[str(method) for method in RangeMethod],
        help="clipping of weights: the full range (minmax), the one with the least squared error (mse, the default "
        "below 8 bits), or a percentile",
    )
    group.add_argument(
        "--weight-percentile",
        type=float,
        metavar="P",
        help=f"of the weights that share a scale, with --weight-range percentile (default {DEFAULT_WEIGHT_PERCENTILE})",
    )
    group.add_argument(
        "--asymmetric",
        action="store_true",
        default=None,
        help="4-bit weights with zero points: one level more, a little larger",
    )
    group.add_argument(
        "--rounding",
        choices=[str(rounding) for rounding in Rounding],
        help="how integer weights are rounded: each to the nearest code (the default), or so that the layers' outputs "
        "stay close to float on --data (gptq: seconds; adaround: minutes)",
    )
    group.add_argument(
        "--per-tensor",
        action="store_const",
        const=True,
        help="one scale for a whole 8-bit weight, as some accelerators want it; --equalize and --correct-bias make "
        "up for most of what that loses",
    )
    group.add_argument(
        "--equalize",
        action="store_const",
        const=True,
        help="even out weight ranges across layers first; the float network stays the same",
    )
    group.add_argument(
        "--scale-inputs",
        choices=[str(scaling) for scaling in InputScaling],
        help="in transformers, move ranges from inputs to weights (smooth: for 8-bit activations) or from weights to "
        "inputs (awq: for 4- and 2-bit weights) first, by what --data shows",
    )
    group.add_argument(
        "--correct-bias",
        action="store_const",
        const=True,
        help="take the mean error of every layer's output on --data out of its bias; --rounding gptq and adaround do "
        "so anyway",
    )
    group.add_argument(
        "--reconstruct",
        type=positive_count,
        metavar="STEPS",
        help="then train every block of the network for so many steps on --data, without labels, to give what it gives "
        "in the float model (block reconstruction: minutes; 100 steps are a start)",
    )
    group.add_argument(
        "--distill",
        type=positive_count,
        metavar="STEPS",
        help="then train all integer weights for so many steps on --data, without labels, to give the outputs of the "
        "float model (quantization-aware fine-tuning: minutes; 300 steps are a start)",
    )
    group.add_argument(
        "--reduce-range",
        action="store_const",
        const=True,
        help="keep integer weights within 7 bits, for processors without VNNI, whose sums of 8-bit products saturate",
    )
    group.add_argument(
        "--portable",
        action="store_const",
        const=True,
        help="standard ONNX operators only, none of com.microsoft: no nbits kernel, and LSTM with float activations",
    )
    group.add_argument(
        "--activation-method",
        choices=[str(method) for method in CalibrationMethod],
        help="range of static activations: least squared error (mse, the default), least divergence (entropy), "
        "cut at a percentile, everything seen (minmax), or its average over samples",
    )
    group.add_argument(
        "--percentile",
        type=float,
        metavar="P",
        help=f"percentile for --activation-method percentile (default {ActivationRange.percentile})",
    )


def read_scheme(arguments: argparse.Namespace) -> PlanDefaults:
    """What `add_scheme` collected."""
    if arguments.preset is not None:
        return _change_preset(find_preset(arguments.preset).defaults, arguments)
    method = CalibrationMethod(arguments.activation_method or _method_of(arguments) or ActivationRange.method)
    if arguments.weight_percentile is not None and arguments.weight_range != RangeMethod.PERCENTILE:
        raise UsageError("--weight-percentile belongs to --weight-range percentile.")
    if arguments.percentile is not None and method != CalibrationMethod.PERCENTILE:
        raise UsageError("--percentile belongs to --activation-method percentile.")
    if arguments.kernel is not None and arguments.activations != "float":
        raise UsageError("--kernel belongs to --activations float; static8 and dynamic8 have a kernel of their own.")
    if arguments.activation_type is not None and arguments.activations not in (None, "static8"):
        raise UsageError("--activation-type belongs to --activations static8; dynamic activations are always uint8.")
    return PlanDefaults(
        activations=ACTIVATIONS[arguments.activations or "static8"],
        activation_range=ActivationRange(
            method, ActivationRange.percentile if arguments.percentile is None else arguments.percentile
        ),
        activation_type=ActivationType(arguments.activation_type or ActivationType.UINT8),
        group_size=arguments.group_size or DEFAULT_GROUP_SIZE,
        range_method=RangeMethod(arguments.weight_range or RangeMethod.MSE),
        weight_percentile=DEFAULT_WEIGHT_PERCENTILE
        if arguments.weight_percentile is None
        else arguments.weight_percentile,
        asymmetric=bool(arguments.asymmetric),
        reduce_range=bool(arguments.reduce_range),
        rounding=Rounding(arguments.rounding or Rounding.NEAREST),
        per_tensor=bool(arguments.per_tensor),
        equalize=bool(arguments.equalize),
        input_scaling=InputScaling(arguments.scale_inputs or InputScaling.NONE),
        correct_bias=bool(arguments.correct_bias),
        reconstruction_steps=arguments.reconstruct or 0,
        distillation_steps=arguments.distill or 0,
        weight_only_kernel=Kernel(arguments.kernel or Kernel.FLOAT),
        portable=bool(arguments.portable),
    )


def _method_of(arguments: argparse.Namespace) -> CalibrationMethod | None:
    """The method noted in the calibration file, if one is given."""
    path = getattr(arguments, "calibration", None)
    return load_calibration(Path(path)).method if path else None


def build_chosen_plan(arguments: argparse.Namespace, model: ModelSummary, scheme: PlanDefaults) -> Plan:
    """The plan of `--weights`, `--preset` and `scheme`, which `read_scheme` gave.

    A preset limits kernels to those of its target, unless `--activations` or `--kernel` asks for others.
    """
    if arguments.preset is None:
        return build_plan(model, DEFAULT_BITS if arguments.weights is None else arguments.weights, scheme)
    preset = find_preset(arguments.preset)
    bits = preset.bits if arguments.weights is None else arguments.weights
    kernels = preset.kernels if arguments.activations is None and arguments.kernel is None else frozenset(Kernel)
    changed = dataclasses.replace(preset, bits=bits, defaults=scheme, kernels=kernels)
    return apply_preset(build_plan(model, bits, scheme), model, changed)


def _change_preset(defaults: PlanDefaults, arguments: argparse.Namespace) -> PlanDefaults:
    """The defaults of a preset, with the options that were given in their place."""
    span = defaults.activation_range
    changed = ActivationRange(
        CalibrationMethod(arguments.activation_method or span.method),
        span.percentile if arguments.percentile is None else arguments.percentile,
    )
    given = {
        "activations": ACTIVATIONS[arguments.activations] if arguments.activations else None,
        "activation_type": ActivationType(arguments.activation_type) if arguments.activation_type else None,
        "group_size": arguments.group_size,
        "range_method": RangeMethod(arguments.weight_range) if arguments.weight_range else None,
        "weight_percentile": arguments.weight_percentile,
        "asymmetric": arguments.asymmetric,
        "reduce_range": arguments.reduce_range,
        "rounding": Rounding(arguments.rounding) if arguments.rounding else None,
        "per_tensor": arguments.per_tensor,
        "equalize": arguments.equalize,
        "input_scaling": InputScaling(arguments.scale_inputs) if arguments.scale_inputs else None,
        "correct_bias": arguments.correct_bias,
        "reconstruction_steps": arguments.reconstruct,
        "distillation_steps": arguments.distill,
        "weight_only_kernel": Kernel(arguments.kernel) if arguments.kernel else None,
        "portable": arguments.portable,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(defaults, activation_range=changed, **known)
