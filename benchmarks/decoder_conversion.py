"""Peak memory and time of 4-bit `nbits` conversion of a large decoder, ours and onnxruntime's, in turn.

    python -m benchmarks.decoder_conversion [--billions 1|7] [--runs 2] [--only bitsmith] [--range minmax|mse]
                                            [--layers N] [--folder F]

1.1 billion parameters in float32 (4.4 GB), or 6.7 billion in float16 (13.5 GB, `--billions 7`), random,
in external data. Blocks of 32, symmetric, min-max: what onnxruntime's MatMulNBitsQuantizer does by default
(it leaves the embedding in float; here it gets 4 bits too). Every run is a fresh process, from the path of
the model to a finished file, our verification included. "peak" is VmHWM, mapped pages of files included;
"private" is without them. "CPU s" counts imports, too.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.child_process import Measured, report_measured, run_measured
from benchmarks.transformers import ONE_BILLION, SEVEN_BILLION, DecoderShape, write_decoder

CHILD = "--child"
BLOCK = 32
BITS = 4
OWN, PEER = "bitsmith", "onnxruntime"


def convert(model: Path, output: Path, range_method: str) -> None:
    """Every MatMul as MatMulNBits, the embedding in 4 bits too."""
    from engine.job_context import JobContext
    from engine.jobs.operations import run_request
    from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, RangeMethod, WeightScheme
    from engine.plan import LayerPlan, PlanDefaults, build_plan
    from engine.requests.conversion import ConvertRequest, ConvertResult
    from engine.requests.opening import OpenRequest
    from engine.summary import ModelSummary

    context = JobContext()
    summary = run_request(OpenRequest(str(model)), context)
    assert isinstance(summary, ModelSummary)
    method = RangeMethod(range_method)
    plan = build_plan(summary, BITS, PlanDefaults(ActivationMode.FLOAT, group_size=BLOCK, range_method=method))
    choice = LayerPlan(WeightScheme(BITS, granularity=PerGroup(BLOCK), range_method=method), Kernel.NBITS)
    packed = [layer.name for layer in summary.layers if Kernel.NBITS in layer.kernels]
    result = run_request(
        ConvertRequest(str(model), plan.with_layers(dict.fromkeys(packed, choice)), str(output)), context
    )
    assert isinstance(result, ConvertResult)
    print(f"{len(packed)} of {len(result.layers)} layers as MatMulNBits", *result.warnings, sep="\n")


def convert_with_onnxruntime(model: Path, output: Path) -> None:
    """MatMulNBitsQuantizer with the same blocks."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(str(model)), block_size=BLOCK, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(str(output), use_external_data_format=True)


def main() -> None:
    """Parse arguments and measure, one child process per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--billions", type=int, choices=(1, 7), default=1)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--only", choices=(OWN, PEER))
    parser.add_argument("--range", choices=("minmax", "mse"), default="minmax", help="of our weights")
    parser.add_argument("--layers", type=int, help="fewer, to try something out")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    parser.add_argument(CHILD, nargs=4, metavar=("KIND", "MODEL", "OUTPUT", "RANGE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run_child(*args.child)
        return
    shape = SEVEN_BILLION if args.billions == 7 else ONE_BILLION
    if args.layers:
        shape = dataclasses.replace(shape, layers=args.layers)
    dtype = np.float16 if args.billions == 7 else np.float32
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="bitsmith-decoder-") as name:
        ensure_space(Path(name), shape, dtype)
        started = time.perf_counter()
        model = write_decoder(Path(name) / "decoder.onnx", shape, dtype)
        size = sum(file.stat().st_size for file in Path(name).iterdir())
        seconds = time.perf_counter() - started
        print(f"{shape.parameters / 1e9:.2f} billion parameters, {size / 1e9:.2f} GB, written in {seconds:.1f} s")
        compare(model, args.runs, [args.only] if args.only else [OWN, PEER], args.range)


def run_child(kind: str, model: str, output: str, range_method: str) -> None:
    """Convert in this process and say what it took."""
    started = time.perf_counter()
    if kind == OWN:
        convert(Path(model), Path(output), range_method)
    else:
        convert_with_onnxruntime(Path(model), Path(output))
    report_measured(started)


def ensure_space(folder: Path, shape: DecoderShape, dtype: type[np.floating]) -> None:
    """Leave with a sentence where source and results would not fit."""
    needed = int(shape.parameters * (np.dtype(dtype).itemsize + 1) * 1.1)
    free = shutil.disk_usage(folder).free
    if free < needed:
        sys.exit(f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed. Choose another --folder.")


def compare(model: Path, runs: int, kinds: list[str], range_method: str) -> None:
    """Run all kinds in turn, print every figure, and the ratio of the fastest runs."""
    heads = ("converter", "seconds", "CPU s", "peak MB", "private MB", "with children MB", "file MB")
    print("{:12} {:>8} {:>6} {:>8} {:>10} {:>16} {:>8}".format(*heads))
    found: dict[str, list[Measured]] = {kind: [] for kind in kinds}
    for run in range(runs):
        for kind in kinds if run % 2 == 0 else kinds[::-1]:
            with tempfile.TemporaryDirectory(dir=model.parent) as name:
                output = Path(name) / "out.onnx"
                arguments = [CHILD, kind, str(model), str(output), range_method]
                measured = run_measured("benchmarks.decoder_conversion", arguments)
                size = sum(file.stat().st_size for file in output.parent.iterdir())
            found[kind].append(measured)
            columns = (measured.peak_bytes, measured.private_bytes, measured.tree_bytes, size)
            widths = (8, 10, 16, 8)
            figures = " ".join(f"{value / 1e6:{width}.0f}" for value, width in zip(columns, widths, strict=True))
            print(f"{kind:12} {measured.seconds:8.1f} {measured.cpu_seconds:6.1f} {figures}", flush=True)
    if len(kinds) == 2:
        wall, cpu = (_ratio(found, kinds, field) for field in ("seconds", "cpu_seconds"))
        print(f"least of {runs}: {wall:.2f} of onnxruntime's time, {cpu:.2f} of its CPU time")


def _ratio(found: dict[str, list[Measured]], kinds: list[str], field: str) -> float:
    """The least of the first kind by the least of the second."""
    own, peer = (min(getattr(item, field) for item in found[kind]) for kind in kinds)
    return float(own / peer)


if __name__ == "__main__":
    main()
