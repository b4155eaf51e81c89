"""Peak memory and time of calibration at 16, 64 and 256 samples, ours and onnxruntime's.

    python -m benchmarks.calibration_memory [--samples 16 64 256] [--peer] [--peer-method Percentile]

ResNet-50 with random weights, 224×224 inputs. Every measurement is a fresh child process; the figure is
its peak resident set (VmHWM), so nothing of an earlier run is counted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.networks import write_images, write_resnet50

CHILD = "--child"


def run_child(kind: str, model: Path, images: Path, samples: int) -> None:
    """Calibrate in this process and print seconds and peak kilobytes."""
    started = time.perf_counter()
    if kind == "bitsmith":
        from engine.job_context import JobContext
        from engine.jobs.operations import run_request
        from engine.jobs.requests import CalibrateRequest, DataChoice

        output = str(model.with_suffix(f".{samples}.calib"))
        run_request(CalibrateRequest(str(model), DataChoice(str(images)), output, samples), JobContext())
    else:
        run_peer(kind, model, images, samples)
    print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def run_peer(method: str, model: Path, images: Path, samples: int) -> None:
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
        model, None, str(model.with_suffix(".augmented.onnx")), calibrate_method=CalibrationMethod[method]
    )
    calibrator.collect_data(Reader())
    calibrator.compute_data()


def main() -> None:
    """Parse arguments and measure, one child process per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--peer", action="store_true", help="measure onnxruntime too (15 GB at 128 samples)")
    parser.add_argument("--peer-method", default="Percentile", choices=["MinMax", "Percentile", "Entropy"])
    parser.add_argument(CHILD, nargs=4, metavar=("KIND", "MODEL", "IMAGES", "SAMPLES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        kind, model, images, samples = args.child
        run_child(kind, Path(model), Path(images), int(samples))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = write_resnet50(folder / "resnet50.onnx")
        images = write_images(folder / "images.npy", max(args.samples))
        kinds = ["bitsmith", *([args.peer_method] if args.peer else [])]
        print(f"{'calibrator':12} {'samples':>7} {'seconds':>8} {'peak MB':>8}")
        for samples in args.samples:
            for kind in kinds:
                command = [sys.executable, "-m", "benchmarks.calibration_memory", CHILD, kind]
                command += [str(model), str(images), str(samples)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, peak = done.stdout.split()[-2:]
                print(f"{kind:12} {samples:7} {float(seconds):8.1f} {int(peak) / 1024:8.0f}", flush=True)


if __name__ == "__main__":
    main()
