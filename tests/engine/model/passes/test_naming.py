"""Names of nodes in bodies."""

from __future__ import annotations

import onnx_ir as ir
from onnx import helper

from engine.model.passes.naming import name_nodes
from tests.engine.model.passes.test_constants import body, if_model


def test_that_nodes_in_bodies_get_the_path_of_their_body_where_their_name_is_missing_or_taken() -> None:
    then = body([helper.make_node("Relu", ["x"], ["a"], name="one"), helper.make_node("Abs", ["a"], ["t"])], "t")
    other = body([helper.make_node("Relu", ["x"], ["b"], name="one"), helper.make_node("Abs", ["b"], ["e"])], "e")
    graph = ir.from_proto(if_model(then, other, {})).graph
    name_nodes(graph)
    names = [node.name for node in graph.all_nodes()]
    expected = ["If_0", "one", "If_0/else_branch/Abs_1", "If_0/then_branch/one", "If_0/then_branch/Abs_1"]
    assert names == expected
    name_nodes(graph)
    assert [node.name for node in graph.all_nodes()] == expected
