"""A project with something in every field."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from engine.latency.figures import FLOAT_FORM, STATIC_FORM, Crossing, Latencies, LatencyCell, LayerLatency
from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan
from engine.project.project import CalibrationFile, LoadedData, ModelReference, Project, WindowState
from engine.project.runs import Run, RunFile
from engine.requests.allocation import PolishStep, Prediction
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.conversion import ConvertResult, Evaluation, LayerOutcome
from engine.requests.data import DataChoice, DataSummary
from engine.sensitivity.matrix import Cell, Metric, Sensitivity, SensitivityRow

SHA = "ab" * 32


def build_plan(bits: int = 8) -> Plan:
    layers = {
        "conv0": LayerPlan(WeightScheme(bits=bits), Kernel.QLINEAR, is_locked=True),
        "größe/1": LayerPlan(WeightScheme(bits=4, granularity=PerGroup(32)), Kernel.QLINEAR, extra={"reason": "small"}),
    }
    return Plan(SHA, "net.onnx", layers, provenance="by hand", extra={"from_the_future": [1]})


def build_run(number: int, folder: Path) -> Run:
    output = str(folder / f"net-{number}.onnx")
    layers = (LayerOutcome("conv0", 8, "qlinear", is_integer=True), LayerOutcome("größe/1", 4, "float", False))
    converted = ConvertResult(output, 900, 910, 4000, 31.5, math.inf, 32, layers, ("one warning",), opset=21)
    return Run(
        converted,
        build_plan(),
        5.25,
        id=f"run{number}",
        number=number,
        created="2026-01-02T03:04:05+00:00",
        parent=f"run{number - 1}" if number > 1 else "",
        data_digest="d" * 64,
        files=(RunFile(f"net-{number}.onnx", 900, "f" * 64),),
        evaluation=Evaluation(output, "/models/net.onnx", 500, top1=98.5, sqnr_db=30.0, reference_top1=98.75),
        benchmark=BenchmarkPoint(output, 900, {"p50": 0.5, "p99": 0.75}, 2000.0, 2.5, None, 17, (0.5, 0.625)),
        note="the good one\nin two lines",
        is_pinned=number == 2,
        is_compared=number != 1,
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Every field holds something else than its default."""
    for name in ("net.onnx", "data.npz", "test.npz", "prepare.json"):
        (tmp_path / name).write_bytes(name.encode())
    calibration = tmp_path / "work" / "statistics.npz"
    calibration.parent.mkdir()
    calibration.write_bytes(b"statistics of activations")
    cells = {8: Cell({Metric.SQNR: 40.5, Metric.KL: 0.25}, {Metric.KL: 0.125}, 64), 4: Cell({Metric.SQNR: math.inf})}
    row = SensitivityRow("conv0", cells, {8: 100, 4: 50}, {ActivationMode.STATIC: Cell({Metric.SQNR: 50.0})})
    latency = LayerLatency("conv0", {FLOAT_FORM: LatencyCell(12.5), STATIC_FORM: LatencyCell(4.5, 0.5, True)})
    step = PolishStep(build_plan(4), Prediction(800, 4.5, 900, 20.0, 1.5), {Metric.KL: 0.5}, 7)
    return Project(
        model=ModelReference(str(tmp_path / "net.onnx"), SHA, 4000),
        plan=build_plan(2),
        baseline=build_plan(8),
        data=LoadedData(
            DataChoice(str(tmp_path / "data.npz"), str(tmp_path / "prepare.json")),
            DataSummary(200, True, "d" * 64, "200 samples"),
            DataChoice(str(tmp_path / "test.npz"), skip=3),
            DataSummary(500, True, "e" * 64, "500 samples", is_tokens=True),
            128,
        ),
        sensitivity=Sensitivity(SHA, "net.onnx", "exact", 64, "d" * 64, {"conv0": row}),
        is_analysed=True,
        latencies=Latencies(
            SHA, "net.onnx", "a CPU", "a runtime", 1, 1, 3.5, {"conv0": latency}, {"add": 1.0}, {"pool": 2.0},
            {"t": 64}, Crossing(0.5, 0.25), True,
        ),
        measured=(step, dataclasses.replace(step, evaluations=9)),
        float_benchmark=BenchmarkPoint(str(tmp_path / "net.onnx"), 4000, {"p50": 1.0}, 1000.0, 1.0, 5, 3),
        calibration=CalibrationFile(calibration, "d" * 64, 128),
        runs=tuple(build_run(number, tmp_path) for number in (1, 2, 3)),
        runs_made=5,
        origin="run3",
        window=WindowState("kl", "conv0", "history_page"),
    )  # fmt: skip
