"""Where a result and its float model part: layers, samples, pictures; and what keeps it from being faster."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from engine.affinity import available_cores, keep_to
from engine.benchmark import benchmark
from engine.bottlenecks.finding import find_bottlenecks
from engine.bottlenecks.report import (
    SENTENCES,
    BottleneckKind,
    Bottlenecks,
    SpeedRemedyKind,
    describe_bottleneck,
    describe_remedy,
)
from engine.cli.program import run_program
from engine.comparing.changed_samples import find_changed_samples
from engine.comparing.layer_errors import measure_layer_errors
from engine.comparing.pictures import draw_picture
from engine.data.preprocessing import Preprocessing
from engine.errors import DataError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.numerics.schemes import ActivationMode
from engine.plan import PlanDefaults, build_plan
from engine.requests.benchmark import BenchmarkRequest, BottlenecksRequest, RunSetting
from engine.requests.comparison import ChangedSamplesRequest, LayerErrorsRequest
from engine.requests.conversion import ConvertRequest
from engine.requests.data import DataChoice
from tests.engine.models import build_model, normal, save_model


def write_mlp(folder: Path, name: str = "mlp.onnx", *, noise: float = 0.0) -> Path:
    """Two MatMul layers and a Relu, 8 → 16 → 4; `noise` is added to the second weight."""
    second = normal(16, 4, seed=2) + noise * normal(16, 4, seed=3)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="second"),
    ]
    model = build_model(nodes, {"x": ("n", 8)}, ["y"], {"w1": normal(8, 16, seed=1), "w2": second})
    return save_model(model, folder, name)


def write_data(folder: Path, samples: int = 40) -> DataChoice:
    path = folder / "data.npz"
    np.savez(path, x=normal(samples, 8, seed=7), y=np.arange(samples) % 4)
    return DataChoice(str(path))


def convert_sample(model: Path, data: Path, output: Path, mode: ActivationMode, bits: int = 8) -> Path:
    plan = build_plan(open_model(model).summary, bits, PlanDefaults(activations=mode))
    run_request(ConvertRequest(str(model), plan, str(output), DataChoice(str(data)), samples=32), JobContext())
    return output


def run_of(path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)


def test_that_a_layer_error_is_the_sqnr_of_its_output(tmp_path: Path) -> None:
    model, result, data = write_mlp(tmp_path), write_mlp(tmp_path, "noisy.onnx", noise=0.1), write_data(tmp_path)
    found = measure_layer_errors(
        open_model(model), LayerErrorsRequest(str(model), (str(result),), data, samples=16), JobContext()
    )
    feeds = {"x": np.load(data.path)["x"][:16]}
    expected, given = run_of(model, feeds)[0].astype(float), run_of(result, feeds)[0].astype(float)
    sqnr_db = 10 * math.log10((expected**2).sum() / ((expected - given) ** 2).sum())
    assert found.samples == 16
    assert [layer.layer for layer in found.layers] == ["first", "second"]
    assert found.layers[0].sqnr_db == (math.inf,)
    assert found.layers[1].sqnr_db[0] == pytest.approx(sqnr_db, abs=1e-3)


def test_that_layers_inside_a_body_are_listed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def branch(name: str, weight: str) -> onnx.GraphProto:
        node = helper.make_node("MatMul", ["h", weight], [f"{name}_y"], name=f"{name}_product")
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_y", 1, ["n", 4])])

    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], name="first"),
        helper.make_node("ReduceSum", ["h"], ["total"], name="total", keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["is_on"], name="test"),
        helper.make_node(
            "If", ["is_on"], ["y"], name="choice", then_branch=branch("then", "w2"), else_branch=branch("other", "w3")
        ),
    ]
    weights = {"w1": normal(8, 16, seed=1), "w2": normal(16, 4, seed=2), "w3": normal(16, 4, seed=3)}
    model = build_model(nodes, {"x": ("n", 8)}, ["y"], weights | {"zero": np.zeros((), np.float32)})
    path, data = save_model(model, tmp_path, "choice.onnx"), write_data(tmp_path)
    result = convert_sample(path, Path(data.path), tmp_path / "four.onnx", ActivationMode.FLOAT, bits=4)
    found = measure_layer_errors(open_model(path), LayerErrorsRequest(str(path), (str(result),), data), JobContext())
    assert [(layer.layer, layer.body_of) for layer in found.layers] == [
        ("first", ""), ("other_product", "If"), ("then_product", "If")
    ]  # fmt: skip
    assert [layer.sqnr_db[0] is None for layer in found.layers] == [False, True, True]
    arguments = ["evaluate", str(result), "--reference", str(path), "--data", data.path, "--layers"]
    assert run_program(arguments) == 0
    text = capsys.readouterr().out
    assert "2 layers run inside If, whose tensors cannot be read from outside." in text
    assert "could be matched" not in text
    assert run_program([*arguments, "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert [layer.get("body_of") for layer in layers] == [None, "If", "If"]


def test_that_every_layer_of_a_conversion_is_matched_and_that_of_a_stranger_is_said_not_to_be(
    tmp_path: Path, sample_model: Path, sample_calibration_data: Path
) -> None:
    dynamic = convert_sample(sample_model, sample_calibration_data, tmp_path / "d.onnx", ActivationMode.DYNAMIC)
    stranger = onnx.load(str(sample_model))
    kept = {value.name for value in stranger.graph.output}
    renamed = {name: f"other_{name}" for node in stranger.graph.node for name in node.output if name not in kept}
    for node in stranger.graph.node:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    onnx.save(stranger, tmp_path / "stranger.onnx")
    request = LayerErrorsRequest(
        str(sample_model),
        (str(dynamic), str(tmp_path / "d.onnx")),
        DataChoice(str(sample_calibration_data)),
        samples=4,
    )
    found = run_request(request, JobContext())
    assert all(value is not None and value > 20 for layer in found.layers for value in layer.sqnr_db)  # type: ignore[attr-defined]
    foreign = run_request(dataclasses.replace(request, results=(str(tmp_path / "stranger.onnx"),)), JobContext())
    matched = [layer.layer for layer in foreign.layers if layer.sqnr_db[0] is not None]  # type: ignore[attr-defined]
    assert matched == ["head.fc"]


def test_that_changed_samples_are_ranked_by_changed_class_then_kl(tmp_path: Path) -> None:
    model, result, data = write_mlp(tmp_path), write_mlp(tmp_path, "noisy.onnx", noise=0.4), write_data(tmp_path)
    request = ChangedSamplesRequest(str(model), str(result), data, count=24)
    found = find_changed_samples(request, JobContext())
    feeds = {"x": np.load(data.path)["x"]}
    expected, given = run_of(model, feeds)[0].astype(float), run_of(result, feeds)[0].astype(float)
    p, q = (np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True) for scores in (expected, given))
    kl = (p * np.log(p / q)).sum(axis=1)
    changed = expected.argmax(axis=1) != given.argmax(axis=1)
    order = sorted(range(40), key=lambda at: (changed[at], kl[at]), reverse=True)[:24]
    assert 0 < changed.sum() < 24
    assert found.changed == changed.sum()
    assert [sample.index for sample in found.worst] == order
    worst = found.worst[0]
    assert worst.before is not None
    assert worst.after is not None
    assert (worst.before.number, worst.after.number) == (expected[order[0]].argmax(), given[order[0]].argmax())
    assert worst.after.probability == pytest.approx(q[order[0]].max(), rel=1e-4)
    assert worst.kl == pytest.approx(kl[order[0]], rel=1e-3)
    assert worst.label == order[0] % 4
    assert worst.picture is None
    later = find_changed_samples(dataclasses.replace(request, data=dataclasses.replace(data, skip=10)), JobContext())
    assert {sample.index for sample in later.worst} <= set(range(10, 40))
    with pytest.raises(DataError, match="1 to 24"):
        find_changed_samples(dataclasses.replace(request, count=25), JobContext())


def test_that_a_picture_is_the_pixels_before_preprocessing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    preprocessing = Preprocessing(color="BGR", scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    inputs = {"x": preprocessing.normalize(pixels[..., ::-1], np.dtype(np.float32))}
    png = draw_picture(inputs, 1, preprocessing)
    assert png is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels[1])
    assert draw_picture({"x": normal(2, 8)}, 0, None) is None


def test_that_memory_load_time_and_a_sweep_are_measured_in_every_setting(tmp_path: Path) -> None:
    model = str(write_mlp(tmp_path))
    core = available_cores()[0]
    settings = (RunSetting(1, 4), RunSetting(2, 1, (core,)), RunSetting(1, 1, (9999,)))
    found = benchmark(BenchmarkRequest((model, model), seconds=0.1, sweep=settings, sweep_seconds=0.1), JobContext())
    point = found.points[0]
    assert point.load_ms is not None
    assert 0 < point.load_ms < 60_000
    assert point.rss_bytes is not None
    if point.pss_bytes is not None and point.uss_bytes is not None:
        assert 0 <= point.uss_bytes <= point.pss_bytes
    assert [(swept.path, swept.setting) for swept in found.sweep] == [
        (path, setting) for setting in settings[:2] for path in (model, model)
    ]
    assert all(
        swept.throughput_per_s == pytest.approx(swept.setting.batch * 1e3 / swept.latency_ms["p50"])
        for swept in found.sweep
    )
    assert len(found.notes) == 1
    assert "9999" in found.notes[0]


def test_that_affinity_is_taken_back() -> None:
    before = available_cores()
    with keep_to(before[:1]):
        assert available_cores() == before[:1]
    assert available_cores() == before
    for cores in ((-1,), (10**20,)):
        with pytest.raises(DataError, match=f"no processor {cores[0]} "), keep_to(cores):
            pass


def why(model: Path, result: Path, **changes: object) -> Bottlenecks:
    request = dataclasses.replace(BottlenecksRequest(str(model), str(result), seconds=0.3), **changes)
    found = find_bottlenecks(open_model(model), request, JobContext())
    for finding in found.findings:
        assert "{" not in describe_bottleneck(finding, found)
        assert all("{" not in describe_remedy(remedy) for remedy in finding.remedies)
    return found


def write_unfused(folder: Path) -> Path:
    """The MLP, its weights dequantized alone, and a Q/DQ pair between operators without an integer kernel."""
    constants = {"s": np.float32(0.05), "z": np.uint8(128), "ws": np.float32(0.02), "wz": np.int8(0)}
    for name, weight in (("w1", normal(8, 16, seed=1)), ("w2", normal(16, 4, seed=2))):
        constants[name] = np.clip(np.rint(weight / 0.02), -127, 127).astype(np.int8)

    def node(op: str, inputs: list[str], output: str, name: str = "") -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], name=name or output)

    nodes = [
        node("DequantizeLinear", ["w1", "ws", "wz"], "dw1"),
        node("DequantizeLinear", ["w2", "ws", "wz"], "dw2"),
        node("MatMul", ["x", "dw1"], "h", "first"),
        node("Sin", ["h"], "t"),
        node("QuantizeLinear", ["t", "s", "z"], "tq"),
        node("DequantizeLinear", ["tq", "s", "z"], "td"),
        node("Sin", ["td"], "r"),
        node("MatMul", ["r", "dw2"], "y", "second"),
    ]
    arrays = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, ["n", 8])], [value("y", TensorProto.FLOAT, ["n", 4])], arrays
    )
    path = folder / "qdq.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def kinds(found: Bottlenecks) -> set[BottleneckKind]:
    return {finding.kind for finding in found.findings}


def test_that_unfused_pairs_and_weights_dequantized_in_every_call_are_found(tmp_path: Path) -> None:
    found = why(write_mlp(tmp_path), write_unfused(tmp_path))
    by_kind = {finding.kind: finding for finding in found.findings}
    pairs = by_kind[BottleneckKind.UNFUSED_PAIRS]
    assert (pairs.figures["quantize"], pairs.figures["dequantize"]) == (1, 1)
    weights = by_kind[BottleneckKind.DEQUANTIZED_WEIGHTS]
    assert weights.figures["count"] == 2
    assert set(weights.layers) == {"first", "second"}
    assert [remedy.kind for remedy in weights.remedies] == [SpeedRemedyKind.CONVERT_HERE]
    operators = {item.operator: item for item in found.operators}
    assert (operators["Sin"].float_nodes, operators["Sin"].result_nodes) == (0, 2)


def test_that_a_tiny_model_and_too_many_threads_are_found(tmp_path: Path) -> None:
    model = write_mlp(tmp_path)
    threads = len(available_cores()) + 3
    by_kind = {finding.kind: finding for finding in why(model, model, threads=threads).findings}
    assert by_kind[BottleneckKind.TINY_MODEL].remedies[0].kind == SpeedRemedyKind.LARGER_BATCH
    crowded = by_kind[BottleneckKind.OVERSUBSCRIBED]
    assert crowded.figures == {"threads": threads, "cores": len(available_cores())}
    assert crowded.remedies[0].threads == len(available_cores())


def test_that_layers_that_compute_in_float_are_told_by_what_they_store(
    tmp_path: Path, sample_model: Path, sample_calibration_data: Path
) -> None:
    dynamic = convert_sample(sample_model, sample_calibration_data, tmp_path / "d.onnx", ActivationMode.DYNAMIC)
    static = convert_sample(sample_model, sample_calibration_data, tmp_path / "s.onnx", ActivationMode.STATIC)
    found = {finding.kind: finding for finding in why(sample_model, dynamic).findings}
    convolutions = {layer.name for layer in open_model(sample_model).layers if layer.op == "Conv"}
    only = found[BottleneckKind.WEIGHTS_ONLY]
    assert set(only.layers) == convolutions
    assert only.figures["cost_share"] > 0.5
    assert only.remedies[0].kind == SpeedRemedyKind.STATIC_ACTIVATIONS
    assert found[BottleneckKind.DYNAMIC_KERNELS].figures["count"] == 1
    all_integer = why(sample_model, static)
    assert not kinds(all_integer) & {
        BottleneckKind.WEIGHTS_ONLY, BottleneckKind.FLOAT_LAYERS, BottleneckKind.UNFUSED_PAIRS,
        BottleneckKind.DEQUANTIZED_WEIGHTS, BottleneckKind.DYNAMIC_KERNELS,
    }  # fmt: skip
    plain = {finding.kind: finding for finding in why(sample_model, sample_model).findings}
    assert set(plain[BottleneckKind.FLOAT_LAYERS].layers) >= convolutions


def test_that_a_processor_without_fast_8_bit_products_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_mlp(tmp_path)
    monkeypatch.setattr("engine.bottlenecks.finding.cpu_features", lambda: frozenset({"AVX2"}))
    slow = [finding for finding in why(model, model).findings if finding.kind == BottleneckKind.NO_INTEGER_INSTRUCTIONS]
    assert [remedy.kind for remedy in slow[0].remedies] == [SpeedRemedyKind.REDUCE_RANGE]
    monkeypatch.setattr("engine.bottlenecks.finding.cpu_features", lambda: frozenset({"AVX2", "AVX512-VNNI"}))
    assert BottleneckKind.NO_INTEGER_INSTRUCTIONS not in kinds(why(model, model))


def test_that_every_kind_has_a_sentence() -> None:
    assert set(SENTENCES) == set(BottleneckKind)


def test_that_the_command_line_says_why_and_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, result, data = str(write_mlp(tmp_path)), str(write_unfused(tmp_path)), write_data(tmp_path)
    assert run_program(["benchmark", model, result, "--why", "--seconds", "0.2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "unfused_pairs" in {finding["kind"] for finding in document["findings"]}
    assert document["speedup"] == pytest.approx(document["float_us"] / document["result_us"])
    arguments = ["--threads", "1,2", "--batch", "1,4", "--seconds", "0.05", "--json"]
    assert run_program(["benchmark", model, *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(point["threads"], point["batch"]) for point in document["sweep"]] == [(1, 4), (2, 1), (2, 4)]
    assert document["models"][0]["load_ms"] > 0
    evaluation = ["evaluate", result, "--reference", model, "--data", data.path, "--layers", "--changed", "3", "--json"]
    assert run_program(evaluation) == 0
    document = json.loads(capsys.readouterr().out)
    assert [layer["name"] for layer in document["layers"]] == ["second", "first"]
    assert len(document["changed_samples"]) == 3
    assert run_program(["benchmark", model, "--why"]) == 2
    assert run_program(["evaluate", result, "--data", data.path, "--layers"]) == 2
