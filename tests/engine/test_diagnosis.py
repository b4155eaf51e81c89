"""Diagnosis: each finding on a layer made for it, and gains against the converted model in ONNX Runtime."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engine.diagnosis import diagnosing
from engine.diagnosis.noise import LayerNoise
from engine.diagnosis.remedies import MIN_GAIN_DB, MOST_REMEDIES, candidates
from engine.diagnosis.report import (
    SENTENCES,
    Diagnosis,
    Finding,
    FindingKind,
    LayerDiagnosis,
    Remedy,
    RemedyKind,
    describe_finding,
    describe_remedy,
    format_gain,
)
from engine.errors import JobCancelled, PlanError
from engine.job_context import CallbackContext, JobContext
from engine.jobs.operations import run_request
from engine.jobs.operations.opened_models import open_cached
from engine.numerics.schemes import (
    ActivationRange,
    CalibrationMethod,
    Kernel,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    WeightScheme,
)
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan, refuse_layer_plan
from engine.requests.analysis import DiagnoseRequest
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from engine.sensitivity import quick
from engine.stored_weights import stored_weight_bytes
from tests.engine.models import Array, build_model, conv_chain, draw_samples, normal, run_model, save_model, sqnr_db

SAMPLES = 12
FULL_RANGE = PlanDefaults(activation_range=ActivationRange(CalibrationMethod.MINMAX))
EIGHT_PER_TENSOR = LayerPlan(WeightScheme(8, granularity=PerTensor()))
FOUR_PER_CHANNEL = LayerPlan(WeightScheme(4, granularity=PerChannel()))


@pytest.fixture(autouse=True)
def every_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", 1 << 20)


def gemm(weight: Array) -> onnx.ModelProto:
    """x [N, inputs] → y [N, channels]; `weight` [channels, inputs]."""
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="layer", transB=1)
    return build_model([node], {"x": ["N", weight.shape[1]]}, ["y"], {"w": weight})


def conv(weight: Array, **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="layer", **attributes)
    channels = weight.shape[1] * attributes.get("group", 1)
    return build_model([node], {"x": ["N", channels, 6, 6]}, ["y"], {"w": weight})


@dataclasses.dataclass
class Bench:
    """One model of one layer, with its data, under a plan."""

    folder: Path
    proto: onnx.ModelProto
    choice: LayerPlan
    values: Array
    defaults: PlanDefaults = FULL_RANGE

    def __post_init__(self) -> None:
        self.model = str(save_model(self.proto, self.folder))
        self.data = DataChoice(str(self.folder / "d.npz"))
        np.savez(self.data.path, x=self.values)
        self.summary = open_cached(self.model).summary
        self.plan = Plan(self.summary.sha256, "m.onnx", {"layer": self.choice}, self.defaults)

    def diagnose(self) -> LayerDiagnosis:
        request = DiagnoseRequest(self.model, self.data, self.plan, len(self.values))
        found = run_request(request, JobContext())
        assert isinstance(found, Diagnosis)
        return found.layers["layer"]

    def kinds(self) -> set[FindingKind]:
        return {finding.kind for finding in self.diagnose().findings}

    def finding(self, kind: FindingKind) -> Finding:
        return next(finding for finding in self.diagnose().findings if finding.kind == kind)

    def measure(self, choice: LayerPlan) -> float:
        """SQNR of the output of the model that conversion writes, in ONNX Runtime."""
        output = str(self.folder / "out.onnx")
        plan = self.plan.with_layers({"layer": choice})
        result = run_request(ConvertRequest(self.model, plan, output, self.data), JobContext())
        assert isinstance(result, ConvertResult)
        (reference,) = run_model(self.proto, {"x": self.values})
        (test,) = run_model(Path(output), {"x": self.values}, optimized=True)
        for file in self.folder.glob("out*"):
            file.unlink()
        return sqnr_db(reference, test)


def with_wide_channels(*, wide: int = 2, ratio: float = 9.0) -> Array:
    weight = normal(64, 48, scale=0.1)
    weight[:wide] *= ratio
    return weight


def with_outlier_weights() -> Array:
    weight = normal(16, 144, scale=0.02)
    weight[:, 5] = 1.0
    return weight


WEIGHT_CASES: dict[str, tuple[onnx.ModelProto, LayerPlan, Array]] = {
    "wide channels per tensor": (gemm(with_wide_channels()), EIGHT_PER_TENSOR, normal(40, 48, seed=1)),
    "wide channels at 4 bits": (gemm(with_wide_channels()), FOUR_PER_CHANNEL, normal(40, 48, seed=1)),
    "outlier weights": (gemm(with_outlier_weights()), FOUR_PER_CHANNEL, normal(40, 144, seed=1)),
    "convolution at 2 bits": (
        conv(normal(8, 8, 3, 3), pads=[1, 1, 1, 1]),
        LayerPlan(WeightScheme(2, symmetric=False, granularity=PerGroup(32), range_method=RangeMethod.MSE)),
        normal(SAMPLES, 8, 6, 6, seed=1),
    ),
    "depthwise at 2 bits": (
        conv(normal(8, 1, 3, 3), group=8),
        LayerPlan(WeightScheme(2)),
        normal(SAMPLES, 8, 6, 6, seed=1),
    ),
}


@pytest.mark.parametrize("case", WEIGHT_CASES)
def test_that_a_predicted_gain_is_what_the_converted_model_gains(case: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, *WEIGHT_CASES[case])
    found = bench.diagnose()
    before = bench.measure(bench.choice)
    assert found.sqnr_db == pytest.approx(before, abs=0.05)
    assert found.remedies
    for remedy in found.remedies:
        assert remedy.gain_db == pytest.approx(bench.measure(remedy.choice) - before, abs=0.1), remedy
        layer = bench.summary.layers[0]
        change = stored_weight_bytes(layer, remedy.choice) - stored_weight_bytes(layer, bench.choice)
        assert remedy.stored_bytes_change == change


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.DYNAMIC])
def test_that_gains_hold_where_the_input_is_quantized_too(kernel: Kernel, tmp_path: Path) -> None:
    values, weight = normal(30, 48, seed=1), normal(16, 48)
    values[:, 0] = 60.0  # all other values share a few codes, in any batch: dynamic ranges are the same here and there
    weight[:, 0] = 0.0
    choice = LayerPlan(WeightScheme(8), kernel)
    bench = Bench(tmp_path, gemm(weight), choice, values)
    found = bench.diagnose()
    before = bench.measure(choice)
    assert found.sqnr_db == pytest.approx(before, abs=0.3)
    kinds = {remedy.kind for remedy in found.remedies}
    assert RemedyKind.FLOAT_INPUT in kinds
    for remedy in found.remedies:
        assert remedy.gain_db == pytest.approx(bench.measure(remedy.choice) - before, abs=0.5), remedy


def test_that_the_best_remedy_that_keeps_the_bits_comes_first_and_costly_ones_last(tmp_path: Path) -> None:
    weight = normal(16, 256, scale=0.02)
    weight[:, ::40] *= 12
    choice = LayerPlan(WeightScheme(4, granularity=PerTensor()))
    remedies = Bench(tmp_path, gemm(weight), choice, normal(40, 256, seed=1)).diagnose().remedies
    assert 2 <= len(remedies) <= MOST_REMEDIES
    assert all(remedy.gain_db >= MIN_GAIN_DB for remedy in remedies)
    assert len({(remedy.kind, remedy.choice.weights.bits) for remedy in remedies}) == len(remedies)
    cheap = [remedy.gain_db for remedy in remedies if remedy.choice.weights.bits == 4]
    assert cheap == sorted(cheap, reverse=True)
    assert [remedy.choice.weights.bits for remedy in remedies] == sorted(r.choice.weights.bits for r in remedies)


def test_that_more_bits_are_offered_until_they_are_enough(tmp_path: Path) -> None:
    two = LayerPlan(WeightScheme(2))
    found = Bench(tmp_path, gemm(normal(16, 64)), two, normal(40, 64, seed=1)).diagnose()
    assert [r.choice.weights.bits for r in found.remedies if r.kind == RemedyKind.MORE_BITS] == [4, 8]
    assert RemedyKind.KEEP_FLOAT not in {remedy.kind for remedy in found.remedies}
    assert found.sqnr_db is not None
    assert found.sqnr_db + found.remedies[-1].gain_db > 30


def test_that_one_scale_for_unlike_channels_is_found_and_per_channel_offered(tmp_path: Path) -> None:
    weight = normal(64, 48, scale=0.1)
    weight[0] *= 20
    bench = Bench(tmp_path, gemm(weight), EIGHT_PER_TENSOR, normal(40, 48, seed=1))
    figures = bench.finding(FindingKind.CHANNEL_SPREAD).figures
    ranges = np.abs(weight).max(axis=1)
    assert figures["range_ratio"] == pytest.approx(ranges.max() / np.median(ranges))
    assert 5 < figures["codes"] < 40
    assert figures["all_codes"] == 255
    bench = Bench(tmp_path, gemm(weight), LayerPlan(WeightScheme(4, granularity=PerTensor())), bench.values)
    assert bench.diagnose().remedies[0].kind in (RemedyKind.PER_CHANNEL, RemedyKind.GROUPS)


def test_that_channels_that_hold_the_error_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, gemm(with_wide_channels(wide=3)), FOUR_PER_CHANNEL, normal(40, 48, seed=1))
    figures = bench.finding(FindingKind.WIDE_CHANNELS).figures
    assert (figures["count"], figures["channels"]) == (3, 64)
    assert figures["error_share"] > 0.6
    assert figures["range_ratio"] == pytest.approx(9, rel=0.3)


def test_that_channels_with_strong_inputs_are_told_from_wide_ones(tmp_path: Path) -> None:
    values = normal(SAMPLES, 16, 6, 6, seed=1)
    values[:, 3] *= 30
    bench = Bench(tmp_path, conv(normal(16, 1, 3, 3), group=16), FOUR_PER_CHANNEL, values)
    figures = bench.finding(FindingKind.LOUD_CHANNELS).figures
    assert figures["count"] == 1
    assert figures["error_share"] > 0.9


def test_that_single_large_weights_are_found_and_groups_help(tmp_path: Path) -> None:
    bench = Bench(tmp_path, gemm(with_outlier_weights()), FOUR_PER_CHANNEL, normal(40, 144, seed=1))
    figures = bench.finding(FindingKind.WEIGHT_OUTLIERS).figures
    assert figures["scale_share"] == 1
    assert figures["rms_ratio"] > 8
    assert bench.diagnose().remedies[0].choice.weights.granularity == PerGroup(16)


def test_that_clipping_that_costs_most_is_found(tmp_path: Path) -> None:
    weight = normal(16, 64, scale=0.1)
    weight[:, :3] = 0.45
    values = normal(40, 64, seed=1)
    values[:, :3] *= 20  # the method sees the weights only, not how strong the inputs of the clipped ones are
    choice = LayerPlan(WeightScheme(2, symmetric=False, range_method=RangeMethod.MSE))
    bench = Bench(tmp_path, gemm(weight), choice, values)
    figures = bench.finding(FindingKind.CLIPPED_WEIGHTS).figures
    assert figures["error_share"] > 0.5
    assert 0 < figures["weight_share"] < 0.5


def test_that_silent_channels_are_counted(tmp_path: Path) -> None:
    weight = normal(8, 4, 3, 3)
    weight[[2, 5]] = 0
    values = normal(SAMPLES, 4, 6, 6, seed=1)
    values[:, 1] = 0
    found = Bench(tmp_path, conv(weight), LayerPlan(), values).diagnose()
    assert found.findings == (
        Finding(FindingKind.DEAD_OUTPUTS, {"count": 2, "channels": 8}),
        Finding(FindingKind.DEAD_INPUTS, {"count": 1, "channels": 4}),
    )
    assert found.sqnr_db == math.inf
    assert not found.remedies


def test_that_a_channel_that_speaks_once_is_not_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "ROWS_PER_LAYER", SAMPLES)
    values = normal(SAMPLES, 4, 6, 6, seed=1)
    values[:, 1:3] = 0
    values[5, 2, 3, 3] = 1
    bench = Bench(tmp_path, conv(normal(8, 4, 1, 1)), LayerPlan(), values)
    assert bench.finding(FindingKind.DEAD_INPUTS).figures == {"count": 1, "channels": 4}


def test_that_bits_without_use_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight = (rng.integers(-7, 8, (16, 64)) / 7).astype(np.float32)
    found = Bench(tmp_path, gemm(weight), LayerPlan(WeightScheme(8)), normal(40, 64, seed=1)).diagnose()
    assert [finding.kind for finding in found.findings] == [FindingKind.WASTED_BITS]
    (remedy,) = found.remedies
    assert (remedy.kind, remedy.choice.weights.bits) == (RemedyKind.FEWER_BITS, 4)
    assert remedy.stored_bytes_change < 0


STATIC = LayerPlan(WeightScheme(8), Kernel.QLINEAR)


def test_that_an_input_with_outliers_is_found(tmp_path: Path) -> None:
    values = normal(40, 48, seed=1)
    values[0, 0] = 300.0
    bench = Bench(tmp_path, gemm(normal(16, 48)), STATIC, values)
    figures = bench.finding(FindingKind.INPUT_OUTLIERS).figures
    assert figures["range_ratio"] > 10
    assert figures["codes"] < 20
    assert FindingKind.INPUT_ERROR in bench.kinds()


def test_that_clipped_inputs_are_found(tmp_path: Path) -> None:
    defaults = PlanDefaults(activation_range=ActivationRange(CalibrationMethod.PERCENTILE, 97.0))
    bench = Bench(tmp_path, gemm(normal(16, 48)), STATIC, normal(40, 48, seed=1), defaults)
    figures = bench.finding(FindingKind.CLIPPED_INPUT).figures
    assert figures["error_share"] > 0.9
    assert figures["value_share"] == pytest.approx(0.06, abs=0.03)


def test_that_a_skewed_input_is_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(9, 10, (40, 48)).astype(np.float32)
    weight = normal(16, 48)
    weight -= weight.mean(axis=1, keepdims=True)  # what counts is how the values differ
    figures = Bench(tmp_path, gemm(weight), STATIC, values).finding(FindingKind.SKEWED_INPUT).figures
    assert figures["code_share"] == pytest.approx(0.9, abs=0.02)


def test_that_a_saturated_input_is_found_and_a_rectified_one_is_not(tmp_path: Path) -> None:
    values = np.clip(normal(40, 48, seed=1), 0, 1)
    figures = Bench(tmp_path, gemm(normal(16, 48)), STATIC, values).finding(FindingKind.SATURATED_INPUT).figures
    assert figures["most_value"] == 1
    assert figures["value_share"] == pytest.approx((values == 1).mean(), abs=0.005)
    rectified = np.maximum(normal(40, 48, seed=1), 0)
    assert FindingKind.SATURATED_INPUT not in Bench(tmp_path, gemm(normal(16, 48)), STATIC, rectified).kinds()


def test_that_a_constant_input_is_found(tmp_path: Path) -> None:
    values = np.full((4, 48), 0.5, np.float32)
    bench = Bench(tmp_path, gemm(normal(16, 48)), STATIC, values)
    assert bench.finding(FindingKind.CONSTANT_INPUT).figures == {"input_value": 0.5}


@pytest.mark.parametrize(
    ("bits", "bad", "kind"),
    [
        (8, math.nan, FindingKind.NONFINITE_WEIGHT),
        (32, math.inf, FindingKind.NONFINITE_WEIGHT),
        (16, 1e6, FindingKind.OVERFLOWING_WEIGHT),
    ],
)
def test_that_a_weight_that_cannot_be_quantized_is_a_finding_not_an_end(
    bits: int, bad: float, kind: FindingKind, tmp_path: Path
) -> None:
    weight = normal(16, 48)
    weight[0, 0] = bad
    found = Bench(tmp_path, gemm(weight), LayerPlan(WeightScheme(bits)), normal(4, 48)).diagnose()
    assert found == LayerDiagnosis("layer", None, (Finding(kind, {}),))


def test_that_an_input_that_is_not_finite_is_a_finding(tmp_path: Path) -> None:
    nodes = [helper.make_node("Log", ["x"], ["l"], name="log"), helper.make_node("MatMul", ["l", "w"], ["y"], name="m")]
    proto = build_model(nodes, {"x": ["N", 24]}, ["y"], {"w": normal(24, 16)})
    path = str(save_model(proto, tmp_path))
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 24), np.float32))
    plan = build_plan(open_cached(path).summary, 8)
    found = run_request(DiagnoseRequest(path, DataChoice(str(tmp_path / "d.npz")), plan), JobContext())
    assert isinstance(found, Diagnosis)
    assert [finding.kind for finding in found.layers["m"].findings] == [FindingKind.NONFINITE_INPUT]


def test_that_a_healthy_layer_has_nothing_to_say(tmp_path: Path) -> None:
    found = Bench(tmp_path, gemm(normal(64, 128)), LayerPlan(WeightScheme(8)), normal(40, 128, seed=1)).diagnose()
    assert (found.findings, found.remedies) == ((), ())
    assert found.sqnr_db is not None
    assert found.sqnr_db > 40


def test_that_words_that_no_sample_holds_are_not_dead(tmp_path: Path) -> None:
    node = helper.make_node("Gather", ["w", "x"], ["y"], name="layer")
    proto = build_model([node], {"x": ["N", 5]}, ["y"], {"w": normal(32, 24)}, dtypes={"x": TensorProto.INT64})
    values = np.arange(10).reshape(2, 5) % 3
    found = Bench(tmp_path, proto, LayerPlan(WeightScheme(4)), values).diagnose()
    assert not {finding.kind for finding in found.findings} & {FindingKind.DEAD_OUTPUTS, FindingKind.DEAD_INPUTS}
    assert found.sqnr_db is not None
    assert 10 < found.sqnr_db < 30


def diagnose_chain(tmp_path: Path, context: JobContext, layers: tuple[str, ...] = (), samples: int = 8) -> Diagnosis:
    path = str(save_model(conv_chain(), tmp_path))
    summary = open_cached(path).summary
    np.savez(tmp_path / "d.npz", **draw_samples(summary, SAMPLES))
    request = DiagnoseRequest(path, DataChoice(str(tmp_path / "d.npz")), build_plan(summary, 2), samples, layers)
    found = run_request(request, context)
    assert isinstance(found, Diagnosis)
    return found


def test_that_every_layer_is_handed_out_in_order(tmp_path: Path) -> None:
    parts: list[object] = []
    found = diagnose_chain(tmp_path, CallbackContext(partial_ready=parts.append))
    assert parts == list(found.layers.values())
    assert list(found.layers) == ["first", "second", "head"]
    assert found.samples == 8


def test_that_one_layer_alone_gets_the_same_diagnosis_and_an_unknown_one_a_refusal(tmp_path: Path) -> None:
    whole = diagnose_chain(tmp_path, JobContext())
    alone = diagnose_chain(tmp_path, JobContext(), ("second",))
    assert list(alone.layers) == ["second"]
    assert alone.layers["second"].sqnr_db == pytest.approx(whole.layers["second"].sqnr_db)
    with pytest.raises(PlanError, match="no layer named 'third'"):
        diagnose_chain(tmp_path, JobContext(), ("third",))


def test_that_a_layer_looked_at_again_needs_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosing, "_KEPT", diagnosing._KeptInputs())
    collected: list[object] = []
    collect = diagnosing.collect_inputs

    def count(*arguments: Any) -> Any:
        collected.append(arguments)
        return collect(*arguments)

    monkeypatch.setattr(diagnosing, "collect_inputs", count)
    first = diagnose_chain(tmp_path, JobContext(), ("second",))
    assert diagnose_chain(tmp_path, JobContext(), ("second",)) == first
    assert len(collected) == 1
    diagnose_chain(tmp_path, JobContext(), ("second",), samples=4)
    assert len(collected) == 2
    monkeypatch.setattr(diagnosing, "KEPT_BYTES", 0)
    diagnose_chain(tmp_path, JobContext(), ("first",))
    diagnose_chain(tmp_path, JobContext(), ("second",))
    assert len(collected) == 4


def test_that_only_choices_that_the_layer_accepts_are_offered(tmp_path: Path) -> None:
    for kernel in (Kernel.QLINEAR, Kernel.DYNAMIC, Kernel.NBITS, Kernel.FLOAT):
        for granularity in (PerTensor(), PerChannel(), PerGroup(128)):
            choice = LayerPlan(WeightScheme(4, granularity=granularity), kernel)
            bench = Bench(tmp_path, gemm(normal(8, 256)), choice, normal(4, 256))
            layer = bench.summary.layers[0]
            if refuse_layer_plan(layer, choice) is not None:
                continue
            offered = list(candidates(layer, bench.plan))
            assert offered
            assert all(refuse_layer_plan(layer, candidate) is None for _, candidate in offered)
            assert all(candidate != choice for _, candidate in offered)


def test_that_a_remedy_drops_the_reason_for_the_old_choice_and_keeps_the_rest(tmp_path: Path) -> None:
    choice = dataclasses.replace(FOUR_PER_CHANNEL, is_locked=True, extra={"reason": "small", "note": 3})
    bench = Bench(tmp_path, gemm(with_outlier_weights()), choice, normal(40, 144, seed=1))
    for remedy in bench.diagnose().remedies:
        assert remedy.choice.is_locked
        assert remedy.choice.extra == {"note": 3}


def test_that_figures_are_written_with_units() -> None:
    figures = {"count": 3, "channels": 1256, "error_share": 0.413, "range_ratio": 9.04}
    assert describe_finding(Finding(FindingKind.WIDE_CHANNELS, figures)) == (
        "41 % of the error comes from 3 of 1,256 output channels, with 9.0× the median's range."
    )
    low = Finding(FindingKind.LOW_SQNR, {"sqnr_db": -1.26, "noise_share": 1.34})
    assert describe_finding(low) == "The output is −1.3 dB from float: noise is 134 % of its energy."
    groups = Remedy(RemedyKind.GROUPS, LayerPlan(WeightScheme(4, granularity=PerGroup(16))), 2.14, 120)
    assert f"{describe_remedy(groups)} {format_gain(groups.gain_db)}" == "groups of 16 +2.1 dB"
    assert (format_gain(-0.34), format_gain(math.inf)) == ("−0.3 dB", "no loss")


def test_that_every_kind_has_a_sentence_and_every_remedy_a_name() -> None:
    assert set(SENTENCES) == set(FindingKind)
    for kind in RemedyKind:
        assert describe_remedy(Remedy(kind, LayerPlan(WeightScheme(4, granularity=PerGroup(16))), 1.0, 0))


@pytest.mark.assets
@pytest.mark.timeout(120)
def test_that_one_scale_per_tensor_is_named_as_what_ruins_mobilenet(assets: Path) -> None:
    path = str(assets / "models" / "imagenet_mobilenet_v2_dequant_ptq.onnx")
    summary = open_cached(path).summary
    plan = build_plan(summary, 8)
    plan = plan.with_layers(
        {
            name: dataclasses.replace(choice, weights=dataclasses.replace(choice.weights, granularity=PerTensor()))
            for name, choice in plan.layers.items()
        }
    )
    data = DataChoice(str(assets / "data" / "imagenet_500"), str(assets / "data" / "mobilenet_v2.preprocess.json"))
    names = tuple(layer.name for layer in summary.layers[:8])
    found = run_request(DiagnoseRequest(path, data, plan, 4, names), JobContext())
    assert isinstance(found, Diagnosis)
    worst = min(found.layers.values(), key=lambda layer: layer.sqnr_db or math.inf)
    assert worst.sqnr_db is not None
    assert worst.sqnr_db < 12
    assert FindingKind.CHANNEL_SPREAD in {finding.kind for finding in worst.findings}
    assert worst.remedies[0].kind == RemedyKind.PER_CHANNEL
    assert worst.remedies[0].gain_db > 15


def test_that_cancel_stops_between_two_candidates_of_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[object] = []
    context = CallbackContext(partial_ready=parts.append)
    judged: list[object] = []
    weight_noise = LayerNoise.weight_noise

    def cancel_after_two(noise: LayerNoise, choice: LayerPlan) -> float:
        judged.append(choice)
        if len(judged) == 2:
            context.cancel()
        return weight_noise(noise, choice)

    monkeypatch.setattr(LayerNoise, "weight_noise", cancel_after_two)
    with pytest.raises(JobCancelled):
        diagnose_chain(tmp_path, context)
    assert len(judged) == 2
    assert not parts
