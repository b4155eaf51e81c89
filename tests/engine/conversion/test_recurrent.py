"""LSTM, GRU and RNN: two layers each, stored packed everywhere, dynamic LSTM in the main graph; layers in bodies."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.conversion.convert import convert
from engine.job_context import JobContext
from engine.model.opened import Model, open_model
from engine.numerics.schemes import ActivationMode, Granularity, Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan, refuse_layer_plan
from engine.requests.conversion import ConvertRequest, ConvertResult
from tests.engine.models import Array, build_model, normal, open_built, plan_for, run_model, sqnr_db

STEPS, BATCH, INPUTS, HIDDEN = 6, 2, 20, 16
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def recurrent(op: str, direction: str = "forward", *, opset: int = 21) -> onnx.ModelProto:
    directions, rows = DIRECTIONS[direction], GATES[op] * HIDDEN
    node = helper.make_node(op, ["x", "w", "r", "b"], ["y", "h"], name="net", hidden_size=HIDDEN, direction=direction)
    constants = {
        "w": normal(directions, rows, INPUTS, scale=0.3),
        "r": normal(directions, rows, HIDDEN, seed=2, scale=0.3),
        "b": normal(directions, 2 * rows, seed=3, scale=0.1),
    }
    return build_model([node], {"x": [STEPS, BATCH, INPUTS]}, ["y", "h"], constants, opset=opset)


FEEDS: Mapping[str, Array] = {"x": normal(STEPS, BATCH, INPUTS, seed=9)}


def convert_to(model: Model, plan: Plan, output: Path) -> ConvertResult:
    result = convert(model, ConvertRequest(str(model.path), plan, str(output)), None, None, JobContext())
    assert abs(result.predicted_bytes - result.file_bytes) <= max(512, 0.01 * result.file_bytes)
    return result


def op_types(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


@pytest.mark.parametrize("op", GATES)
def test_that_a_recurrent_operator_is_two_layers(op: str, tmp_path: Path) -> None:
    summary = open_built(recurrent(op, "bidirectional"), tmp_path).summary
    rows = GATES[op] * HIDDEN
    assert [layer.name for layer in summary.layers] == ["net.W", "net.R"]
    assert [layer.inputs_per_channel for layer in summary.layers] == [INPUTS, HIDDEN]
    assert [layer.macs for layer in summary.layers] == [STEPS * BATCH * 2 * rows * n for n in (INPUTS, HIDDEN)]
    assert summary.layers[0].kernels == ((Kernel.DYNAMIC, Kernel.FLOAT) if op == "LSTM" else (Kernel.FLOAT,))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(), PerGroup(8), PerGroup(7)], ids=str)
@pytest.mark.parametrize("bits", [16, 8, 4, 2])
@pytest.mark.parametrize(("op", "direction"), [*((op, "bidirectional") for op in GATES), ("LSTM", "reverse")])
def test_that_recurrent_weights_are_stored_packed_and_computed_as_the_engine_says(
    op: str, direction: str, bits: int, granularity: Granularity, tmp_path: Path
) -> None:
    model = open_built(recurrent(op, direction), tmp_path)
    for kernel in model.summary.layers[0].kernels if bits < 16 else (Kernel.FLOAT,):
        choice = LayerPlan(WeightScheme(bits, bits != 2, granularity), kernel)
        if refuse_layer_plan(model.summary.layers[0], choice):
            continue
        result = convert_to(model, plan_for(model.summary, choice), tmp_path / "out.onnx")
        assert all(layer.is_integer == (kernel == Kernel.DYNAMIC) for layer in result.layers)
        assert ("DynamicQuantizeLSTM" in op_types(tmp_path / "out.onnx")) == (kernel == Kernel.DYNAMIC)
        expected, found = run_model(model.path, FEEDS), run_model(tmp_path / "out.onnx", FEEDS, optimized=True)
        for one, other in zip(expected, found, strict=True):
            assert sqnr_db(one, other) > {16: 60, 8: 25, 4: 9, 2: 0}[bits]


@pytest.mark.parametrize(("bits_w", "bits_r"), [(8, 4), (4, 8), (8, 32), (32, 8), (16, 4)])
def test_that_the_two_weights_of_an_lstm_choose_their_bits_alone(bits_w: int, bits_r: int, tmp_path: Path) -> None:
    model = open_built(recurrent("LSTM"), tmp_path)
    plan = build_plan(model.summary, bits_w, PlanDefaults(activations=ActivationMode.DYNAMIC))
    plan = plan.with_bits([model.summary.layer_by_name["net.R"]], bits_r)
    convert_to(model, plan, tmp_path / "out.onnx")
    is_dynamic = max(bits_w, bits_r) <= 8
    assert ("DynamicQuantizeLSTM" in op_types(tmp_path / "out.onnx")) == is_dynamic
    expected, found = run_model(model.path, FEEDS), run_model(tmp_path / "out.onnx", FEEDS, optimized=True)
    assert sqnr_db(expected[0], found[0]) > (9 if min(bits_w, bits_r) == 4 else 25)


def lstm_in_bodies() -> onnx.ModelProto:
    """Both branches run an LSTM on the same weights, one of them moved by a Transpose and back."""
    output = helper.make_tensor_value_info
    shape = [STEPS, 1, BATCH, HIDDEN]
    then = helper.make_graph(
        [helper.make_node("LSTM", ["x", "w", "r"], ["t"], name="net", hidden_size=HIDDEN)],
        "then", [], [output("t", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    other = helper.make_graph(
        [
            helper.make_node("Neg", ["x"], ["n"]),
            helper.make_node("LSTM", ["n", "w", "r"], ["e"], name="net", hidden_size=HIDDEN),
        ],
        "else", [], [output("e", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("If", ["is_on"], ["y"], name="choice", then_branch=then, else_branch=other)],
        "g",
        [output("x", TensorProto.FLOAT, [STEPS, BATCH, INPUTS]), output("is_on", TensorProto.BOOL, [])],
        [output("y", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(normal(1, 4 * HIDDEN, INPUTS, scale=0.3), "w"),
            numpy_helper.from_array(normal(1, 4 * HIDDEN, HIDDEN, seed=2, scale=0.3), "r"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("bits", [32, 16, 8, 4, 2])
def test_that_layers_in_bodies_share_one_packed_weight(bits: int, tmp_path: Path) -> None:
    model = open_built(lstm_in_bodies(), tmp_path)
    names = [layer.name for layer in model.summary.layers]
    assert names == ["net.W", "net.R", "choice/then_branch/net.W", "choice/then_branch/net.R"]
    convert_to(model, build_plan(model.summary, bits), tmp_path / "out.onnx")
    stored = [tensor for tensor in onnx.load(tmp_path / "out.onnx").graph.initializer if np.prod(tensor.dims) > 500]
    assert len(stored) == 2
    for is_on in (True, False):
        feeds = {**FEEDS, "is_on": np.array(is_on)}
        (expected,) = run_model(model.path, feeds)
        (found,) = run_model(tmp_path / "out.onnx", feeds, optimized=True)
        assert sqnr_db(expected, found) > {32: 120, 16: 60, 8: 25, 4: 9, 2: 0}[bits]


def embedding_in_a_loop() -> onnx.ModelProto:
    """Sums the rows that two different orders of the ids look up, with a MatMul behind each lookup."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["ids", "step"], ["id"], axis=0),
            helper.make_node("Gather", ["table", "id"], ["row"], name="lookup"),
            helper.make_node("MatMul", ["row", "w"], ["product"], name="product"),
            helper.make_node("Add", ["sum", "product"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            info("step", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("sum", TensorProto.FLOAT, [2, 24]),
        ],
        [info("go_on", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, [2, 24])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["trips", "", "start"], ["y"], name="loop", body=body)],
        "g",
        [info("ids", TensorProto.INT64, [3, 2])],
        [info("y", TensorProto.FLOAT, [2, 24])],
        [
            numpy_helper.from_array(normal(10, 12), "table"),
            numpy_helper.from_array(normal(12, 24, seed=1), "w"),
            numpy_helper.from_array(np.zeros((2, 24), np.float32), "start"),
            numpy_helper.from_array(np.array(3, np.int64), "trips"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("bits", [16, 8, 4, 2])
def test_that_embeddings_and_products_in_a_loop_are_converted(bits: int, tmp_path: Path) -> None:
    model = open_built(embedding_in_a_loop(), tmp_path)
    assert [layer.name for layer in model.summary.layers] == ["lookup", "product"]
    convert_to(model, build_plan(model.summary, bits), tmp_path / "out.onnx")
    feeds = {"ids": np.array([[0, 9], [3, 4], [5, 5]])}
    (expected,) = run_model(model.path, feeds)
    for is_optimized in (False, True):
        (found,) = run_model(tmp_path / "out.onnx", feeds, optimized=is_optimized)
        assert sqnr_db(expected, found) > {16: 60, 8: 30, 4: 10, 2: 0}[bits]


def product_in_a_scan() -> onnx.ModelProto:
    """A recurrence written out: the state of every step is a MatMul of the last one, plus the step's input."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["product"], name="product"),
            helper.make_node("Add", ["product", "row"], ["next"]),
            helper.make_node("Identity", ["next"], ["seen"]),
        ],
        "body",
        [info("state", TensorProto.FLOAT, [2, 24]), info("row", TensorProto.FLOAT, [2, 24])],
        [info("next", TensorProto.FLOAT, [2, 24]), info("seen", TensorProto.FLOAT, [2, 24])],
    )
    graph = helper.make_graph(
        [helper.make_node("Scan", ["start", "x"], ["last", "y"], name="scan", body=body, num_scan_inputs=1)],
        "g",
        [info("x", TensorProto.FLOAT, [5, 2, 24])],
        [info("last", TensorProto.FLOAT, [2, 24]), info("y", TensorProto.FLOAT, [5, 2, 24])],
        [
            numpy_helper.from_array(normal(24, 24, seed=1, scale=0.1), "w"),
            numpy_helper.from_array(np.zeros((2, 24), np.float32), "start"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize("bits", [16, 8, 4, 2])
def test_that_a_product_in_a_scan_is_stored_packed(bits: int, tmp_path: Path) -> None:
    model = open_built(product_in_a_scan(), tmp_path)
    (layer,) = model.summary.layers
    assert (layer.name, layer.kernels) == ("product", (Kernel.FLOAT,))
    convert_to(model, build_plan(model.summary, bits), tmp_path / "out.onnx")
    stored = [tensor for tensor in onnx.load(tmp_path / "out.onnx").graph.initializer if np.prod(tensor.dims) == 576]
    assert [len(tensor.raw_data) for tensor in stored] == [576 * bits // 8]
    feeds = {"x": normal(5, 2, 24, seed=3)}
    expected = run_model(model.path, feeds)
    for is_optimized in (False, True):
        for one, other in zip(expected, run_model(tmp_path / "out.onnx", feeds, optimized=is_optimized), strict=True):
            assert sqnr_db(one, other) > {16: 60, 8: 30, 4: 10, 2: 0}[bits]


def run_silero(path: Path, samples: Array) -> tuple[Array, Array]:
    """Speech probabilities and states, frame by frame, the state carried along."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
    outputs, states = [], []
    for start in range(0, len(samples) - 511, 512):
        frame = np.concatenate([context, samples[start : start + 512]])[None]
        context = frame[0, -64:]
        output, state = session.run(None, {"input": frame, "state": state, "sr": np.array(16000)})
        outputs.append(output)
        states.append(state)
    return np.array(outputs), np.array(states)


@pytest.mark.assets
def test_that_silero_shrinks_to_its_weights_and_hears_the_same(assets: Path, tmp_path: Path) -> None:
    path = assets / "models" / "silero_vad_16k_op15.onnx"
    with wave.open(str(assets / "data" / "silero_test.wav")) as file:
        samples = np.frombuffer(file.readframes(16000 * 12), np.int16).astype(np.float32) / 32768
    model = open_model(path)
    assert len(model.summary.layers) == 10
    assert not model.summary.notes
    plan = build_plan(model.summary, 8, PlanDefaults(activations=ActivationMode.FLOAT))
    result = convert_to(model, plan, tmp_path / "out.onnx")
    assert 0.25 < result.file_bytes / result.source_bytes < 0.30
    expected, found = run_silero(path, samples), run_silero(tmp_path / "out.onnx", samples)
    assert sqnr_db(expected[0], found[0]) > 30
    assert sqnr_db(expected[1], found[1]) > 15
