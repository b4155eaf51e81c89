"""Blocks end where one tensor carries everything, and hold a residual connection as a whole."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from engine.compensation.blocks import Block, find_blocks
from tests.engine.models import build_model, conv_chain, normal, open_built

WEIGHT = normal(8, 8)


def products(*pairs: str) -> list[onnx.NodeProto]:
    """MatMul nodes: "x>a" reads x and makes a."""
    return [
        helper.make_node("MatMul", [pair.split(">")[0], f"w{pair.split('>')[1]}"], [pair.split(">")[1]],
                         name=pair.split(">")[1])
        for pair in pairs
    ]  # fmt: skip


def blocks_of(nodes: list[onnx.NodeProto], outputs: list[str], folder: Path) -> tuple[Block, ...]:
    weights = {node.input[1]: WEIGHT for node in nodes if node.op_type == "MatMul"}
    return find_blocks(open_built(build_model(nodes, {"x": ["N", 8]}, outputs, weights), folder))


def test_that_a_residual_connection_is_not_cut(tmp_path: Path) -> None:
    nodes = [
        *products("x>a"),
        helper.make_node("Relu", ["a"], ["r"]),
        *products("r>b", "b>c", "c>d"),
        helper.make_node("Add", ["r", "d"], ["s"]),
        helper.make_node("Relu", ["s"], ["t"]),
        *products("t>y"),
    ]
    assert blocks_of(nodes, ["y"], tmp_path) == (
        Block(None, ("r",), ("a",)),
        Block("r", ("t",), ("b", "c", "d")),
        Block("t", ("y",), ("y",)),
    )


def test_that_layers_in_a_row_share_a_block_up_to_three(tmp_path: Path) -> None:
    nodes = products("x>a", "a>b", "b>c", "c>d", "d>y")
    assert blocks_of(nodes, ["y"], tmp_path) == (
        Block(None, ("c",), ("a", "b", "c")),
        Block("c", ("y",), ("d", "y")),
    )


def test_that_branches_stay_together_and_early_outputs_belong_to_their_block(tmp_path: Path) -> None:
    nodes = [
        *products("x>a", "a>b", "a>c", "b>early"),
        helper.make_node("Concat", ["b", "c"], ["j"], axis=0),
        *products("j>d", "d>e", "e>f", "f>y"),
    ]
    assert blocks_of(nodes, ["y", "early"], tmp_path) == (
        Block(None, ("a",), ("a",)),
        Block("a", ("j", "early"), ("b", "c", "early")),
        Block("j", ("f",), ("d", "e", "f")),
        Block("f", ("y",), ("y",)),
    )


def test_that_what_layers_have_not_touched_does_not_prevent_a_cut(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["gate"]),
        *products("x>a", "a>b", "b>c"),
        helper.make_node("Mul", ["c", "gate"], ["m"]),
        *products("m>d"),
        helper.make_node("Mul", ["d", "gate"], ["y"]),
    ]
    assert blocks_of(nodes, ["y"], tmp_path) == (Block(None, ("m",), ("a", "b", "c")), Block("m", ("y",), ("d",)))


def test_that_a_small_network_is_one_block_and_joined_blocks_are_too(tmp_path: Path) -> None:
    assert find_blocks(open_built(conv_chain(), tmp_path)) == (Block(None, ("y",), ("first", "second", "head")),)
    one, other = Block(None, ("c", "early"), ("a",)), Block("c", ("y",), ("b",))
    assert one.join(other) == Block(None, ("y", "early"), ("a", "b"))
