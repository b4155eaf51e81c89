"""The drawing of real and of small models: what folds into which box, and what can be collapsed."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import helper

from engine.graph_view.building import draw_graph
from engine.graph_view.drawing import Box, BoxKind, Drawing
from engine.graph_view.grouping import COLLAPSE_ABOVE
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.requests.opening import GraphRequest
from tests.engine.graph_view.test_layout import ensure_valid
from tests.engine.models import build_model, conv_chain, normal, open_built

MODELS = (
    "cifar10_resnet20.onnx",
    "imagenet_mobilenet_v2_dequant_ptq.onnx",
    "imagenet_squeezenet1.1.onnx",
    "kws_dscnn.onnx",
    "mnist_cntk.onnx",
    "silero_vad_16k_op15.onnx",
    "stories260K.onnx",
)


def box_of(drawing: Drawing, title: str) -> Box:
    (found,) = [box for box in drawing.boxes if box.title == title]
    return found


def test_that_parameter_free_nodes_fold_into_the_layer_that_they_continue(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Gemm", ["b", "w"], ["c"], name="second"),
        helper.make_node("Add", ["b", "c"], ["d"], name="sum"),
        helper.make_node("Relu", ["d"], ["e"], name="after"),
        helper.make_node("Sigmoid", ["b"], ["s"], name="aside"),
    ]
    model = open_built(build_model(nodes, {"x": [1, 8]}, ["e", "s"], {"w": normal(8, 8)}), tmp_path)
    drawing = draw_graph(model, None, JobContext())
    assert [box.kind for box in drawing.boxes].count(BoxKind.OUTPUT) == 2
    assert box_of(drawing, "first").names == ("first", "relu")
    assert box_of(drawing, "first").detail.endswith("· Relu")
    assert box_of(drawing, "second").names == ("second",)
    assert box_of(drawing, "Add").names == ("sum", "after")
    assert box_of(drawing, "Sigmoid").names == ("aside",)
    links = {(drawing.boxes[e.source].title, drawing.boxes[e.target].title) for e in drawing.edges}
    assert links >= {("x", "first"), ("first", "second"), ("first", "Add"), ("second", "Add"), ("first", "Sigmoid")}


def test_that_a_request_gives_the_drawing_of_the_file(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    drawing = run_request(GraphRequest(str(model.path)), JobContext())
    assert isinstance(drawing, Drawing)
    assert [name for box in drawing.boxes for name in box.layers] == [layer.name for layer in model.layers]
    ensure_valid(drawing)


@pytest.mark.assets
@pytest.mark.parametrize("name", MODELS)
def test_that_real_models_are_drawn_with_all_of_their_layers_and_nodes(name: str, assets: Path) -> None:
    model = open_model(assets / "models" / name)
    everything = frozenset(draw_graph(model, None, JobContext()).groups)
    for expanded in (None, frozenset[str](), everything):
        drawing = draw_graph(model, expanded, JobContext())
        ensure_valid(drawing)
        layers = [layer for box in drawing.boxes for layer in box.layers]
        assert sorted(layers) == sorted(layer.name for layer in model.layers)
        names = [name for box in drawing.boxes for name in box.names if box.kind not in (BoxKind.INPUT, BoxKind.OUTPUT)]
        assert len(names) == len(model.summary.nodes)
        assert not any(edge.is_jump for edge in drawing.edges)


@pytest.mark.assets
def test_that_the_blocks_of_a_transformer_start_collapsed(assets: Path) -> None:
    model = open_model(assets / "models" / "stories260K.onnx")
    drawing = draw_graph(model, None, JobContext())
    assert drawing.groups == ("bl.0", "bl.1", "bl.2", "bl.3", "bl.4")
    assert drawing.expanded == frozenset()
    assert len(drawing.boxes) < COLLAPSE_ABOVE
    block = box_of(drawing, "bl.1")
    assert block.kind == BoxKind.GROUP
    assert len(block.layers) == 7


@pytest.mark.assets
def test_that_residual_blocks_are_found_where_only_layers_have_module_names(assets: Path) -> None:
    drawing = draw_graph(open_model(assets / "models" / "cifar10_resnet20.onnx"), frozenset(), JobContext())
    assert drawing.groups == tuple(f"layer{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1, 2))
    assert all(len(box_of(drawing, group).layers) == 2 for group in drawing.groups)


@pytest.mark.assets
def test_that_the_layers_of_a_body_are_in_the_box_of_its_node(assets: Path) -> None:
    model = open_model(assets / "models" / "silero_vad_16k_op15.onnx")
    drawing = draw_graph(model, None, JobContext())
    bodies = [box for box in drawing.boxes if box.kind == BoxKind.BODY]
    inside = {layer.name for layer in model.layers if layer.body_owner is not None}
    assert {box.detail for box in bodies} == {"If"}
    assert inside
    assert inside <= {layer for box in bodies for layer in box.layers}


@pytest.mark.parametrize("scopes", ["-" * 20_000 + "1", "(" * 5_000, "5", "{1: 2}"])
def test_that_hostile_notes_of_an_exporter_are_no_names(tmp_path: Path, scopes: str) -> None:
    built = conv_chain()
    for node in built.graph.node:
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    model = open_built(built, tmp_path)
    drawing = draw_graph(model, None, JobContext())
    assert {name for box in drawing.boxes for name in box.layers} == {layer.name for layer in model.layers}
