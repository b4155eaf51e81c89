"""An embedding and the output layer that share one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engine.conversion.convert import convert
from engine.job_context import JobContext
from engine.model.opened import Model
from engine.numerics.schemes import ActivationMode, Kernel, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest
from tests.engine.models import Array, build_model, calibrate_on, normal, open_built, run_model, sqnr_db, write_dataset

ROWS, WIDTH = 300, 64


def tied(head: str) -> onnx.ModelProto:
    """Ids → rows → Relu → scores of all rows."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("Relu", ["e"], ["r"]),
    ]
    if head == "Gemm":
        nodes.append(helper.make_node("Gemm", ["r", "table"], ["y"], name="head", transB=1))
    else:
        nodes.append(helper.make_node("Transpose", ["table"], ["t"], perm=[1, 0]))
        nodes.append(helper.make_node("MatMul", ["r", "t"], ["y"], name="head"))
    shape = ["N"] if head == "Gemm" else ["N", 5]
    return build_model(
        nodes, {"ids": shape}, ["y"], {"table": normal(ROWS, WIDTH)}, opset=21, dtypes={"ids": TensorProto.INT64}
    )


def draw_ids(head: str) -> dict[str, Array]:
    return {"ids": np.random.default_rng(3).integers(0, ROWS, (24,) if head == "Gemm" else (24, 5))}


def convert_checked(model: Model, plan: Plan, folder: Path, head: str) -> tuple[int, float]:
    """Bytes of the tables in the file, and the SQNR."""
    feeds = draw_ids(head)
    dataset = write_dataset(model, feeds, folder / "d.npz")
    request = ConvertRequest(str(model.path), plan, str(folder / "out.onnx"))
    result = convert(model, request, calibrate_on(model, dataset), dataset, JobContext())
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)
    tensors = onnx.load(folder / "out.onnx").graph.initializer
    (expected,) = run_model(model.path, feeds)
    (found,) = run_model(folder / "out.onnx", feeds, optimized=True)
    return sum(len(t.raw_data) for t in tensors if np.prod(t.dims) >= ROWS * WIDTH), sqnr_db(expected, found)


@pytest.mark.parametrize("mode", [ActivationMode.STATIC, ActivationMode.DYNAMIC])
@pytest.mark.parametrize("bits", [32, 8, 4, 2])
@pytest.mark.parametrize("head", ["Gemm", "MatMul"])
def test_that_a_table_with_two_users_is_stored_once(head: str, bits: int, mode: ActivationMode, tmp_path: Path) -> None:
    model = open_built(tied(head), tmp_path)
    assert all(layer.shares_weight and layer.weight_name == "table" for layer in model.summary.layers)
    plan = build_plan(model.summary, bits, PlanDefaults(activations=mode))
    stored, quality = convert_checked(model, plan, tmp_path, head)
    assert stored == ROWS * WIDTH * bits // 8
    assert quality > {32: 100, 8: 30, 4: 10, 2: 0}[bits]


@pytest.mark.parametrize("head", ["Gemm", "MatMul"])
@pytest.mark.parametrize(("table_bits", "head_bits"), [(8, 4), (4, 32), (32, 8), (16, 4)])
def test_that_two_users_may_want_different_forms(head: str, table_bits: int, head_bits: int, tmp_path: Path) -> None:
    model = open_built(tied(head), tmp_path)
    kernel = Kernel.DYNAMIC if head_bits <= 8 else Kernel.FLOAT
    choices = {"embedding": LayerPlan(WeightScheme(table_bits)), "head": LayerPlan(WeightScheme(head_bits), kernel)}
    plan = Plan(model.summary.sha256, "m.onnx", choices)
    stored, quality = convert_checked(model, plan, tmp_path, head)
    assert stored == ROWS * WIDTH * (table_bits + head_bits) // 8
    assert quality > 10


def test_that_tables_that_only_look_alike_are_told_apart(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("MatMul", ["e", "other"], ["y"], name="head"),
    ]
    other = np.ascontiguousarray(normal(ROWS, WIDTH).T)
    other[0, -1] += 1
    model = build_model(
        nodes, {"ids": ["N"]}, ["y"], {"table": normal(ROWS, WIDTH), "other": other}, dtypes={"ids": TensorProto.INT64}
    )
    assert not any(layer.shares_weight for layer in open_built(model, tmp_path).summary.layers)
