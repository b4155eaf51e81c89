"""Constant factors and BatchNorm behind every kind of layer."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx import helper

from engine.model.preparation import PreparationOptions, prepare
from tests.engine.model.test_preparation import NORM, ensure_prepared, norm_constants
from tests.engine.models import Array, Shape, build_model, normal

LAYERS: dict[str, tuple[str, Shape, tuple[int, ...], dict[str, object]]] = {
    "conv": ("Conv", ["N", 3, 6, 6], (8, 3, 3, 3), {}),
    "conv grouped": ("Conv", ["N", 6, 5, 5], (8, 3, 3, 3), {"group": 2}),
    "transposed": ("ConvTranspose", ["N", 4, 5, 5], (4, 8, 3, 3), {"strides": [2, 2]}),
    "gemm": ("Gemm", ["N", 5], (5, 8), {"alpha": 0.5, "beta": 2.0}),
    "gemm transB": ("Gemm", ["N", 5], (8, 5), {"transB": 1}),
    "matmul": ("MatMul", ["N", 5], (5, 8), {}),
    "matmul 3-D": ("MatMul", ["N", 4, 5], (5, 8), {}),
}


@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("is_scalar", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("case", LAYERS)
def test_that_a_constant_factor_is_folded(case: str, with_bias: bool, is_scalar: bool, is_swapped: bool) -> None:
    op, shape, weight, attributes = LAYERS[case]
    constants: dict[str, Array] = {"w": normal(*weight), "f": normal(seed=4) if is_scalar else normal(8, seed=4)}
    if op in ("Conv", "ConvTranspose") and not is_scalar:
        constants["f"] = constants["f"].reshape(8, 1, 1)
    nodes = [helper.make_node(op, ["x", "w"], ["c"], name="layer", **attributes)]
    source, ops = "c", [op]
    if with_bias:
        constants["b"] = normal(8, seed=2)
        if op == "MatMul":
            nodes.append(helper.make_node("Add", ["c", "b"], ["d"]))
            source, ops = "d", ["MatMul", "Add"]
        else:
            nodes[0].input.append("b")
    nodes.append(helper.make_node("Mul", ["f", source] if is_swapped else [source, "f"], ["y"]))
    result = ensure_prepared(build_model(nodes, {"x": shape}, ["y"], constants), ops)
    assert result.graph.node[0].name == "layer"


@pytest.mark.parametrize("shape", [(6,), (8, 1), (8, 6), (1, 1, 1, 1, 1)])
def test_that_a_factor_along_other_dimensions_stays(shape: tuple[int, ...]) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Mul", ["c", "f"], ["y"])]
    model = build_model(nodes, {"x": [2, 3, 10, 8]}, ["y"], {"w": normal(8, 3, 3, 3), "f": normal(*shape, seed=4)})
    ensure_prepared(model, ["Conv", "Mul"])


def test_that_a_factor_behind_a_shared_weight_stays() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "f"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"]),
    ]
    model = build_model(nodes, {"x": ["N", 6]}, ["y"], {"w": normal(6, 6), "f": normal(6)})
    ensure_prepared(model, ["MatMul", "Mul", "MatMul"])


@pytest.mark.parametrize("with_bias", [False, True])
def test_that_batch_norm_behind_a_matrix_product_is_folded(with_bias: bool) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="layer")]
    if with_bias:
        nodes.append(helper.make_node("Add", ["m", "b"], ["a"]))
    nodes.append(helper.make_node("BatchNormalization", ["a" if with_bias else "m", *NORM], ["y"]))
    constants = {"w": normal(5, 6), **norm_constants(6), **({"b": normal(6, seed=2)} if with_bias else {})}
    ensure_prepared(build_model(nodes, {"x": ["N", 5]}, ["y"], constants), ["MatMul", "Add"])


def test_that_batch_norm_over_the_steps_of_a_sequence_stays() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("BatchNormalization", ["m", *NORM], ["y"]),
    ]
    model = build_model(nodes, {"x": ["N", 6, 5]}, ["y"], {"w": normal(5, 6), **norm_constants(6)})
    ensure_prepared(model, ["MatMul", "BatchNormalization"])


def test_that_norm_factor_and_shift_fold_into_one_layer() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Mul", ["c", "f"], ["m"]),
        helper.make_node("BatchNormalization", ["m", *NORM], ["n"]),
        helper.make_node("Add", ["n", "s"], ["a"]),
        helper.make_node("Mul", ["a", "two"], ["y"]),
    ]
    constants = {"w": normal(8, 3, 3, 3), "f": normal(8, 1, 1, seed=3), "s": normal(1, 8, 1, 1), "two": normal()}
    ensure_prepared(build_model(nodes, {"x": ["N", 3, 6, 6]}, ["y"], constants | norm_constants(8)), ["Conv"])


ALL = ["Conv", "Mul", "BatchNormalization", "Add"]


@pytest.mark.parametrize(
    ("options", "ops"),
    [
        (PreparationOptions(), ["Conv"]),
        (PreparationOptions(folds_mul=False), ["Conv", "Mul", "BatchNormalization", "Add"]),
        (PreparationOptions(folds_batch_norm=False), ["Conv", "BatchNormalization", "Add"]),
        (PreparationOptions(folds_add=False), ["Conv", "Add"]),
        (PreparationOptions(folds_mul=False, folds_batch_norm=False, folds_add=False), ALL),
    ],
)
def test_that_every_pass_can_be_switched_off(options: PreparationOptions, ops: list[str]) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Mul", ["c", "f"], ["m"]),
        helper.make_node("BatchNormalization", ["m", *NORM], ["n"]),
        helper.make_node("Add", ["n", "s"], ["y"]),
    ]
    constants = {"w": normal(8, 3, 3, 3), "f": normal(8, 1, 1, seed=3), "s": normal(1, 8, 1, 1)} | norm_constants(8)
    model = build_model(nodes, {"x": ["N", 3, 6, 6]}, ["y"], constants)
    prepared = prepare(ir.from_proto(model), options)
    assert [node.op_type for node in prepared.graph] == ops


def test_that_constants_stay_unfolded_on_request() -> None:
    nodes = [helper.make_node("Transpose", ["w"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    model = build_model(nodes, {"x": ["N", 5]}, ["y"], {"w": normal(6, 5)})
    prepared = prepare(ir.from_proto(model), PreparationOptions(folds_constants=False))
    assert [node.op_type for node in prepared.graph] == ["Transpose", "MatMul"]
