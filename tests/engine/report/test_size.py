"""A report stays small and quick to write, whatever the size of the network."""

from __future__ import annotations

import numpy as np

from engine.allocation import find_front
from engine.numerics.schemes import Kernel
from engine.plan import build_plan
from engine.pytorch.import_cache import ImportOptions
from engine.report.contents import CURRENT_PLAN, Contents
from engine.report.page import format_page
from engine.requests.allocation import FrontRequest
from engine.requests.handing_over import ReportRequest
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow
from engine.summary import LayerSummary, ModelSummary

LAYERS = 4000


def test_that_four_thousand_layers_give_less_than_five_megabytes() -> None:
    layers = tuple(build_layer(number) for number in range(LAYERS))
    model = ModelSummary("net.onnx", "0" * 64, 100_000_000, 5000, 21, "test", (), (), layers, ())
    sqnr = np.random.default_rng(0).uniform(0, 70, (LAYERS, 4))
    rows = {
        layer.name: SensitivityRow(
            layer.name,
            {bits: Cell({Metric.SQNR: float(value)}) for bits, value in zip((16, 8, 4, 2), values, strict=True)},
            dict.fromkeys((16, 8, 4, 2), 100),
        )
        for layer, values in zip(layers, sqnr, strict=True)
    }
    sensitivity = Sensitivity(model.sha256, "net.onnx", "quick", 64, "", rows)
    plan = build_plan(model, 8)
    front = find_front(FrontRequest(model, sensitivity, plan))
    request = ReportRequest("net.onnx", "net.html", sensitivity=sensitivity, plan=plan)
    contents = Contents(
        request, model, (), plan, CURRENT_PLAN, Metric.SQNR, front, (), None, (("Written", "today"),), ImportOptions()
    )  # fmt: skip
    text = format_page(contents)
    assert len(text.encode()) < 5_000_000
    assert "Shown are the 1,500 layers of 4,000 that lose most." in text
    worst = int(sqnr.min(axis=1).argmin())
    assert layers[worst].title in text


def build_layer(number: int) -> LayerSummary:
    name = f"model.encoder.layers.{number // 8}.attention.self.projection{number % 8}"
    return LayerSummary(
        name=name, title=name, op="MatMul", detail="MatMul 128×128", weight_shape=(128, 128), axis=1, channels=128,
        inputs_per_channel=128, parameters=16384, bias_elements=0, macs=16384, input_name="x", output_name="y",
        constant_name_bytes=20, kernels=(Kernel.QLINEAR, Kernel.FLOAT), weight_name=name,
    )  # fmt: skip
