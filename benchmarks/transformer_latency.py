"""Latency, size and error of a quantized BERT-base-like encoder, ours and onnxruntime's, one sequence of 128.

    python -m benchmarks.transformer_latency [--threads 1] [--seconds 5] [--layers 12] [--only 4bit_dynamic …]

Random weights, exported by torch (kept in the temporary folder). All files are loaded in one process and
run in turn, one call each, in rotating order; the table shows medians, and the median of the per-round
ratios. "left float" counts MatMul, Gemm and embeddings with a float weight in ONNX Runtime's optimised graph.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime as ort
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from benchmarks.transformers import ENCODER_VOCABULARY, EncoderShape, cached_encoder, write_tokens
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.numerics.schemes import ActivationMode, Kernel, PerGroup, WeightScheme
from engine.plan import LayerPlan, Plan, PlanDefaults, build_plan
from engine.requests.benchmark import Benchmark, BenchmarkRequest
from engine.requests.conversion import ConvertRequest, ConvertResult, EvaluateRequest, Evaluation
from engine.requests.data import DataChoice
from engine.requests.opening import OpenRequest
from engine.summary import ModelSummary

SEQUENCE = 128
SAMPLES = 8
NBITS_BLOCK = 32
SMALLEST_SIDE = 16
Writer = Callable[[Path, Path], None]


def quantize_dynamically(model: Path, output: Path) -> None:
    """onnxruntime's dynamic INT8, per channel.

    It transposes the weights of Gemm nodes and then finds the shapes that torch wrote for the old ones:
    an InferenceError, unless the shapes of initializers are removed first.
    """
    proto = onnx.load(str(model))
    weights = {tensor.name for tensor in proto.graph.initializer}
    kept = [info for info in proto.graph.value_info if info.name not in weights]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)
    prepared = output.with_suffix(".prepared.onnx")
    onnx.save(proto, str(prepared))
    quantize_dynamic(str(prepared), str(output), per_channel=True, weight_type=QuantType.QInt8)
    prepared.unlink()


def quantize_to_nbits(model: Path, output: Path) -> None:
    """onnxruntime's MatMulNBits, 4 bits, its fastest setting (int8 activations)."""
    quantizer = MatMulNBitsQuantizer(onnx.load(str(model)), block_size=NBITS_BLOCK, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(str(output))


PEERS: dict[str, Writer] = {"ort_dynamic8": quantize_dynamically, "ort_nbits4": quantize_to_nbits}


def build_plans(summary: ModelSummary) -> dict[str, Plan]:
    """Every layer and every embedding at the named bits."""
    dynamic = PlanDefaults(activations=ActivationMode.DYNAMIC)
    plans = {f"{bits}bit_dynamic": build_plan(summary, bits, dynamic) for bits in (8, 4, 2)}
    choice = LayerPlan(WeightScheme(4, symmetric=True, granularity=PerGroup(NBITS_BLOCK)), Kernel.NBITS)
    packed = [layer.name for layer in summary.layers if Kernel.NBITS in layer.kernels]
    plans["4bit_nbits"] = dataclasses.replace(
        plans["4bit_dynamic"].with_layers(dict.fromkeys(packed, choice)), provenance="4 bits, packed in memory"
    )
    return plans


def count_float_weights(model: Path) -> int:
    """MatMul, Gemm and embeddings whose weight is still float after ONNX Runtime has optimised the graph."""
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        graph = onnx.load(options.optimized_model_filepath).graph
    weights = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2 and min(tensor.dims) >= SMALLEST_SIDE
    }
    readers = ("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "Gather", "EmbedLayerNormalization")
    return sum(node.op_type in readers and any(name in weights for name in node.input) for node in graph.node)


def main() -> None:
    """Parse arguments, make the files, time and compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="per file")
    parser.add_argument("--layers", type=int, default=12, help="fewer, to try something out")
    parser.add_argument("--only", nargs="+", default=[], help="names of the files to make, such as 4bit_dynamic")
    parser.add_argument("--keep", type=Path, help="a folder to leave the files in")
    args = parser.parse_args()
    model = cached_encoder(shape=EncoderShape(layers=args.layers))
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        data = DataChoice(str(write_tokens(folder / "tokens.npz", SAMPLES, SEQUENCE, ENCODER_VOCABULARY)))
        paths = [model, *make_files(model, folder, data, args.only)]
        measure(paths, data, args.threads, args.seconds)


def make_files(model: Path, folder: Path, data: DataChoice, only: list[str]) -> list[Path]:
    """Quantize with every tool."""
    paths = []
    logging.getLogger("onnxruntime.quantization").setLevel(logging.ERROR)
    for name, write in PEERS.items():
        if not only or name in only:
            paths.append(folder / f"{name}.onnx")
            with contextlib.redirect_stdout(io.StringIO()):
                write(model, paths[-1])
    summary = run_request(OpenRequest(str(model)), JobContext())
    assert isinstance(summary, ModelSummary)
    for name, plan in build_plans(summary).items():
        if not only or name in only:
            paths.append(folder / f"{name}.onnx")
            result = run_request(ConvertRequest(str(model), plan, str(paths[-1]), data=data), JobContext())
            assert isinstance(result, ConvertResult)
            integers = sum(layer.is_integer for layer in result.layers)
            print(f"{name}: {integers} of {len(result.layers)} layers on integer kernels", *result.warnings, sep="\n  ")
    return paths


def measure(paths: list[Path], data: DataChoice, threads: int, seconds: float) -> None:
    """Time all files in turn, compare them with the first and print the table."""
    context = JobContext()
    request = BenchmarkRequest(tuple(str(path) for path in paths), data=data, threads=threads, seconds=seconds)
    found = run_request(request, context)
    assert isinstance(found, Benchmark)
    print(
        f"{found.cpu}; {found.runtime}; {threads} threads, 1 × {SEQUENCE}, {found.points[0].runs} rounds, interleaved"
    )
    print(
        f"{'file':16} {'size MB':>8} {'ratio':>6} {'p50 ms':>8} {'p90 ms':>8} {'speed-up':>8} {'SQNR dB':>8} "
        f"{'left float':>10}"
    )
    for path, point in zip(paths, found.points, strict=True):
        sqnr = ""
        if path is not paths[0]:
            compared = run_request(EvaluateRequest(str(path), data, str(paths[0]), SAMPLES), context)
            assert isinstance(compared, Evaluation)
            sqnr = f"{compared.sqnr_db:.1f}"
        ratio = found.points[0].file_bytes / point.file_bytes
        print(
            f"{path.stem[:16]:16} {point.file_bytes / 1e6:8.1f} {ratio:5.2f}x {point.latency_ms['p50']:8.2f} "
            f"{point.latency_ms['p90']:8.2f} {point.speedup:7.2f}x {sqnr:>8} {count_float_weights(path):10}"
        )


if __name__ == "__main__":
    main()
