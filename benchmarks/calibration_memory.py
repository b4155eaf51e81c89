"""Peak memory and time of calibration, ours and onnxruntime's in turn: is memory flat, how much faster is it.

    python -m benchmarks.calibration_memory [--samples 16 64 256] [--method entropy] [--runs 1]
                                            [--peer] [--peer-method Entropy] [--peer-bins 2048]

ResNet-50 with random weights, 224×224 inputs. From the path of the model to the scale of every activation,
ranges read with `--method` included. Every measurement is a fresh child process; the figure is its own peak
resident set (VmHWM), so nothing of an earlier run is counted. The question of the budget is

    python -m benchmarks.calibration_memory --samples 128 512 --peer --peer-limit 128

and takes 15 GB for onnxruntime. Its entropy calibrator compares one candidate with 128 bins, its default:
`--peer-bins` makes it search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.child_process import Measured, report_measured, run_measured
from benchmarks.networks import write_images, write_resnet50

CHILD = "--child"
OWN = "bitsmith"
PEER_BYTES_PER_SAMPLE = 125_000_000
METHODS = ("minmax", "average", "percentile", "entropy", "mse")


def run_child(arguments: list[str]) -> None:
    """Calibrate in this process and say what it took."""
    kind, model, images, samples, method, bins = arguments
    started = time.perf_counter()
    if kind == OWN:
        run_own(method, Path(model), Path(images), int(samples))
    else:
        run_peer(kind, Path(model), Path(images), int(samples), int(bins))
    report_measured(started)


def run_own(method: str, model: Path, images: Path, samples: int) -> None:
    """One pass over the samples, then the scale of every tensor."""
    from engine.calibration.calibration import load_calibration
    from engine.job_context import JobContext
    from engine.jobs.operations import run_request
    from engine.numerics.schemes import ActivationRange, CalibrationMethod
    from engine.requests.analysis import CalibrateRequest
    from engine.requests.data import DataChoice

    output = model.with_suffix(f".{samples}.calib")
    run_request(CalibrateRequest(str(model), DataChoice(str(images)), str(output), samples), JobContext())
    found = load_calibration(output)
    wanted = ActivationRange(CalibrationMethod(method))
    for tensor in found.tensors:
        found.quantization(tensor, wanted)


def run_peer(method: str, model: Path, images: Path, samples: int, bins: int) -> None:
    """onnxruntime's calibrator on the same samples, one at a time."""
    import numpy as np
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._array = np.load(images, mmap_mode="r")
            self._next = 0

        def get_next(self) -> dict[str, np.ndarray] | None:
            if self._next >= samples:
                return None
            self._next += 1
            return {"input": np.asarray(self._array[self._next - 1 : self._next])}

    calibrator = create_calibrator(
        model,
        None,
        str(model.with_suffix(".augmented.onnx")),
        calibrate_method=CalibrationMethod[method],
        extra_options={"num_bins": bins} if bins else {},
    )
    calibrator.collect_data(Reader())
    calibrator.compute_data()


def main() -> None:
    """Parse arguments and measure, one child process per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--method", default="entropy", choices=METHODS, help="how our ranges are read")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--peer", action="store_true", help="measure onnxruntime too (15 GB at 128 samples)")
    parser.add_argument("--peer-method", default="Entropy", choices=["MinMax", "Percentile", "Entropy"])
    parser.add_argument("--peer-bins", type=int, default=0, help="bins of its histograms (default: its own, 128)")
    parser.add_argument("--peer-limit", type=int, default=128, help="leave onnxruntime out above so many samples")
    parser.add_argument(CHILD, nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run_child(args.child)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_resnet50(folder / "resnet50.onnx")
        images = write_images(folder / "images.npy", max(args.samples))
        print(f"{'calibrator':12} {'samples':>7} {'seconds':>8} {'peak MB':>8}")
        for samples in args.samples:
            compare(model, images, samples, args)


def compare(model: Path, images: Path, samples: int, args: argparse.Namespace) -> None:
    """Measure all calibrators in turn on as many samples, and print the ratio of the fastest runs."""
    kinds = [OWN]
    if args.peer and samples <= args.peer_limit:
        if args.peer_method != "MinMax" and psutil.virtual_memory().available < samples * PEER_BYTES_PER_SAMPLE:
            print(f"{args.peer_method:12} {samples:7} needs {samples * PEER_BYTES_PER_SAMPLE / 1e9:.0f} GB: left out")
        else:
            kinds.append(args.peer_method)
    found: dict[str, list[Measured]] = {kind: [] for kind in kinds}
    for run in range(args.runs):
        for kind in kinds if run % 2 == 0 else kinds[::-1]:
            arguments = [CHILD, kind, str(model), str(images), str(samples), args.method, str(args.peer_bins)]
            measured = run_measured("benchmarks.calibration_memory", arguments)
            found[kind].append(measured)
            print(f"{kind:12} {samples:7} {measured.seconds:8.1f} {measured.peak_bytes / 1e6:8.0f}", flush=True)
    if len(kinds) == 2:
        own, peer = (min(item.seconds for item in found[kind]) for kind in kinds)
        print(f"{'':12} {samples:7} {own / peer:8.2f} of onnxruntime's time")


if __name__ == "__main__":
    main()
