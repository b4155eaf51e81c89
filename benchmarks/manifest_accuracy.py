"""Every labelled model of ../shared/assets: float, our static INT8 by default settings, and onnxruntime's.

    python -m benchmarks.manifest_accuracy [--models resnet20 …] [--methods MinMax Percentile Entropy]
                                           [--ranges minmax entropy …] [--samples 128] [--evaluate 5000]

onnxruntime quantizes per channel, after its own preparation, and is calibrated on the same 128 samples. With --ranges,
ours is also calibrated by other methods than the default.
Everything is evaluated by the same code on the samples that were not used for calibration. "drop" is top-1
lost against float, in points, or the perplexity gained.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime import quantization as ort_quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from engine.data.dataset import open_dataset
from engine.errors import BitsmithError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.numerics.schemes import ActivationRange, CalibrationMethod
from engine.plan import PlanDefaults, build_plan
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary

ASSETS = Path(__file__).resolve().parents[2] / "shared" / "assets"
METHODS = ("MinMax", "Percentile", "Entropy")


@dataclass(frozen=True)
class Subject:
    """A model and its data; calibration and evaluation share a file where `calibration` is None."""

    file: str
    data: str
    preprocess: str | None = None
    calibration: str | None = None

    @property
    def model(self) -> Path:
        """The float model."""
        return ASSETS / "models" / self.file

    def choice(self, data: str, skip: int) -> DataChoice:
        """`data` without its first `skip` samples."""
        folder = ASSETS / "data"
        return DataChoice(str(folder / data), str(folder / self.preprocess) if self.preprocess else None, skip)

    def calibration_data(self) -> DataChoice:
        """Where the first samples calibrate."""
        return self.choice(self.calibration or self.data, 0)

    def evaluation_data(self, samples: int) -> DataChoice:
        """What calibration on `samples` did not see."""
        return self.choice(self.data, 0 if self.calibration else samples)


SUBJECTS = {
    "resnet20": Subject(
        "cifar10_resnet20.onnx", "cifar10_test_5000.npz", "cifar10.preprocess.json", "cifar10_calib_1000.npz"
    ),
    "mobilenet_v2": Subject("imagenet_mobilenet_v2_dequant_ptq.onnx", "imagenet_500", "mobilenet_v2.preprocess.json"),
    "squeezenet": Subject("imagenet_squeezenet1.1.onnx", "imagenet_500", "squeezenet.preprocess.json"),
    "kws_dscnn": Subject("kws_dscnn.onnx", "kws_mfcc_500.npz"),
    "mnist_cntk": Subject("mnist_cntk.onnx", "mnist_test_5000.npz", "mnist.preprocess.json"),
    "stories260K": Subject("stories260K.onnx", "tinystories_tok512_seq257.npz"),
}


class _Reader(ort_quantization.CalibrationDataReader):
    def __init__(self, choice: DataChoice, summary: ModelSummary, samples: int) -> None:
        dataset = open_dataset(choice, summary.inputs)
        self._batches: Iterator[Any] = iter(dataset.batches(dataset.batch_size_for(1), limit=samples))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch.inputs)


def quantize_own(subject: Subject, output: Path, samples: int, ranges: ActivationRange) -> None:
    """INT8 by default settings, but for the activation ranges."""
    summary = run_request(OpenRequest(str(subject.model)), JobContext())
    assert isinstance(summary, ModelSummary)
    plan = build_plan(summary, 8, PlanDefaults(activation_range=ranges))
    request = ConvertRequest(str(subject.model), plan, str(output), data=subject.calibration_data(), samples=samples)
    assert isinstance(run_request(request, JobContext()), ConvertResult)


def prepare_for_onnxruntime(model: Path, output: Path) -> Path:
    """Its recommended preparation, without symbolic shapes where these fail, or the model as it is."""
    for is_symbolic in (True, False):
        try:
            quant_pre_process(str(model), str(output), skip_symbolic_shape=not is_symbolic)
            onnx.load(str(output))
        except Exception:  # noqa: BLE001, S112  whatever it raises, the next attempt is what its users do
            continue
        return output
    return model


def quantize_with_onnxruntime(subject: Subject, output: Path, samples: int, method: str) -> None:
    """Static QDQ, per channel, uint8 activations."""
    summary = run_request(OpenRequest(str(subject.model)), JobContext())
    assert isinstance(summary, ModelSummary)
    # It leaves files of its shape inference in the working directory.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(output.parent):
        ort_quantization.quantize_static(
            str(prepare_for_onnxruntime(subject.model, output.with_suffix(".prepared.onnx"))),
            str(output),
            _Reader(subject.calibration_data(), summary, samples),
            quant_format=ort_quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=ort_quantization.QuantType.QUInt8,
            weight_type=ort_quantization.QuantType.QInt8,
            calibrate_method=ort_quantization.CalibrationMethod[method],
        )


def measure(model: Path, subject: Subject, samples: int, limit: int) -> Evaluation:
    """Accuracy of `model`, and how far it is from float."""
    data = subject.evaluation_data(samples)
    found = run_request(EvaluateRequest(str(model), data, str(subject.model), limit), JobContext())
    assert isinstance(found, Evaluation)
    return found


def print_row(name: str, found: Evaluation, size: int, seconds: float) -> None:
    """One line of the table."""
    if found.perplexity is not None:
        quality = f"ppl {found.perplexity:7.3f}"
        drop = found.perplexity - (found.reference_perplexity or found.perplexity)
    else:
        quality = f"top1 {found.top1 or 0.0:6.2f}"
        drop = (found.reference_top1 or 0.0) - (found.top1 or 0.0)
    print(
        f"  {name:18} {quality:12} drop {drop:6.3f} agree {found.agreement or 0.0:6.2f} "
        f"SQNR {found.sqnr_db or 0.0:6.2f} dB {size / 1e6:7.2f} MB {seconds:6.1f} s",
        flush=True,
    )


def compare(name: str, args: argparse.Namespace) -> None:
    """All rows of one model."""
    samples, limit = args.samples, args.evaluate
    own = {"bitsmith": ActivationRange()} | {f"bitsmith {kind}": ActivationRange(kind) for kind in args.ranges}
    subject = SUBJECTS[name]
    reference = measure(subject.model, subject, samples, limit)
    print(f"{name}: {reference.samples} samples evaluated, {samples} calibrate")
    print_row("float", reference, subject.model.stat().st_size, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for kind in (*own, *args.methods):
            output = Path(folder) / f"{kind}.onnx"
            started = time.perf_counter()
            try:
                if kind in own:
                    quantize_own(subject, output, samples, own[kind])
                else:
                    quantize_with_onnxruntime(subject, output, samples, kind)
                seconds = time.perf_counter() - started
                row = kind if kind in own else f"ort {kind}"
                print_row(row, measure(output, subject, samples, limit), output.stat().st_size, seconds)
            except BitsmithError as error:
                print(f"  {kind:18} refused: {error}", flush=True)
            except Exception as error:  # noqa: BLE001  a failing peer is a row of the table
                text = str(error).strip().splitlines() or ["no text"]
                print(f"  {kind:18} FAILS: {type(error).__name__}: {text[0][:120]}", flush=True)


def main() -> None:
    """Parse arguments, and say so where the assets are absent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=sorted(SUBJECTS), default=list(SUBJECTS))
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--ranges", nargs="*", type=CalibrationMethod, choices=list(CalibrationMethod), default=[])
    parser.add_argument("--samples", type=int, default=128, help="to calibrate on")
    parser.add_argument("--evaluate", type=int, default=5000, help="samples at most")
    args = parser.parse_args()
    if not ASSETS.is_dir():
        print(f"The real models and data are absent ({ASSETS}): nothing to measure.")
        return
    logging.disable(logging.WARNING)
    for name in args.models:
        compare(name, args)


if __name__ == "__main__":
    main()
