"""Predicted bytes against real files, and the arithmetic by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.calibration.calibration import Calibration
from engine.calibration.collection import calibrate
from engine.conversion.convert import convert
from engine.data.dataset import Dataset, open_dataset
from engine.job_context import JobContext
from engine.model.opened import Model, open_model
from engine.numerics.schemes import ActivationMode, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from engine.requests.data import DataChoice
from engine.sizes import bits_per_weight, predict_file_bytes
from engine.stored_weights import stored_weight_bytes
from tests.engine.models import calibrate_on, conv_chain, draw_samples, open_built, write_dataset

MEASURED_BYTES = 64


def convert_all(
    model: Model, calibration: Calibration, plan: Plan, output: Path, dataset: Dataset | None = None
) -> ConvertResult:
    needed = calibration if plan.needs_calibration else None
    return convert(model, ConvertRequest(str(model.path), plan, str(output)), needed, dataset, JobContext())


def ensure_predicted(result: ConvertResult) -> None:
    """Within what a file says of its SQNR, where that is finite and measured on data, or half a percent."""
    assert abs(result.predicted_bytes - result.file_bytes) <= max(MEASURED_BYTES, 0.005 * result.file_bytes), (
        f"{result.predicted_bytes} bytes were predicted, the file has {result.file_bytes}"
    )


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize("channels", [8, 64])
def test_that_predictions_hold_for_every_uniform_plan(tmp_path: Path, opset: int, channels: int) -> None:
    model = open_built(conv_chain(opset=opset, channels=channels), tmp_path)
    calibration = calibrate_on(model, write_dataset(model, draw_samples(model.summary, 8), tmp_path / "d.npz"))
    for bits in (32, 16, 8, 4, 2):
        for mode in ActivationMode:
            plan = build_plan(model.summary, bits, PlanDefaults(activations=mode))
            ensure_predicted(convert_all(model, calibration, plan, tmp_path / "out.onnx"))


def test_that_stored_bytes_are_those_counted_by_hand(tmp_path: Path) -> None:
    first, _, head = open_built(conv_chain(channels=8), tmp_path).summary.layers  # weights 8 × 27 and 10 × 8
    assert stored_weight_bytes(first, LayerPlan()) == 8 * 27 * 4
    assert stored_weight_bytes(first, LayerPlan(WeightScheme(16))) == 8 * 27 * 2
    assert stored_weight_bytes(first, LayerPlan(WeightScheme(8))) == 8 * 27 + 8 * 4
    assert stored_weight_bytes(first, LayerPlan(WeightScheme(4, granularity=PerTensor()))) == 8 * 27 // 2 + 4
    asymmetric = WeightScheme(2, symmetric=False, granularity=PerGroup(10))
    assert stored_weight_bytes(first, LayerPlan(asymmetric)) == 8 * 27 // 4 + 8 * 4 + 8 * 3 + 8 * 3 // 4
    progressive = LayerPlan(WeightScheme(4, granularity=PerGroup(10)), Kernel.QLINEAR)
    assert stored_weight_bytes(first, progressive) == 8 * 27 // 2 + 8 * 4 + 8 * 3
    second = open_built(conv_chain(channels=64), tmp_path).summary.layers[1]  # 64 × 576: many multipliers, 4 bits each
    many = LayerPlan(WeightScheme(4, granularity=PerGroup(32)), Kernel.QLINEAR)
    assert stored_weight_bytes(second, many) == 64 * 576 // 2 + 64 * 2 + 64 * 18 // 2
    assert stored_weight_bytes(second, LayerPlan(WeightScheme(2))) == 64 * 576 // 4 + 64 * 2
    assert stored_weight_bytes(second, LayerPlan(WeightScheme(8))) == 64 * 576 + 64 * 4
    wide = LayerPlan(WeightScheme(4, granularity=PerGroup(32)), Kernel.FLOAT)  # multipliers that need all of a byte
    assert stored_weight_bytes(second, wide) == 64 * 576 // 2 + 64 * 2 + 64 * 18
    blocks = LayerPlan(WeightScheme(4, symmetric=False, granularity=PerGroup(16)), Kernel.NBITS)
    assert stored_weight_bytes(head, blocks) == 10 * 8 + 10 * 4 + 10


def test_that_bits_per_weight_count_the_scales(tmp_path: Path) -> None:
    summary = open_built(conv_chain(channels=8), tmp_path).summary
    plan = build_plan(summary, 8).with_layers(
        {layer.name: LayerPlan(WeightScheme(8, granularity=PerChannel())) for layer in summary.layers}
    )
    weights, scales = 8 * 27 + 8 * 72 + 10 * 8, 8 + 8 + 10
    assert bits_per_weight(summary, plan) == pytest.approx((8 * weights + 32 * scales) / weights)
    assert bits_per_weight(summary, build_plan(summary, 32)) == 32


def test_that_fewer_bits_never_predict_a_larger_file(tmp_path: Path) -> None:
    summary = open_built(conv_chain(channels=64), tmp_path).summary
    sizes = [predict_file_bytes(summary, build_plan(summary, bits)) for bits in (32, 16, 8, 4, 2)]
    assert sizes == sorted(sizes, reverse=True)


REAL = {
    "kws_dscnn": (DataChoice("kws_mfcc_500.npz"), (8, 4, 2)),
    "mnist_cntk": (DataChoice("mnist_test_5000.npz", "mnist.preprocess.json"), (8, 2)),
    "cifar10_resnet20": (DataChoice("cifar10_calib_1000.npz", "cifar10.preprocess.json"), (4,)),
    "stories260K": (DataChoice("tinystories_tok512_seq257.npz"), (4,)),
}


@pytest.mark.assets
@pytest.mark.parametrize("name", REAL)
def test_that_predictions_hold_for_real_models(assets: Path, tmp_path: Path, name: str) -> None:
    choice, widths = REAL[name]
    model = open_model(assets / "models" / f"{name}.onnx")
    preprocess = str(assets / "data" / choice.preprocess) if choice.preprocess else None
    data = open_dataset(DataChoice(str(assets / "data" / choice.path), preprocess), model.summary.inputs)
    calibration = calibrate(model, data, 4, JobContext())
    for bits in widths:
        for mode in ActivationMode:
            plan = build_plan(model.summary, bits, PlanDefaults(activations=mode))
            measured_on = None if data.is_tokens else data  # 32 sequences take seconds
            ensure_predicted(convert_all(model, calibration, plan, tmp_path / "out.onnx", measured_on))


@pytest.mark.assets
@pytest.mark.parametrize("name", ["kws_dscnn", "cifar10_resnet20", "imagenet_squeezenet1.1"])
def test_that_4_bit_weights_take_a_seventh_of_float_scales_included(assets: Path, name: str) -> None:
    summary = open_model(assets / "models" / f"{name}.onnx").summary
    assert bits_per_weight(summary, build_plan(summary, 4)) <= 32 / 7
