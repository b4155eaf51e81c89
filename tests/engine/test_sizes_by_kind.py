"""Predicted bytes against written ones for every kind of layer on every kernel, under every scheme: to the byte."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from engine.calibration.calibration import Calibration
from engine.conversion.rewriting import rewrite_model
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.numerics.schemes import Granularity, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.placement import place
from engine.plan import LayerPlan, Plan, refuse_layer_plan
from engine.sizes import METADATA_BYTES, predict_file_bytes
from tests.engine.conversion.cases import CASES, open_with_data
from tests.engine.models import build_model, calibrate_on, draw_samples, normal, open_built, plan_for, write_dataset

GRANULARITIES: tuple[Granularity, ...] = (PerTensor(), PerChannel(), PerGroup(7), PerGroup(16), PerGroup(32))
SCHEMES = (
    WeightScheme(32),
    WeightScheme(16),
    *(WeightScheme(*scheme) for scheme in product((8, 4, 2), (True, False), GRANULARITIES)),
)
HEAD = LayerPlan(WeightScheme(8, granularity=PerGroup(32)), Kernel.NBITS)


def written_bytes(model: Model, plan: Plan, calibration: Calibration | None) -> int:
    """Of the file, with the entries of its metadata whose length does not depend on what was measured."""
    rewritten = rewrite_model(model, plan, calibration, JobContext())
    size = int(ir.to_proto(rewritten).ByteSize()) + METADATA_BYTES
    if not place(model.summary, plan).range_source:
        return size
    entry = onnx.ModelProto()
    entry.metadata_props.add(key="bitsmith.calibration_sha256", value="0" * 64)
    return size + int(entry.ByteSize())


@pytest.mark.parametrize("kind", CASES)
def test_that_every_kind_of_layer_is_predicted_to_the_byte(kind: str, tmp_path: Path) -> None:
    opened = open_with_data(CASES[kind](), tmp_path)
    summary = opened.model.summary
    compared = 0
    for kernel, scheme in product(Kernel, SCHEMES):
        if not scheme.is_integer and kernel != Kernel.FLOAT:
            continue
        choice = LayerPlan(scheme, kernel)
        if any(refuse_layer_plan(layer, choice) for layer in summary.layers):
            continue
        plan = plan_for(summary, choice)
        written = written_bytes(opened.model, plan, opened.calibration)
        assert predict_file_bytes(summary, plan) == written, (scheme, kernel)
        compared += 1
    assert compared >= 24


def block(*, opset: int = 17, layers: int = 12) -> onnx.ModelProto:
    """Convolutions under long names, more than ten, a Relu after every other, an Add, and a Gemm."""
    nodes, constants, value = [], {}, "x"
    for index in range(layers):
        constants |= {f"block.{index}.weight": normal(24, 24, 3, 3, seed=index, scale=0.1)}
        constants |= {f"block.{index}.bias": normal(24, seed=index)}
        names = [value, f"block.{index}.weight", f"block.{index}.bias"]
        nodes.append(helper.make_node("Conv", names, [f"c{index}"], name=f"/block.{index}/Conv", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], name=f"/block.{index}/Relu"))
        value = f"r{index}"
    nodes += [
        helper.make_node("Add", [value, "r3"], ["sum"], name="add"),
        helper.make_node("GlobalAveragePool", ["sum"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "head.weight", "head.bias"], ["y"], name="head", transB=1),
    ]
    constants |= {"head.weight": normal(40, 24, seed=99), "head.bias": normal(40, seed=98)}
    return build_model(nodes, {"x": ["N", 24, 6, 6]}, ["y"], constants, opset=opset)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Calibration]:
    folder = tmp_path_factory.mktemp("network")
    model = open_built(block(), folder)
    return model, calibrate_on(model, write_dataset(model, draw_samples(model.summary, 2), folder / "d.npz"))


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.FLOAT])
@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(32), PerGroup(64)])
def test_that_what_layers_have_in_common_is_counted_once(
    network: tuple[Model, Calibration], kernel: Kernel, bits: int, granularity: Granularity
) -> None:
    model, calibration = network
    choice = LayerPlan(WeightScheme(bits, bits > 2, granularity), kernel)
    for head in (choice, HEAD):
        plan = plan_for(model.summary, choice).with_layers({"head": head})
        written, predicted = written_bytes(model, plan, calibration), predict_file_bytes(model.summary, plan)
        assert abs(predicted - written) <= 0.001 * written, f"{predicted} predicted, {written} written"


def test_that_half_of_the_layers_in_float_are_predicted(network: tuple[Model, Calibration]) -> None:
    model, calibration = network
    static = LayerPlan(WeightScheme(4), Kernel.QLINEAR)
    others = {layer.name: LayerPlan(WeightScheme(8)) for layer in model.summary.layers[::2]}
    plan = plan_for(model.summary, static).with_layers(others)
    written, predicted = written_bytes(model, plan, calibration), predict_file_bytes(model.summary, plan)
    assert abs(predicted - written) <= 0.001 * written, f"{predicted} predicted, {written} written"
