"""Where quantize/dequantize pairs go, on graphs small enough to list every tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from engine.placement import Placement, calibrated_tensors, place_layers
from engine.summary import ModelSummary
from tests.engine.models import Array, build_model, conv_chain, normal, open_built


def summarize(tmp_path: Path, nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]]) -> ModelSummary:
    constants = {name: normal(*shape) for name, shape in weights.items()}
    return open_built(build_model(nodes, {"x": ["N", 8, 8, 8]}, ["y"], constants), tmp_path).summary


def conv(name: str, source: str, target: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, f"{name}.w"], [target], name=name, pads=[1, 1, 1, 1], **attributes)


W = (8, 8, 3, 3)


def quantized(placement: Placement) -> set[str]:
    return set(placement.range_source)


def test_that_a_convolution_is_quantized_after_its_relu(tmp_path: Path) -> None:
    summary = open_built(conv_chain(), tmp_path).summary
    placement = place_layers(summary, ["first"])
    assert quantized(placement) == {"x", "r1"}
    assert placement.integer_producers == {"r1"}
    assert placement.readers == {"x": frozenset({"first"})}


def test_that_a_gemm_tail_writes_floats(tmp_path: Path) -> None:
    placement = place_layers(open_built(conv_chain(), tmp_path).summary, ["first", "second", "head"])
    assert quantized(placement) == {"x", "r1", "c2", "p", "f"}
    assert "y" not in quantized(placement)
    assert placement.range_source["f"] == "p"
    assert placement.range_source["p"] == "p"


def test_that_nothing_is_quantized_without_static_layers(tmp_path: Path) -> None:
    placement = place_layers(open_built(conv_chain(), tmp_path).summary, [])
    assert not placement.range_source
    assert not placement.integer_producers
    assert not placement.readers


def test_that_a_gemm_alone_quantizes_its_input_only_and_is_its_only_reader(tmp_path: Path) -> None:
    placement = place_layers(open_built(conv_chain(), tmp_path).summary, ["head"])
    assert "y" not in quantized(placement)
    assert "r1" not in quantized(placement)
    assert "head" in placement.readers["f"]
    assert not placement.integer_producers


def test_that_max_pooling_between_convolutions_shares_its_range(tmp_path: Path) -> None:
    nodes = [conv("a", "x", "c"), helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2]), conv("b", "p", "y")]
    placement = place_layers(summarize(tmp_path, nodes, {"a.w": W, "b.w": W}), ["a", "b"])
    assert placement.range_source == {"c": "c", "p": "c", "x": "x", "y": "y"}
    assert placement.integer_producers == {"c", "p", "y"}


def test_that_a_chain_of_moves_shares_the_range_of_its_start(tmp_path: Path) -> None:
    nodes = [
        conv("a", "x", "c"),
        helper.make_node("Transpose", ["c"], ["t"], perm=[0, 1, 3, 2]),
        helper.make_node("MaxPool", ["t"], ["p"], kernel_shape=[2, 2]),
        conv("b", "p", "y"),
    ]
    placement = place_layers(summarize(tmp_path, nodes, {"a.w": W, "b.w": W}), ["a", "b"])
    assert {placement.range_source[name] for name in ("c", "t", "p")} == {"c"}


def residual() -> list[onnx.NodeProto]:
    return [
        conv("a", "x", "ac"),
        helper.make_node("Relu", ["ac"], ["ar"]),
        conv("b", "ar", "bc"),
        helper.make_node("Add", ["bc", "ar"], ["sum"], name="add"),
        helper.make_node("Relu", ["sum"], ["sr"]),
        conv("c", "sr", "y"),
    ]


def test_that_a_residual_block_runs_on_integers_throughout(tmp_path: Path) -> None:
    summary = summarize(tmp_path, residual(), {"a.w": W, "b.w": W, "c.w": W})
    placement = place_layers(summary, ["a", "b", "c"])
    assert quantized(placement) == {"x", "ar", "bc", "sr", "y"}
    assert placement.integer_producers == {"ar", "bc", "sr", "y"}
    assert all(placement.range_source[name] == name for name in quantized(placement))


def test_that_an_add_stays_float_when_nobody_wants_integers_of_it(tmp_path: Path) -> None:
    summary = summarize(tmp_path, residual(), {"a.w": W, "b.w": W, "c.w": W})
    placement = place_layers(summary, ["a", "b"])
    assert "sr" not in quantized(placement)
    assert placement.integer_producers == {"ar", "bc"}


def test_that_a_float_layer_in_the_middle_of_static_ones_reads_what_they_write(tmp_path: Path) -> None:
    summary = summarize(tmp_path, residual(), {"a.w": W, "b.w": W, "c.w": W})
    placement = place_layers(summary, ["a", "c"])
    assert placement.integer_producers == {"ar", "sr", "y"}
    assert placement.readers["bc"] == {"add"}


def test_that_concat_and_its_inputs_are_quantized(tmp_path: Path) -> None:
    nodes = [
        conv("a", "x", "ac"),
        conv("b", "x", "bc"),
        helper.make_node("Concat", ["ac", "bc"], ["cat"], axis=1),
        conv("c", "cat", "y"),
    ]
    summary = summarize(tmp_path, nodes, {"a.w": W, "b.w": W, "c.w": (8, 16, 3, 3)})
    placement = place_layers(summary, ["a", "b", "c"])
    assert placement.integer_producers == {"ac", "bc", "cat", "y"}
    assert placement.readers["x"] == {"a", "b"}


def test_that_depthwise_convolutions_are_placed_like_others(tmp_path: Path) -> None:
    nodes = [
        conv("a", "x", "ac", group=8),
        helper.make_node("Clip", ["ac", "zero", "six"], ["clipped"]),
        conv("b", "clipped", "y"),
    ]
    summary = summarize(tmp_path, nodes, {"a.w": (8, 1, 3, 3), "b.w": W, "zero": (), "six": ()})
    placement = place_layers(summary, ["a", "b"])
    assert quantized(placement) == {"x", "clipped", "y"}


def test_that_a_relu_that_has_a_neighbour_is_not_absorbed(tmp_path: Path) -> None:
    nodes = [
        conv("a", "x", "ac"),
        helper.make_node("Relu", ["ac"], ["ar"]),
        helper.make_node("Sigmoid", ["ac"], ["s"]),
        helper.make_node("Mul", ["ar", "s"], ["y"]),
    ]
    placement = place_layers(summarize(tmp_path, nodes, {"a.w": W}), ["a"])
    assert placement.integer_producers == {"ac"}


def test_that_calibrated_tensors_serve_every_choice_of_static_layers(tmp_path: Path) -> None:
    summary = summarize(tmp_path, residual(), {"a.w": W, "b.w": W, "c.w": W})
    collected = set(calibrated_tensors(summary))
    names = [layer.name for layer in summary.layers]
    for mask in range(1 << len(names)):
        chosen = [name for index, name in enumerate(names) if mask >> index & 1]
        assert set(place_layers(summary, chosen).range_source.values()) <= collected


def test_that_a_gemm_before_a_relu_writes_integers_unless_the_relu_is_an_output(tmp_path: Path) -> None:
    def gemm(name: str, source: str, target: str) -> onnx.NodeProto:
        return helper.make_node("Gemm", [source, f"{name}.w"], [target], name=name)

    nodes = [
        gemm("a", "x", "ag"),
        helper.make_node("Relu", ["ag"], ["ar"]),
        gemm("b", "ar", "bg"),
        helper.make_node("Relu", ["bg"], ["y"]),
    ]
    constants = {"a.w": normal(8, 8), "b.w": normal(8, 8)}
    summary = open_built(build_model(nodes, {"x": ["N", 8]}, ["y"], constants), tmp_path).summary
    assert quantized(place_layers(summary, ["a"])) == {"x", "ar"}
    assert quantized(place_layers(summary, ["b"])) == {"ar"}


MOVES: dict[str, tuple[dict[str, Array], list[str], dict[str, object]]] = {
    "Resize": ({"sizes": np.array([1, 8, 12, 12])}, ["c", "", "", "sizes"], {"mode": "nearest"}),
    "Gather": ({"order": np.arange(8)[::-1].copy()}, ["c", "order"], {"axis": 1}),
    "Expand": ({"shape": np.array([1, 8, 6, 6])}, ["c", "shape"], {}),
    "Tile": ({"repeats": np.array([1, 1, 2, 1])}, ["c", "repeats"], {}),
}


def chain_with(op: str, tmp_path: Path, **attributes: object) -> ModelSummary:
    constants, inputs, given = MOVES[op]
    nodes = [conv("a", "x", "c"), helper.make_node(op, inputs, ["m"], **{**given, **attributes}), conv("b", "m", "y")]
    arrays = {"a.w": normal(8, 8, 3, 3), "b.w": normal(8, 8, 3, 3), **constants}
    return open_built(build_model(nodes, {"x": [1, 8, 6, 6]}, ["y"], arrays), tmp_path).summary


@pytest.mark.parametrize("op", MOVES)
def test_that_operators_that_move_values_share_the_range_of_their_input(op: str, tmp_path: Path) -> None:
    placement = place_layers(chain_with(op, tmp_path), ["a", "b"])
    assert placement.range_source == {"c": "c", "m": "c", "x": "x", "y": "y"}
    assert placement.integer_producers == {"c", "m", "y"}


def test_that_a_resize_that_interpolates_has_a_range_of_its_own(tmp_path: Path) -> None:
    placement = place_layers(chain_with("Resize", tmp_path, mode="linear"), ["a", "b"])
    assert placement.range_source["m"] == "m"


def test_that_an_embedding_moves_no_indices(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="head"),
    ]
    model = build_model(
        nodes, {"ids": ["N"]}, ["y"], {"table": normal(10, 8), "w": normal(8, 6)}, dtypes={"ids": TensorProto.INT64}
    )
    assert quantized(place_layers(open_built(model, tmp_path).summary, ["head"])) == {"e"}


def test_that_all_parts_of_a_split_share_the_range_of_the_whole(tmp_path: Path) -> None:
    nodes = [
        conv("a", "x", "c"),
        helper.make_node("Split", ["c", "sizes"], ["one", "two"], axis=1),
        conv("b", "one", "y"),
        helper.make_node("Sigmoid", ["two"], ["z"]),
    ]
    constants = {"a.w": normal(8, 8, 3, 3), "b.w": normal(8, 4, 3, 3), "sizes": np.array([4, 4])}
    summary = open_built(build_model(nodes, {"x": [1, 8, 6, 6]}, ["y", "z"], constants), tmp_path).summary
    placement = place_layers(summary, ["a", "b"])
    assert {placement.range_source[name] for name in ("c", "one", "two")} == {"c"}
    assert {"c", "one", "two"} <= placement.integer_producers


@pytest.mark.parametrize("op", ["Sigmoid", "LeakyRelu"])
def test_that_a_function_with_an_integer_kernel_between_static_layers_writes_integers(op: str, tmp_path: Path) -> None:
    nodes = [conv("a", "x", "c"), helper.make_node(op, ["c"], ["s"]), conv("b", "s", "y")]
    placement = place_layers(summarize(tmp_path, nodes, {"a.w": W, "b.w": W}), ["a", "b"])
    assert placement.integer_producers == {"c", "s", "y"}
    assert placement.range_source["s"] == "s"


def test_that_a_tensor_that_a_body_reads_is_not_absorbed_by_a_relu(tmp_path: Path) -> None:
    def branch(name: str, op: str) -> onnx.GraphProto:
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, 4, 4])
        return helper.make_graph([helper.make_node(op, ["c"], [name])], name, [], [output])

    nodes = [
        conv("a", "x", "c"),
        helper.make_node("Relu", ["c"], ["y"]),
        helper.make_node("If", ["is_on"], ["z"], then_branch=branch("t", "Abs"), else_branch=branch("e", "Neg")),
    ]
    model = build_model(
        nodes,
        {"x": ["N", 8, 6, 6], "is_on": []},
        ["y", "z"],
        {"a.w": normal(8, 8, 3, 3)},
        dtypes={"is_on": TensorProto.BOOL},
    )
    assert place_layers(open_built(model, tmp_path).summary, ["a"]).integer_producers == {"c"}
