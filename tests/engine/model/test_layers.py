"""The layer table: layouts, channels, MACs by hand, what each operator offers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from engine.model.layout import WeightLayout, channels_first, channels_last, transposed_convolution
from engine.numerics.schemes import Kernel
from engine.summary import LayerSummary
from tests.engine.models import Array, Shape, build_model, conv_chain, normal, open_built

LAYOUTS = {
    "conv": channels_first((8, 3, 3, 2)),
    "gemm transposed": channels_first((5, 7)),
    "matmul": channels_last((7, 5)),
    "batched matmul": channels_last((2, 3, 7, 5)),
    "transposed convolution": transposed_convolution((4, 6, 3, 2), 1),
    "transposed convolution in groups": transposed_convolution((4, 6, 3, 2), 2),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_that_from_matrix_undoes_to_matrix(layout: WeightLayout) -> None:
    weight = np.arange(np.prod(layout.weight_shape), dtype=np.float32).reshape(layout.weight_shape)
    matrix = layout.to_matrix(weight)
    assert matrix.shape == (layout.channels, layout.inputs)
    assert np.array_equal(layout.from_matrix(matrix), weight)
    assert layout.from_matrix(matrix).flags.c_contiguous


@given(group=st.integers(1, 4), per_input=st.integers(1, 4), per_output=st.integers(1, 4), kernel=st.integers(1, 3))
def test_that_a_transposed_convolution_keeps_the_inputs_of_an_output_channel_together(
    group: int, per_input: int, per_output: int, kernel: int
) -> None:
    shape = (group * per_input, per_output, kernel)
    weight = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    matrix = transposed_convolution(shape, group).to_matrix(weight)
    for channel in range(group * per_output):
        first = channel // per_output * per_input
        expected = weight[first : first + per_input, channel % per_output].reshape(-1)
        assert matrix[channel].tolist() == expected.tolist()


def test_that_the_axis_is_that_of_the_output_channels() -> None:
    assert [layout.axis for layout in LAYOUTS.values()] == [0, 0, 1, None, 1, None]


def open_layer(tmp_path: Path, op: str, shape: Shape, weight: tuple[int, ...], **attributes: object) -> LayerSummary:
    model = build_model(
        [helper.make_node(op, ["x", "w"], ["y"], **attributes)], {"x": shape}, ["y"], {"w": normal(*weight)}
    )
    return open_built(model, tmp_path).summary.layers[0]


@pytest.mark.parametrize(
    ("op", "shape", "weight", "attributes", "macs"),
    [
        ("Conv", ["N", 3, 8, 8], (16, 3, 3, 3), {"pads": [1, 1, 1, 1]}, 16 * 8 * 8 * 27),
        ("Conv", ["N", 3, 8, 8], (16, 3, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 16 * 4 * 4 * 27),
        ("Conv", ["N", 8, 5, 5], (8, 1, 3, 3), {"group": 8}, 8 * 3 * 3 * 9),
        ("Conv", ["N", 8, 9], (6, 4, 3), {"group": 2, "dilations": [2]}, 6 * 5 * 12),
        ("ConvTranspose", ["N", 4, 5, 5], (4, 6, 2, 2), {"strides": [2, 2]}, 4 * 5 * 5 * 6 * 4),
        ("ConvTranspose", ["N", 4, 5, 5], (4, 3, 2, 2), {"group": 2}, 4 * 5 * 5 * 3 * 4),
        ("Gemm", ["N", 5], (5, 7), {}, 35),
        ("MatMul", ["N", 6, 5], (5, 7), {}, 6 * 35),
        ("MatMul", ["N", 2, 6, 5], (2, 5, 7), {}, 2 * 6 * 35),
    ],
)
def test_that_macs_are_those_counted_by_hand(
    tmp_path: Path, op: str, shape: Shape, weight: tuple[int, ...], attributes: dict[str, object], macs: int
) -> None:
    assert open_layer(tmp_path, op, shape, weight, **attributes).macs == macs


def test_that_titles_details_and_bias_are_found(tmp_path: Path) -> None:
    first, second, head = open_built(conv_chain(), tmp_path).summary.layers
    assert (first.name, first.detail, first.bias_elements, first.parameters) == ("first", "Conv 3×3", 8, 216)
    assert (first.input_name, first.output_name, second.input_name) == ("x", "c1", "r1")
    assert (head.detail, head.channels, head.inputs_per_channel, head.axis) == ("Gemm 8→10", 10, 8, 0)


def test_that_a_matmul_owns_the_add_of_its_bias(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["b", "m"], ["y"])]
    model = build_model(nodes, {"x": ["N", 3, 5]}, ["y"], {"w": normal(5, 7), "b": normal(7)})
    layer = open_built(model, tmp_path).summary.layers[0]
    assert (layer.bias_elements, layer.output_name) == (7, "y")


@pytest.mark.parametrize("bias_shape", [(3, 7), (1,), (3, 1)])
def test_that_a_matmul_leaves_an_add_that_is_no_bias(tmp_path: Path, bias_shape: tuple[int, ...]) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])]
    model = build_model(nodes, {"x": ["N", 3, 5]}, ["y"], {"w": normal(5, 7), "b": normal(*bias_shape)})
    layer = open_built(model, tmp_path).summary.layers[0]
    assert (layer.bias_elements, layer.output_name) == (0, "m")


def test_that_alpha_and_beta_belong_to_matrix_and_bias(tmp_path: Path) -> None:
    constants: dict[str, Array] = {"w": normal(5, 7), "b": normal(1, 7, seed=2)}
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=3.0)
    layer = open_built(build_model([node], {"x": ["N", 5]}, ["y"], constants), tmp_path).layers[0]
    assert np.array_equal(layer.matrix(), constants["w"].T * np.float32(0.5))
    assert layer.bias is not None
    assert np.array_equal(layer.bias, constants["b"][0] * np.float32(3))


@pytest.mark.parametrize(
    ("op", "shape", "weight", "attributes", "kernels"),
    [
        ("Conv", ["N", 3, 8, 8], (8, 3, 3, 3), {}, "qlinear float"),
        ("ConvTranspose", ["N", 3, 8, 8], (3, 8, 3, 3), {}, "float"),
        ("Gemm", ["N", 5], (5, 7), {}, "qlinear dynamic nbits float"),
        ("Gemm", [5, 3], (5, 7), {"transA": 1}, "float"),
        ("MatMul", ["N", 5], (5, 7), {}, "qlinear dynamic nbits float"),
        ("MatMul", ["N", 2, 6, 5], (2, 5, 7), {}, "float"),
    ],
)
def test_that_every_operator_offers_these_kernels_best_first(
    tmp_path: Path, op: str, shape: Shape, weight: tuple[int, ...], attributes: dict[str, object], kernels: str
) -> None:
    found = open_layer(tmp_path, op, shape, weight, **attributes).kernels
    assert found == tuple(Kernel(name) for name in kernels.split())


def test_that_an_embedding_is_a_layer_and_a_gather_of_activations_is_none(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("Gather", ["e", "first"], ["y"], axis=1),
    ]
    constants = {"table": normal(20, 6), "first": np.array([0, 1])}
    model = build_model(nodes, {"ids": ["N", 4]}, ["y"], constants, dtypes={"ids": TensorProto.INT64})
    (layer,) = open_built(model, tmp_path).summary.layers
    assert (layer.name, layer.detail, layer.macs, layer.kernels) == ("embedding", "Embedding 20×6", 0, (Kernel.FLOAT,))


def test_that_tiny_and_computed_weights_are_no_layers(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="kept"),
        helper.make_node("MatMul", ["m", "tiny"], ["t"]),
        helper.make_node("MatMul", ["x", "x2"], ["y"]),
    ]
    constants = {"w": normal(4, 4), "tiny": normal(4, 3)}
    model = build_model(nodes, {"x": [4, 4], "x2": [4, 4]}, ["t", "y"], constants)
    assert [layer.name for layer in open_built(model, tmp_path).summary.layers] == ["kept"]
