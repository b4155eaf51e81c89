"""Folding of what moves constants, in the main graph and in bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.model.passes.constants import fold_moves, lift_constants
from engine.model.preparation import PreparationOptions, prepare
from tests.engine.models import Array, build_model, normal, run_model, serialize

EVERYTHING = PreparationOptions()


def if_model(then: onnx.GraphProto, other: onnx.GraphProto, constants: dict[str, Array]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("If", ["is_on"], ["y"], then_branch=then, else_branch=other)],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6]),
            helper.make_tensor_value_info("is_on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 6])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def attribute_of(model: onnx.ModelProto, name: str) -> onnx.GraphProto:
    return next(attribute.g for attribute in model.graph.node[0].attribute if attribute.name == name)


def body(nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, "body", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 6])])


def constant(name: str, value: Array) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def moving_branch(prefix: str, factor: float) -> onnx.GraphProto:
    """x · (w reshaped, its halves swapped, unsqueezed, squeezed, transposed), then a factor of its own."""
    p = prefix
    numbers: dict[str, Any] = {"shape": [6, 6], "zero": [0], "three": [3], "six": [6], "one": [1]}
    nodes = [
        *(constant(p + name, np.array(value, np.int64)) for name, value in numbers.items()),
        constant(p + "f", np.array(factor, np.float32)),
        helper.make_node("Reshape", ["w", p + "shape"], [p + "r"]),
        helper.make_node("Slice", [p + "r", p + "zero", p + "three", p + "one"], [p + "left"]),
        helper.make_node("Slice", [p + "r", p + "three", p + "six", p + "one"], [p + "right"]),
        helper.make_node("Concat", [p + "right", p + "left"], [p + "c"], axis=1),
        helper.make_node("Unsqueeze", [p + "c", p + "zero"], [p + "u"]),
        helper.make_node("Squeeze", [p + "u", p + "zero"], [p + "s"]),
        helper.make_node("Cast", [p + "s"], [p + "k"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", [p + "k"], [p + "t"], perm=[1, 0]),
        helper.make_node("Identity", [p + "t"], [p + "i"]),
        helper.make_node("MatMul", ["x", p + "i"], [p + "m"]),
        helper.make_node("Relu", [p + "m"], [p + "a"]),
        helper.make_node("Div", [p + "a", p + "f"], [p + "y"]),
    ]
    return body(nodes, p + "y")


def prepared_bytes(model: onnx.ModelProto, options: PreparationOptions = EVERYTHING) -> bytes:
    return serialize(prepare(ir.from_proto(onnx.ModelProto.FromString(model.SerializeToString())), options))


@pytest.mark.parametrize("is_on", [True, False])
def test_that_a_weight_that_moves_inside_both_bodies_is_folded_once(is_on: bool) -> None:
    model = if_model(moving_branch("a_", 2.0), moving_branch("b_", 3.0), {"w": normal(36)})
    result = onnx.ModelProto.FromString(prepared_bytes(model))
    bodies = [attribute.g for attribute in result.graph.node[0].attribute]
    assert [[node.op_type for node in item.node] for item in bodies] == [["MatMul", "Relu", "Div"]] * 2
    weights = {item.node[0].input[1] for item in bodies}
    assert len(weights) == 1
    assert [tuple(tensor.dims) for tensor in result.graph.initializer if tensor.name in weights] == [(6, 6)]
    feeds = {"x": normal(3, 6, seed=1), "is_on": np.array(is_on)}
    assert np.array_equal(run_model(model, feeds)[0], run_model(result, feeds)[0])
    again = onnx.ModelProto.FromString(prepared_bytes(result))
    assert (again.graph.node, again.graph.initializer) == (result.graph.node, result.graph.initializer)


def test_that_bodies_may_return_outer_values_and_constants() -> None:
    then = body([helper.make_node("Identity", ["x"], ["t"])], "t")
    other = body([constant("e", normal(1, 6))], "e")
    model = if_model(then, other, {})
    for is_on in (True, False):
        feeds = {"x": normal(1, 6, seed=1), "is_on": np.array(is_on)}
        assert np.array_equal(run_model(model, feeds)[0], run_model(prepared_bytes(model), feeds)[0])


def test_that_an_expansion_larger_than_its_source_stays() -> None:
    then = body(
        [
            constant("shape", np.array([300, 6, 100], np.int64)),
            constant("few", normal(6, 1)),
            helper.make_node("Expand", ["few", "shape"], ["many"]),
            helper.make_node("ReduceMean", ["many"], ["mean"], axes=[0, 2], keepdims=0),
            helper.make_node("Add", ["x", "mean"], ["t"]),
        ],
        "t",
    )
    model = if_model(then, body([helper.make_node("Identity", ["x"], ["e"])], "e"), {})
    result = onnx.ModelProto.FromString(prepared_bytes(model))
    assert "Expand" in [node.op_type for node in attribute_of(result, "then_branch").node]


def test_that_a_second_run_folds_nothing() -> None:
    model = ir.from_proto(if_model(moving_branch("a_", 2.0), moving_branch("b_", 3.0), {"w": normal(36)}))
    lift_constants(model)
    assert fold_moves(model) == 18
    assert fold_moves(model) == 0


def test_that_functions_are_inlined() -> None:
    function = helper.make_function(
        "own", "Half", ["a", "b"], ["c"], [helper.make_node("MatMul", ["a", "b"], ["c"])], [helper.make_opsetid("", 17)]
    )
    plain = build_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 6]}, ["y"], {"w": normal(6, 6)})
    model = onnx.ModelProto.FromString(plain.SerializeToString())
    model.graph.node[0].CopyFrom(helper.make_node("Half", ["x", "w"], ["y"], domain="own", name="call"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.functions.append(function)
    onnx.checker.check_model(model)
    result = onnx.ModelProto.FromString(prepared_bytes(model))
    assert [node.op_type for node in result.graph.node] == ["MatMul"]
    assert not result.functions
    kept = onnx.ModelProto.FromString(prepared_bytes(model, PreparationOptions(inlines_functions=False)))
    assert [node.op_type for node in kept.graph.node] == ["Half"]
    feeds = {"x": normal(2, 6, seed=1)}
    assert np.array_equal(run_model(plain, feeds)[0], run_model(result, feeds)[0])
