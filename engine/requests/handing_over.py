"""What goes to others: the deployment bundle and the report."""

from __future__ import annotations

from dataclasses import dataclass

from engine.plan import Plan
from engine.requests.benchmark import Benchmark, BenchmarkPoint
from engine.requests.conversion import Evaluation
from engine.requests.data import DataChoice
from engine.sensitivity.matrix import Metric, Sensitivity


@dataclass(frozen=True)
class BundleRequest:
    """Put a converted model and all that serves it into a folder or a .zip, and run it → `BundleResult`.

    Attributes:
        model: an ONNX file; its plan and manifest are taken from beside it.
        output: the folder or .zip to write, which must not be there yet.
        data: what the bundle is tried on, and where its preprocessing and class names come from; drawn without it.
        labels: a file with one class name per line, instead of the names in the data.
        calibration: a calibration file to put in.
        evaluation, benchmark: what was measured, for the manifest.
    """

    model: str
    output: str
    data: DataChoice | None = None
    name: str = "model"
    version: str = "1.0.0"
    labels: str | None = None
    calibration: str | None = None
    evaluation: Evaluation | None = None
    benchmark: BenchmarkPoint | None = None


@dataclass(frozen=True)
class BundleResult:
    """A written bundle that was run before it got its name.

    Attributes:
        files: names in the bundle.
        sample: what it was tried on, in words.
        predicted_class: of the model on that sample, the same by the workbench, predict.py and the service; None for
            models that give no class.
        predicted_name: of that class; "" if unknown.
        seconds: how long the service took to start and to answer the first request.
    """

    output: str
    files: tuple[str, ...]
    file_bytes: int
    sample: str
    predicted_class: int | None
    predicted_name: str
    seconds: float


@dataclass(frozen=True)
class ReportRequest:
    """Write one HTML file that says what was done and measured, without loading anything → `ReportResult`.

    Attributes:
        model: the float model.
        results: converted models; their plans and manifests are read from beside them.
        plan: shown if it is not the plan of a result.
        metric: what the heatmap and the front show; by default what the sensitivity ranks by.
        data: of analysis and calibration, `evaluation_data` of evaluation: for the commands.
        calibration_samples: that the results were made with; None if that is not known.
        worst_layers: how many distributions to show.
    """

    model: str
    output: str
    results: tuple[str, ...] = ()
    plan: Plan | None = None
    sensitivity: Sensitivity | None = None
    metric: Metric | None = None
    evaluations: tuple[Evaluation, ...] = ()
    benchmark: Benchmark | None = None
    data: DataChoice | None = None
    evaluation_data: DataChoice | None = None
    calibration_samples: int | None = None
    worst_layers: int = 6


@dataclass(frozen=True)
class ReportResult:
    """A written report."""

    output: str
    file_bytes: int
