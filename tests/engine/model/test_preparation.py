"""Graph passes: what remains, that outputs agree, that a second run changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from engine.model.preparation import name_nodes, prepare
from tests.engine.models import Array, Shape, build_model, normal, run_model, serialize


def norm_constants(channels: int) -> dict[str, Array]:
    return {
        "gamma": normal(channels, seed=11) + np.float32(1.5),
        "beta": normal(channels, seed=12),
        "mean": normal(channels, seed=13),
        "variance": np.abs(normal(channels, seed=14)) + np.float32(0.2),
    }


NORM = ("gamma", "beta", "mean", "variance")


def ensure_prepared(model: onnx.ModelProto, expected_ops: Sequence[str], *, seed: int = 5) -> onnx.ModelProto:
    """Prepare; assert the nodes, that outputs keep names and agree, and that a second run changes nothing."""
    prepared = prepare(ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString())))
    result = onnx.ModelProto.FromString(serialize(prepared))
    assert [node.op_type for node in result.graph.node] == list(expected_ops)
    assert [value.name for value in result.graph.output] == [value.name for value in model.graph.output]
    assert [value.name for value in result.graph.input] == [value.name for value in model.graph.input]
    names = [node.name for node in result.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    shapes = [[size.dim_value or 2 for size in value.type.tensor_type.shape.dim] for value in model.graph.input]
    feeds = {
        value.name: normal(*shape, seed=seed + index)
        for index, (value, shape) in enumerate(zip(model.graph.input, shapes, strict=True))
    }
    for before, after in zip(run_model(model, feeds), run_model(result, feeds), strict=True):
        assert np.abs(before - after).max() <= 1e-5 * np.abs(before).max()
    assert serialize(prepare(prepared)) == result.SerializeToString()
    return result


CONVOLUTIONS: dict[str, tuple[str, Shape, tuple[int, ...], int, dict[str, object]]] = {
    "plain": ("Conv", ["N", 3, 6, 6], (8, 3, 3, 3), 8, {}),
    "depthwise": ("Conv", ["N", 6, 5, 5], (6, 1, 3, 3), 6, {"group": 6}),
    "grouped": ("Conv", ["N", 6, 5, 5], (9, 2, 3, 3), 9, {"group": 3}),
    "one-dimensional": ("Conv", ["N", 3, 9], (5, 3, 3), 5, {}),
    "transposed": ("ConvTranspose", ["N", 4, 5, 5], (4, 6, 3, 3), 6, {"strides": [2, 2]}),
    "transposed with groups": ("ConvTranspose", ["N", 4, 5, 5], (4, 3, 3, 3), 6, {"group": 2}),
}


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_that_batch_norm_after_a_convolution_is_folded(case: str, with_bias: bool) -> None:
    op, shape, weight, channels, attributes = CONVOLUTIONS[case]
    inputs = ["x", "w", "b"] if with_bias else ["x", "w"]
    model = build_model(
        [
            helper.make_node(op, inputs, ["c"], name="conv", **attributes),
            helper.make_node("BatchNormalization", ["c", *NORM], ["n"], epsilon=1e-3),
            helper.make_node("Relu", ["n"], ["y"]),
        ],
        {"x": shape},
        ["y"],
        {"w": normal(*weight), **({"b": normal(channels, seed=2)} if with_bias else {}), **norm_constants(channels)},
    )
    result = ensure_prepared(model, [op, "Relu"])
    assert result.graph.node[0].name == "conv"


@pytest.mark.parametrize("bias_shape", [(6,), (1, 6), (1,), None])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_that_batch_norm_after_gemm_is_folded(trans_b: int, bias_shape: tuple[int, ...] | None) -> None:
    inputs = ["x", "w"] if bias_shape is None else ["x", "w", "b"]
    model = build_model(
        [
            helper.make_node("Gemm", inputs, ["g"], transB=trans_b, alpha=0.5, beta=2.0),
            helper.make_node("BatchNormalization", ["g", *NORM], ["y"]),
        ],
        {"x": ["N", 5]},
        ["y"],
        {
            "w": normal(6, 5) if trans_b else normal(5, 6),
            **({} if bias_shape is None else {"b": normal(*bias_shape, seed=2)}),
            **norm_constants(6),
        },
    )
    ensure_prepared(model, ["Gemm"])


@pytest.mark.parametrize("bias_shape", [(6, 6), (6, 1), (3, 6), (3, 1)])
def test_that_batch_norm_after_gemm_with_a_bias_per_sample_stays(bias_shape: tuple[int, int]) -> None:
    model = build_model(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["g"]),
            helper.make_node("BatchNormalization", ["g", *NORM], ["y"]),
        ],
        {"x": [bias_shape[0], 5]},
        ["y"],
        {"w": normal(5, 6), "b": normal(*bias_shape, seed=2), **norm_constants(6)},
    )
    ensure_prepared(model, ["Gemm", "BatchNormalization"])


@pytest.mark.parametrize("is_swapped", [False, True])
@pytest.mark.parametrize("shift_shape", [(1, 8, 1, 1), (8, 1, 1)])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose"])
def test_that_a_constant_add_after_a_convolution_becomes_its_bias(
    op: str, shift_shape: tuple[int, ...], is_swapped: bool
) -> None:
    model = build_model(
        [
            helper.make_node(op, ["x", "w"], ["c"]),
            helper.make_node("Add", ["s", "c"] if is_swapped else ["c", "s"], ["y"]),
        ],
        {"x": ["N", 8, 6, 6]},
        ["y"],
        {"w": normal(8, 8, 3, 3), "s": normal(*shift_shape, seed=3)},
    )
    ensure_prepared(model, [op])


@pytest.mark.parametrize("shift_shape", [(4,), (4, 4), (1, 4, 4), (2, 4, 1, 1), (1, 4, 1, 4), (4, 1), (1, 1, 1, 1)])
def test_that_an_add_along_other_dimensions_stays(shift_shape: tuple[int, ...]) -> None:
    model = build_model(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Add", ["c", "s"], ["y"])],
        {"x": ["N", 3, 6, 6]},
        ["y"],
        {"w": normal(4, 3, 3, 3), "s": normal(*shift_shape, seed=3)},
    )
    ensure_prepared(model, ["Conv", "Add"])


def test_that_batch_norm_stays_where_the_convolution_has_another_reader() -> None:
    model = build_model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("BatchNormalization", ["c", *NORM], ["n"]),
            helper.make_node("Add", ["c", "n"], ["y"]),
        ],
        {"x": ["N", 3, 6, 6]},
        ["y"],
        {"w": normal(4, 3, 3, 3), **norm_constants(4)},
    )
    ensure_prepared(model, ["Conv", "BatchNormalization", "Add"])


def test_that_batch_norm_stays_where_the_convolution_is_an_output() -> None:
    model = build_model(
        [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("BatchNormalization", ["c", *NORM], ["y"])],
        {"x": ["N", 3, 6, 6]},
        ["c", "y"],
        {"w": normal(4, 3, 3, 3), **norm_constants(4)},
    )
    ensure_prepared(model, ["Conv", "BatchNormalization"])


@pytest.mark.parametrize("outputs", [["y", "m", "v"], ["y"]])
def test_that_batch_norm_in_training_mode_stays(outputs: list[str]) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", *NORM], ["y", "m", "v"], training_mode=1),
    ]
    model = build_model(nodes, {"x": ["N", 3, 6, 6]}, outputs, {"w": normal(4, 3, 3, 3), **norm_constants(4)})
    prepared = prepare(ir.from_proto(model))
    assert [node.op_type for node in prepared.graph] == ["Conv", "BatchNormalization"]


def test_that_a_weight_shared_by_two_convolutions_is_folded_for_one_only() -> None:
    model = build_model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("BatchNormalization", ["c", *NORM], ["n"]),
            helper.make_node("Conv", ["x", "w"], ["d"]),
            helper.make_node("Add", ["n", "d"], ["y"]),
        ],
        {"x": ["N", 3, 6, 6]},
        ["y"],
        {"w": normal(4, 3, 3, 3), **norm_constants(4)},
    )
    ensure_prepared(model, ["Conv", "Conv", "Add"])


def test_that_a_chain_of_norm_and_add_folds_into_one_convolution_whose_output_keeps_its_name() -> None:
    model = build_model(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("BatchNormalization", ["c", *NORM], ["n"]),
            helper.make_node("Add", ["n", "s"], ["result"]),
        ],
        {"x": ["N", 3, 6, 6]},
        ["result"],
        {"w": normal(4, 3, 3, 3), "s": normal(1, 4, 1, 1), **norm_constants(4)},
    )
    assert ensure_prepared(model, ["Conv"]).graph.node[0].output == ["result"]


def test_that_constant_nodes_and_identities_disappear() -> None:
    weight = helper.make_node("Constant", [], ["w0"], value=onnx.numpy_helper.from_array(normal(8, 5)), name="constant")
    model = build_model(
        [
            weight,
            helper.make_node("Transpose", ["w0"], ["w"], perm=[1, 0]),
            helper.make_node("Identity", ["x"], ["i"]),
            helper.make_node("MatMul", ["i", "w"], ["m"]),
            helper.make_node("Identity", ["m"], ["y"]),
        ],
        {"x": ["N", 5]},
        ["y"],
        {},
    )
    ensure_prepared(model, ["MatMul"])


def test_that_unique_names_stay_and_the_rest_get_unique_ones() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["c"], name="same"),
        helper.make_node("Relu", ["c"], ["d"], name="Relu_0"),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    graph = ir.from_proto(build_model(nodes, {"x": ["N", 4]}, ["y"], {})).graph
    name_nodes(graph)
    names = [node.name for node in graph]
    assert len(set(names)) == 5
    assert names[1] == "same"
    assert names[3] == "Relu_0"
    name_nodes(graph)
    assert [node.name for node in graph] == names
