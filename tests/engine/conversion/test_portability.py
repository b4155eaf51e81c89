"""Portable output: standard operators only, judged by the file, refused by name where that cannot be."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from engine.conversion.convert import convert
from engine.errors import PlanError
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan, plan_from_json, plan_to_json
from engine.requests.conversion import ConvertRequest, ConvertResult
from tests.engine.conversion.cases import CASES
from tests.engine.models import build_model, normal, open_built, plan_for

PORTABLE = PlanDefaults(activations=ActivationMode.DYNAMIC, portable=True)


def convert_to(model: Model, plan: Plan, output: Path) -> ConvertResult:
    return convert(model, ConvertRequest(str(model.path), plan, str(output)), None, None, JobContext())


def domains(path: Path) -> set[str]:
    return {node.domain for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("case", ["lstm", "gemm", "matmul with bias", "embedding", "conv"])
@pytest.mark.parametrize("bits", [8, 4])
def test_that_a_portable_plan_writes_standard_operators_only(case: str, bits: int, tmp_path: Path) -> None:
    model = open_built(CASES[case](), tmp_path)
    result = convert_to(model, build_plan(model.summary, bits, PORTABLE), tmp_path / "out.onnx")
    assert result.is_portable
    assert domains(tmp_path / "out.onnx") <= {"", "ai.onnx"}
    assert result.opset == onnx.load(tmp_path / "out.onnx").opset_import[0].version


def test_that_the_result_says_what_the_file_needs(tmp_path: Path) -> None:
    model = open_built(CASES["lstm"](), tmp_path)
    plan = build_plan(model.summary, 8, PlanDefaults(activations=ActivationMode.DYNAMIC))
    assert convert_to(model, plan, tmp_path / "out.onnx").is_portable is False
    assert "com.microsoft" in domains(tmp_path / "out.onnx")


@pytest.mark.parametrize(
    ("case", "choice"),
    [
        ("gemm", LayerPlan(WeightScheme(4, granularity=PerGroup(32)), Kernel.NBITS)),
        ("lstm", LayerPlan(WeightScheme(8), Kernel.DYNAMIC)),
    ],
)
def test_that_kernels_of_microsoft_are_refused_by_name(case: str, choice: LayerPlan, tmp_path: Path) -> None:
    model = open_built(CASES[case](), tmp_path)
    plan = plan_for(model.summary, choice)
    plan = Plan(plan.model_sha256, plan.model_name, plan.layers, PORTABLE)
    with pytest.raises(PlanError, match=f"{choice.kernel} kernel .* Choose the float kernel") as caught:
        convert_to(model, plan, tmp_path / "out.onnx")
    assert model.summary.layers[0].title in str(caught.value)
    assert not (tmp_path / "out.onnx").exists()


def test_that_nbits_as_a_default_and_portable_exclude_each_other() -> None:
    with pytest.raises(PlanError, match="nbits"):
        PlanDefaults(weight_only_kernel=Kernel.NBITS, portable=True)


def test_that_a_source_with_foreign_operators_is_refused_only_where_portable_is_demanded(tmp_path: Path) -> None:
    gemm = helper.make_node("Gemm", ["x", "w"], ["h"], name="layer")
    proto = build_model([gemm], {"x": ["N", 40]}, ["h"], {"w": normal(40, 24)})
    proto.graph.node.append(helper.make_node("FastGelu", ["h"], ["y"], name="gelu", domain="com.microsoft"))
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    proto.graph.output[0].name = "y"
    model = open_built(proto, tmp_path)
    with pytest.raises(PlanError, match=r"FastGelu of com\.microsoft"):
        convert_to(model, build_plan(model.summary, 8, PORTABLE), tmp_path / "out.onnx")
    plan = build_plan(model.summary, 8, PlanDefaults(activations=ActivationMode.DYNAMIC))
    assert convert_to(model, plan, tmp_path / "out.onnx").is_portable is False


def test_that_the_demand_is_part_of_the_plan_file_only_where_it_is_made(tmp_path: Path) -> None:
    summary = open_built(CASES["gemm"](), tmp_path).summary
    plan = build_plan(summary, 8, PORTABLE)
    document = plan_to_json(plan)
    assert document["defaults"]["portable"] is True
    assert plan_from_json(document, "p.json") == plan
    assert "portable" not in plan_to_json(build_plan(summary, 8))["defaults"]
