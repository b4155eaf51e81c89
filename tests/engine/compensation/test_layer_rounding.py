"""What is handed out of a layer whose codes were chosen, against the written files as ONNX Runtime runs them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.job_context import CallbackContext
from engine.jobs.operations.conversion import run_convert
from engine.jobs.operations.opened_models import open_cached
from engine.numerics.schemes import ActivationMode, Rounding
from engine.plan import Plan, PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, LayerRounding
from engine.requests.data import DataChoice

INPUTS, OUTPUTS, SAMPLES = 24, 16, 64
Floats = npt.NDArray[np.float32]


@pytest.fixture
def layer_file(tmp_path: Path) -> Path:
    """A model of one Gemm with a bias, and correlated inputs that are not centred."""
    draw = np.random.default_rng(3)
    weight = draw.normal(size=(OUTPUTS, INPUTS)).astype(np.float32)
    bias = draw.normal(size=OUTPUTS).astype(np.float32)
    x = (draw.normal(size=(SAMPLES, INPUTS)) @ draw.normal(size=(INPUTS, INPUTS)) + 2.0).astype(np.float32)
    node = helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], name="layer", transB=1)
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", INPUTS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", OUTPUTS])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", x=x, bias=bias)
    return tmp_path / "net.onnx"


def convert(model: Path, plan: Plan, name: str) -> tuple[Path, list[LayerRounding]]:
    heard: list[object] = []
    request = ConvertRequest(
        str(model), plan, str(model.with_name(name)), DataChoice(str(model.with_name("x.npy"))), samples=SAMPLES
    )
    run_convert(request, CallbackContext(partial_ready=heard.append))
    return model.with_name(name), [item for item in heard if isinstance(item, LayerRounding)]


def run(path: Path, x: Floats) -> Floats:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output: Floats = session.run(None, {"x": x})[0]
    return output


def test_that_the_figures_are_those_of_the_written_files(layer_file: Path) -> None:
    with np.load(layer_file.with_name("data.npz")) as arrays:
        x, bias = arrays["x"], arrays["bias"]
    np.save(layer_file.with_name("x.npy"), x)
    summary = open_cached(str(layer_file)).summary
    nearest = build_plan(summary, 2, PlanDefaults(activations=ActivationMode.FLOAT))
    chosen = nearest.with_layers(
        {name: dataclasses.replace(layer, rounding=Rounding.GPTQ) for name, layer in nearest.layers.items()}
    )
    before, silent = convert(layer_file, nearest, "before.onnx")
    after, (heard,) = convert(layer_file, chosen, "after.onnx")
    assert silent == []
    assert (heard.layer, heard.rounding) == (summary.layers[0].name, Rounding.GPTQ)

    reference = run(layer_file, x).astype(np.float64)
    for path, figure in ((before, heard.nearest_sqnr_db), (after, heard.sqnr_db)):
        noise = np.square(reference - run(path, x)).sum()
        expected = 10 * math.log10(np.square(reference - bias).sum() / noise)
        assert figure == pytest.approx(expected, abs=0.01)
    assert heard.sqnr_db > heard.nearest_sqnr_db + 1
