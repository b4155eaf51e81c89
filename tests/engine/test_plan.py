"""The plan as a value and as a file."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path

import pytest

from engine.errors import PlanError
from engine.numerics.schemes import (
    ActivationMode,
    ActivationRange,
    ActivationType,
    CalibrationMethod,
    Granularity,
    Kernel,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    Rounding,
    WeightScheme,
)
from engine.plan import (
    LayerPlan,
    Plan,
    PlanDefaults,
    build_plan,
    choose_layer_plan,
    ensure_plan_fits,
    format_plan,
    load_plan,
    plan_from_json,
    plan_to_json,
    refuse_layer_plan,
    select_layers,
)
from engine.summary import LayerSummary, ModelSummary
from tests.engine.models import conv_chain, open_built


@pytest.fixture
def summary(tmp_path: Path) -> ModelSummary:
    return open_built(conv_chain(), tmp_path).summary


def varied_plan(summary: ModelSummary) -> Plan:
    layers = {
        "first": LayerPlan(WeightScheme(8, granularity=PerTensor()), Kernel.QLINEAR, is_locked=True),
        "second": LayerPlan(WeightScheme(2, symmetric=False, granularity=PerGroup(24), range_method=RangeMethod.MSE)),
        "head": LayerPlan(WeightScheme(16)),
    }
    defaults = PlanDefaults(
        ActivationMode.DYNAMIC, ActivationRange(CalibrationMethod.MINMAX, 99.5), 64, RangeMethod.MINMAX
    )
    return Plan(summary.sha256, "m.onnx", layers, defaults, "by hand")


def test_that_a_plan_survives_its_file(summary: ModelSummary, tmp_path: Path) -> None:
    plan = varied_plan(summary)
    path = tmp_path / "p.json"
    path.write_text(format_plan(plan), encoding="utf-8")
    assert load_plan(path) == plan
    assert format_plan(load_plan(path)) == format_plan(plan)


def test_that_fields_of_other_versions_survive_at_every_level(summary: ModelSummary) -> None:
    document = plan_to_json(varied_plan(summary))
    document["colour"] = {"nested": [1, 2]}
    document["layers"]["head"]["note"] = "fragile"
    document["defaults"]["smoothing"] = 0.5
    document["model"]["origin"] = "hub"
    again = plan_to_json(plan_from_json(json.loads(json.dumps(document)), "p.json"))
    assert again == document


def test_that_a_newer_schema_is_refused(summary: ModelSummary) -> None:
    document = plan_to_json(varied_plan(summary)) | {"schema_version": 2}
    with pytest.raises(PlanError, match=r"p\.json was written by a newer Bitsmith"):
        plan_from_json(document, "p.json")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"bits": 3}, "cannot have 3 bits"),
        ({"bits": "8"}, "'bits' is '8', and must be a whole number"),
        ({"bits": 8.0}, "'bits' is 8.0"),
        ({"locked": "false"}, "'locked' is 'false', and must be true or false"),
        ({"clip": 10**400}, "too large"),
        ({"kernel": "gpu"}, "'gpu'"),
        ({"granularity": "per_row"}, "'per_row'"),
        ({"granularity": "group", "group_size": 1}, "group size of 1"),
        ({"granularity": "group"}, "'group_size' is missing"),
        ({"weight_range": "best"}, "'best'"),
        ({"rounding": "best"}, "'best'"),
        ({"bits": 16, "kernel": "qlinear"}, "16-bit weights run on the float kernel only"),
    ],
)
def test_that_a_malformed_layer_is_refused_with_the_value(
    summary: ModelSummary, change: dict[str, object], expected: str
) -> None:
    document = plan_to_json(varied_plan(summary))
    document["layers"]["first"] = {"bits": 8, "kernel": "float"} | change
    with pytest.raises(PlanError, match=expected):
        plan_from_json(document, "p.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema_version": 1}', '{"schema_version": "x"}', "\x00"])
def test_that_a_file_that_is_no_plan_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=r"p\.json is not"):
        load_plan(path)
    with pytest.raises(PlanError, match="Cannot read"):
        load_plan(tmp_path / "absent.json")


def test_that_a_plan_for_another_model_is_refused_with_both_names(summary: ModelSummary, tmp_path: Path) -> None:
    other = open_built(conv_chain(channels=4), tmp_path, "other.onnx").summary
    with pytest.raises(PlanError, match=r"another model \(m\.onnx.*not for other\.onnx"):
        ensure_plan_fits(build_plan(summary, 8), other)


def test_that_a_plan_with_an_unknown_layer_is_refused(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8).with_layers({"ghost": LayerPlan(WeightScheme(8))})
    with pytest.raises(PlanError, match=r"'ghost' that m\.onnx does not have"):
        ensure_plan_fits(plan, summary)


def test_that_the_digest_ignores_locks_and_provenance_and_nothing_else(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8)
    names = [layer.name for layer in summary.layers]
    assert plan.with_lock(names, locked=True).digest == plan.digest
    assert dataclasses.replace(plan, provenance="by hand").digest == plan.digest
    assert dataclasses.replace(plan, model_name="renamed.onnx").digest == plan.digest
    assert plan.with_bits(summary.layers[:1], 4).digest != plan.digest
    defaults = dataclasses.replace(plan.defaults, activation_range=ActivationRange(CalibrationMethod.MINMAX))
    assert dataclasses.replace(plan, defaults=defaults).digest != plan.digest


def test_that_a_locked_float_layer_has_the_digest_of_one_that_is_not_named(summary: ModelSummary) -> None:
    empty = Plan(summary.sha256, "m.onnx", {})
    assert empty.with_lock(["first"], locked=True).digest == empty.digest


def test_that_a_pattern_selects_by_name_and_one_that_matches_nothing_is_an_error(summary: ModelSummary) -> None:
    assert [layer.name for layer in select_layers(summary, "*st")] == ["first"]
    assert [layer.name for layer in select_layers(summary, "[fs]*")] == ["first", "second"]
    with pytest.raises(PlanError, match=r"No layer of m\.onnx matches 'conv\*'"):
        select_layers(summary, "conv*")


def test_that_plans_pickle_and_stay_immutable(summary: ModelSummary) -> None:
    plan = varied_plan(summary)
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert again.digest == plan.digest
    with pytest.raises(TypeError):
        again.layers["first"] = LayerPlan()
    with pytest.raises(dataclasses.FrozenInstanceError):
        again.provenance = "x"


def test_that_changing_the_mapping_behind_a_plan_does_not_change_the_plan(summary: ModelSummary) -> None:
    layers = {"first": LayerPlan(WeightScheme(8))}
    plan = Plan(summary.sha256, "m.onnx", layers)
    layers["second"] = LayerPlan(WeightScheme(4))
    assert list(plan.layers) == ["first"]


def test_that_locked_layers_keep_their_bits(summary: ModelSummary) -> None:
    plan = build_plan(summary, 8).with_lock(["second"], locked=True).with_bits(summary.layers, 4)
    assert [plan.layer(layer.name).weights.bits for layer in summary.layers] == [4, 8, 4]
    assert plan.layer("second").is_locked


@pytest.mark.parametrize("bits", [32, 16, 8, 4, 2])
@pytest.mark.parametrize("mode", ActivationMode)
def test_that_default_choices_fit_every_layer(summary: ModelSummary, bits: int, mode: ActivationMode) -> None:
    plan = build_plan(summary, bits, PlanDefaults(activations=mode))
    ensure_plan_fits(plan, summary)
    assert {choice.weights.bits for choice in plan.layers.values()} == {bits}
    head = choose_layer_plan(summary.layer_by_name["head"], bits, PlanDefaults(activations=mode))
    assert head.activations == (mode if bits <= 8 else ActivationMode.FLOAT)


def refuse(
    layer: LayerSummary, bits: int, kernel: Kernel, granularity: Granularity, *, symmetric: bool = True
) -> str | None:
    return refuse_layer_plan(layer, LayerPlan(WeightScheme(bits, symmetric, granularity), kernel))


def test_that_impossible_layer_plans_are_refused_with_the_reason(summary: ModelSummary) -> None:
    first, _, head = summary.layers
    assert "has no dynamic kernel. Choose one of: qlinear, float" in str(refuse(first, 8, Kernel.DYNAMIC, PerChannel()))
    assert "needs groups of 16, 32" in str(refuse(head, 4, Kernel.NBITS, PerChannel()))
    assert "needs groups of 16, 32" in str(refuse(head, 4, Kernel.NBITS, PerGroup(24)))
    assert "needs groups of 16, 32" in str(refuse(head, 4, Kernel.NBITS, PerGroup(512)))
    assert "8-bit asymmetric" in str(refuse(head, 8, Kernel.QLINEAR, PerChannel(), symmetric=False))
    assert "8-bit weights in groups" in str(refuse(head, 8, Kernel.DYNAMIC, PerGroup(32)))
    assert refuse(head, 4, Kernel.DYNAMIC, PerGroup(24), symmetric=False) is None
    assert refuse(first, 8, Kernel.FLOAT, PerGroup(5), symmetric=False) is None


def test_that_a_reduced_range_survives_the_file_and_changes_the_digest(summary: ModelSummary, tmp_path: Path) -> None:
    plan = build_plan(summary, 8, PlanDefaults(reduce_range=True))
    assert all(choice.weights.reduce_range for choice in plan.layers.values())
    path = tmp_path / "p.json"
    path.write_text(format_plan(plan), encoding="utf-8")
    assert load_plan(path) == plan
    assert "reduce_range" not in format_plan(build_plan(summary, 8))
    assert plan.digest != build_plan(summary, 8).digest


def test_that_the_type_of_activations_survives_the_file_and_changes_the_digest(
    summary: ModelSummary, tmp_path: Path
) -> None:
    plan = build_plan(summary, 8, PlanDefaults(activation_type=ActivationType.INT8))
    path = tmp_path / "p.json"
    path.write_text(format_plan(plan), encoding="utf-8")
    assert load_plan(path) == plan
    assert "activation_type" not in format_plan(build_plan(summary, 8))
    assert plan.digest != build_plan(summary, 8).digest
    path.write_text(format_plan(plan).replace('int8"', 'int16"'), encoding="utf-8")
    with pytest.raises(PlanError, match="int16"):
        load_plan(path)


def test_that_percentile_ranges_and_zero_points_survive_the_file(summary: ModelSummary, tmp_path: Path) -> None:
    defaults = PlanDefaults(range_method=RangeMethod.PERCENTILE, weight_percentile=99.5, asymmetric=True)
    plan = build_plan(summary, 4, defaults)
    path = tmp_path / "plan.json"
    path.write_text(format_plan(plan))
    assert load_plan(path) == plan
    for layer in summary.layers:
        scheme = plan.layer(layer.name).weights
        assert (scheme.range_method, scheme.percentile, scheme.symmetric) == (RangeMethod.PERCENTILE, 99.5, False)
        assert choose_layer_plan(layer, 8, defaults).weights.symmetric
    path.write_text(format_plan(plan).replace("99.5", "20"))
    with pytest.raises(PlanError, match="percentile of 20"):
        load_plan(path)


def test_that_rounding_is_kept_in_the_file_and_decides_the_digest(summary: ModelSummary) -> None:
    plain = build_plan(summary, 4)
    plan = build_plan(summary, 4, PlanDefaults(rounding=Rounding.GPTQ))
    assert plan.needs_rounding_data
    assert not plain.needs_rounding_data
    assert plan.digest != plain.digest
    assert plan_from_json(plan_to_json(plan), "p.json") == plan


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ({"equalize": "no"}, "'equalize' is 'no'"),
        ({"distillation_steps": math.inf}, "'distillation_steps' is inf"),
        ({"group_size": "32"}, "'group_size' is '32'"),
    ],
)
def test_that_malformed_defaults_are_refused_with_the_value(
    summary: ModelSummary, defaults: dict[str, object], expected: str
) -> None:
    document = plan_to_json(varied_plan(summary))
    document["defaults"] |= defaults
    with pytest.raises(PlanError, match=expected):
        plan_from_json(document, "p.json")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"provenance": "\\ud800"}'], ids=["nested", "half a character"])
def test_that_a_file_that_could_not_be_written_again_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(PlanError, match=r"odd\.json is not a JSON file"):
        load_plan(tmp_path / "odd.json")
