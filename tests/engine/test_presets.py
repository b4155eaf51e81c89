"""Presets for targets: what they make of a plan, and what happens to malformed ones."""

import dataclasses
import json
from pathlib import Path

import pytest

from engine.errors import PlanError
from engine.numerics.schemes import ActivationMode, ActivationType, Kernel, PerTensor
from engine.plan import build_plan, ensure_plan_fits
from engine.presets import apply_preset, find_preset, load_preset, load_presets
from engine.summary import ModelSummary
from engine.user_files import config_folder
from tests.engine.models import conv_chain, open_built


@pytest.fixture
def model(tmp_path: Path) -> ModelSummary:
    return open_built(conv_chain(), tmp_path).summary


def write(path: Path, **document: object) -> Path:
    path.write_text(json.dumps({"title": "Mine", **document}))
    return path


def test_that_every_preset_of_the_program_makes_a_plan_that_fits(model: ModelSummary) -> None:
    presets = {preset.name: preset for preset in load_presets()}
    assert {"server-vnni", "older-cpu", "gpu-server", "mobile", "edge"} <= set(presets)
    for preset in presets.values():
        assert preset.description
        plan = apply_preset(build_plan(model, 4), model, preset)
        ensure_plan_fits(plan, model)
        assert {layer.weights.bits for layer in plan.layers.values()} == {preset.bits}
        assert {layer.kernel for layer in plan.layers.values()} <= preset.kernels
    older = apply_preset(build_plan(model, 8), model, presets["older-cpu"])
    assert all(layer.weights.reduce_range for layer in older.layers.values())
    assert presets["mobile"].defaults.portable
    assert presets["gpu-server"].defaults.activations == ActivationMode.FLOAT


def test_that_locked_layers_keep_what_they_have(model: ModelSummary) -> None:
    first = model.layers[0].name
    plan = build_plan(model, 2).with_lock([first], locked=True)
    changed = apply_preset(plan, model, find_preset("mobile"))
    assert changed.layer(first) == plan.layer(first)
    assert {changed.layer(layer.name).weights.bits for layer in model.layers[1:]} == {8}


def test_that_a_kernel_that_is_not_allowed_becomes_float(model: ModelSummary, tmp_path: Path) -> None:
    preset = load_preset(write(tmp_path / "p.json", activations={"mode": "static"}, kernels=["dynamic"]))
    plan = apply_preset(build_plan(model, 8), model, preset)
    assert {layer.kernel for layer in plan.layers.values()} == {Kernel.FLOAT}


def test_that_all_fields_are_read(tmp_path: Path, model: ModelSummary) -> None:
    preset = load_preset(
        write(
            tmp_path / "mine.json",
            activations={"mode": "dynamic", "method": "percentile", "percentile": 99.9, "type": "int8"},
            weights={"bits": 8, "group_size": 64, "range": "minmax", "granularity": "per_tensor", "asymmetric": True},
            calibration={"samples": 7},
            reduce_range=True,
            portable=True,
        )
    )
    defaults = preset.defaults
    assert (preset.name, preset.samples, defaults.activation_range.percentile) == ("mine", 7, 99.9)
    assert (defaults.group_size, defaults.asymmetric) == (64, True)
    assert defaults.activation_type == ActivationType.INT8
    assert (defaults.reduce_range, defaults.portable) == (True, True)
    plan = apply_preset(build_plan(model, 8), model, preset)
    assert isinstance(plan.layer("first").weights.granularity, PerTensor)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed"),
        ("[]", "must be a JSON object"),
        ("{}", "the field 'title' is missing"),
        ('{"title": 1}', "'title' must be text"),
        ('{"title": "t", "bits": 4}', "unknown field 'bits'"),
        ('{"title": "t", "weights": {"bits": 5}}', "'bits' is 5"),
        ('{"title": "t", "weights": {"bits": "8"}}', "'bits' is '8'"),
        ('{"title": "t", "weights": {"bits": 8.0}}', "'bits' is 8.0"),
        ('{"title": "t", "activations": {"percentile": 1' + "0" * 400 + "}}", "too large"),
        ("[" * 100_000, "recursion"),
        ('{"title": "t", "weights": {"group_size": 0}}', "'group_size' is 0"),
        ('{"title": "t", "kernels": ["fast"]}', "'fast' is not a valid Kernel"),
        ('{"title": "t", "portable": 1}', "'portable' is 1"),
        ('{"title": "t", "calibration": {"samples": 0}}', "'samples' is 0"),
        ('{"title": "t", "activations": {"percentile": 10}}', "percentile of 10"),
        ('{"title": "t", "portable": true, "activations": {"mode": "float"}, "kernels": ["nbits"]}', "portable"),
    ],
)
def test_that_a_malformed_preset_is_one_sentence_that_names_the_file(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(PlanError, match=r"mine\.json is malformed") as caught:
        load_preset(tmp_path / "mine.json")
    assert reason in str(caught.value)


def test_that_users_add_their_own_and_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    folder = config_folder("presets")
    folder.mkdir(parents=True)
    try:
        write(folder / "mine.json", weights={"bits": 4})
        assert find_preset("mine").bits == 4
        assert dataclasses.replace(find_preset("mine"), bits=8).bits == 8
        with pytest.raises(PlanError, match=r"no preset 'other'.*edge.*mine"):
            find_preset("other")
    finally:
        (folder / "mine.json").unlink()
        folder.rmdir()
