"""Packed files hold the engine's own integers, and their modules compute what the simulation says."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors import SafetensorError
from torch import nn

from engine.cli.program import run_program
from engine.errors import ModelError, OutputError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import Model, open_model
from engine.model.quantized_layers import fake_quantize_layer, quantize_layer
from engine.numerics.packing import pack
from engine.numerics.schemes import Kernel, PerChannel, PerGroup, PerTensor, WeightScheme
from engine.plan import LayerPlan, build_plan, choose_layer_plan
from engine.pytorch import packed
from engine.pytorch.packed import PackedLinear, PackedWeight, load_packed, replace_layers, unpack_codes
from engine.pytorch.packed_file import read_packed_document
from engine.requests.conversion import ConvertRequest, ConvertResult
from tests.conftest import ROOT
from tests.engine.models import build_model, conv_chain, normal, open_built, plan_for, run_model, sqnr_db
from tests.engine.pytorch.networks import mlp


def write(model: Model, choice: LayerPlan, folder: Path) -> tuple[ConvertResult, dict[str, PackedWeight]]:
    request = ConvertRequest(str(model.path), plan_for(model.summary, choice), str(folder / "packed.safetensors"))
    result = run_request(request, JobContext())
    assert isinstance(result, ConvertResult)
    modules = load_packed(result.output)
    assert all(isinstance(module, PackedWeight) for module in modules.values())
    return result, modules  # type: ignore[return-value]


def many_layers() -> onnx.ModelProto:
    """Convolutions in one, two and three dimensions with every attribute, and the operators beside them."""
    return build_model(
        [
            helper.make_node("Conv", ["a", "w1", "b1"], ["y1"], name="c1", strides=[2], pads=[1, 2], dilations=[2]),
            helper.make_node("Conv", ["b", "w2"], ["y2"], name="c2", group=2, strides=[2, 1], pads=[1, 0, 1, 2]),
            helper.make_node("Conv", ["b", "w2"], ["y3"], name="c3", group=2, auto_pad="SAME_LOWER", strides=[2, 2]),
            helper.make_node("Conv", ["c", "w3"], ["y4"], name="c4", pads=[1] * 6),
            helper.make_node(
                "ConvTranspose", ["b", "wt"], ["y5"], name="t", group=2, strides=[2, 2], pads=[1, 1, 1, 1],
                output_padding=[1, 0],
            ),
            helper.make_node("Gather", ["table", "ids"], ["y6"], name="embedding"),
            helper.make_node("MatMul", ["d", "wm"], ["m"], name="matmul"),
            helper.make_node("Add", ["m", "bm"], ["y7"], name="add"),
            helper.make_node("Gemm", ["e", "wg", "bg"], ["y8"], name="gemm", alpha=0.5, beta=2.0),
            helper.make_node("MatMul", ["wl", "f"], ["y9"], name="left"),
        ],
        {"a": ["N", 6, 20], "b": ["N", 4, 9, 8], "c": ["N", 2, 5, 6, 7], "ids": ["N", 3], "d": ["N", 5, 40],
         "e": ["N", 24], "f": [10, 3]},
        [f"y{index}" for index in range(1, 10)],
        {
            "w1": normal(8, 6, 3, seed=1), "b1": normal(8, seed=2), "w2": normal(6, 2, 3, 3, seed=3),
            "w3": normal(4, 2, 3, 3, 3, seed=4), "wt": normal(4, 3, 3, 3, seed=5), "table": normal(12, 20, seed=6),
            "wm": normal(40, 16, seed=7), "bm": normal(16, seed=8), "wg": normal(24, 10, seed=9),
            "bg": normal(10, seed=10), "wl": normal(7, 10, seed=11),
        },
        dtypes={"ids": onnx.TensorProto.INT64},
    )  # fmt: skip


FEEDS = {
    "a": normal(2, 6, 20, seed=20),
    "b": normal(2, 4, 9, 8, seed=21),
    "c": normal(2, 2, 5, 6, 7, seed=22),
    "ids": np.array([[0, 11, 4], [3, 3, 1]]),
    "d": normal(2, 5, 40, seed=23),
    "e": normal(2, 24, seed=24),
    "f": normal(10, 3, seed=25),
}
RUN_BY = {
    "c1": ("a", "y1"), "c2": ("b", "y2"), "c3": ("b", "y3"), "c4": ("c", "y4"), "t": ("b", "y5"),
    "embedding": ("ids", "y6"), "matmul": ("d", "y7"), "gemm": ("e", "y8"),
}  # fmt: skip


def fake_quantized(model: Model, choice: LayerPlan, source: onnx.ModelProto) -> dict[str, Any]:
    """Outputs by name of the source whose weights are the simulated ones, from ONNX Runtime."""
    changed = onnx.ModelProto()
    changed.CopyFrom(source)
    initializers = {tensor.name: tensor for tensor in changed.graph.initializer}
    alpha = {"gemm": np.float32(0.5)}
    for layer, summary in zip(model.layers, model.summary.layers, strict=True):
        matrix = fake_quantize_layer(layer.matrix(), summary, choice) / alpha.get(summary.name, np.float32(1))
        weight = layer.layout.from_matrix(matrix)
        name = str(layer.weight_value.name)
        initializers[name].CopyFrom(numpy_helper.from_array(weight, name))
    names = [output.name for output in changed.graph.output]
    return dict(zip(names, run_model(changed, FEEDS), strict=True))


SCHEMES = [
    WeightScheme(8, True, PerChannel()),
    WeightScheme(8, False, PerTensor()),
    WeightScheme(4, True, PerGroup(16)),
    WeightScheme(4, False, PerGroup(10)),
    WeightScheme(4, True, PerTensor()),
    WeightScheme(2, False, PerChannel()),
    WeightScheme(2, True, PerGroup(32)),
    WeightScheme(16),
    WeightScheme(32),
]


def describe(scheme: WeightScheme) -> str:
    return f"{scheme.bits}-{'sym' if scheme.symmetric else 'asym'}-{scheme.granularity}"


@pytest.mark.parametrize("scheme", SCHEMES, ids=describe)
def test_that_every_layer_holds_the_engines_weights_and_computes_the_reference(
    tmp_path: Path, scheme: WeightScheme
) -> None:
    source = many_layers()
    model, choice = open_built(source, tmp_path), LayerPlan(scheme)
    if scheme.bits == 8 and not scheme.symmetric:  # embeddings are refused so; everything else takes it
        source.graph.node.remove(next(node for node in source.graph.node if node.op_type == "Gather"))
        source.graph.output.remove(next(item for item in source.graph.output if item.name == "y6"))
        model = open_built(source, tmp_path)
    result, modules = write(model, choice, tmp_path)
    assert result.file_bytes == Path(result.output).stat().st_size
    expected = fake_quantized(model, choice, source) if "ids" in {i.name for i in source.graph.input} else {}
    for layer, summary in zip(model.layers, model.summary.layers, strict=True):
        module = modules[summary.name]
        if scheme.is_integer:
            found = quantize_layer(layer.matrix(), summary, choice)
            assert np.array_equal(module.integer_codes().numpy(), found.codes)
            assert module.codes is not None
            assert np.array_equal(module.codes.numpy(), pack(found.codes, scheme.bits))
        simulated = fake_quantize_layer(layer.matrix(), summary, choice)
        assert np.array_equal(module.matrix().numpy(), simulated)
        if module.info["kind"] != "linear":
            assert np.array_equal(module.weight().numpy(), layer.layout.from_matrix(simulated))
        if summary.name in RUN_BY and expected:
            feed, output = RUN_BY[summary.name]
            if isinstance(module, PackedLinear):
                module.use_int4_kernel = False
            y = module(torch.from_numpy(FEEDS[feed])).numpy()
            assert y.shape == expected[output].shape
            assert np.allclose(y, expected[output], rtol=1e-4, atol=1e-4 * np.abs(expected[output]).max())


def test_that_a_matrix_on_the_left_is_kept_as_a_weight_and_said_so(tmp_path: Path) -> None:
    result, modules = write(open_built(many_layers(), tmp_path), LayerPlan(WeightScheme(4)), tmp_path)
    assert type(modules["left"]) is PackedWeight
    assert any("have no PyTorch module" in warning and "left" in warning for warning in result.warnings)


@pytest.mark.parametrize("kernel", [Kernel.QLINEAR, Kernel.NBITS, Kernel.DYNAMIC])
def test_that_integer_kernels_plans_are_packed_with_their_own_integers(tmp_path: Path, kernel: Kernel) -> None:
    model = open_built(
        build_model([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], {"x": ["N", 96]}, ["y"],
                    {"w": normal(96, 32)}), tmp_path
    )  # fmt: skip
    choice = LayerPlan(WeightScheme(4, True, PerGroup(32)), kernel)
    result, modules = write(model, choice, tmp_path)
    simulated = fake_quantize_layer(model.layers[0].matrix(), model.summary.layers[0], choice)
    assert np.array_equal(modules["m"].matrix().numpy(), simulated)
    assert (modules["m"].multiplier is not None) == (kernel != Kernel.NBITS)
    assert any("stay float" in warning for warning in result.warnings) == (kernel != Kernel.NBITS)
    assert "m" in modules


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("granularity", [PerGroup(32), PerGroup(64), PerGroup(128), PerChannel(), PerTensor()])
def test_that_the_int4_kernel_agrees_with_the_exact_weights(
    tmp_path: Path, dtype: torch.dtype, symmetric: bool, granularity: Any
) -> None:
    model = open_built(
        build_model(
            [helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="m")],
            {"x": ["N", 256]},
            ["y"],
            {"w": normal(256, 48), "b": normal(48)},
        ),
        tmp_path,
    )
    _, modules = write(model, LayerPlan(WeightScheme(4, symmetric, granularity)), tmp_path)
    module, x = modules["m"], torch.from_numpy(normal(2, 5, 256, seed=3)).to(dtype)
    assert isinstance(module, PackedLinear)
    if not module.runs_int4_kernel(x):
        pytest.skip("this build of torch has no int4 CPU kernel")
    fast = module(x)
    module.use_int4_kernel = False
    assert not module.runs_int4_kernel(x)
    exact = module(x.float())
    assert fast.dtype == dtype
    assert sqnr_db(exact.numpy(), fast.float().numpy()) > (100 if dtype == torch.float32 else 38)


def test_that_shapes_the_int4_kernel_does_not_take_run_exactly(tmp_path: Path) -> None:
    model = open_built(
        build_model([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], {"x": ["N", 50]}, ["y"],
                    {"w": normal(50, 18)}), tmp_path
    )  # fmt: skip
    _, modules = write(model, LayerPlan(WeightScheme(4, True, PerGroup(32))), tmp_path)
    module, x = modules["m"], torch.from_numpy(normal(3, 50))
    assert isinstance(module, PackedLinear)
    assert not module.runs_int4_kernel(x)
    assert np.allclose(module(x).numpy(), (x @ module.matrix().T).numpy(), atol=1e-5)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_that_unpacking_in_torch_undoes_packing(bits: int) -> None:
    codes = np.random.default_rng(0).integers(-(1 << bits - 1), 1 << bits - 1, 101).astype(np.int8)
    assert np.array_equal(unpack_codes(torch.from_numpy(pack(codes, bits)), bits, 101).numpy(), codes)


def test_that_a_network_runs_from_packed_layers(torch_files: Path, tmp_path: Path) -> None:
    output = tmp_path / "mlp.safetensors"
    assert run_program(["convert", str(torch_files / "mlp.pt2"), "--weights", "8", "-o", str(output)]) == 0
    network, x = mlp(), torch.from_numpy(normal(4, 64))
    expected = network(x).detach().numpy()
    modules = load_packed(output)
    assert list(replace_layers(network, modules)) == ["first", "second"]
    assert isinstance(network.first, nn.Module)
    assert sqnr_db(expected, network(x).detach().numpy()) > 35
    document = read_packed_document(output)
    model = open_model(torch_files / "mlp.pt2")
    assert document["source_sha256"] == model.source.sha256
    assert document["source_name"] == "mlp.pt2"


def test_that_the_size_is_predicted_and_small(tmp_path: Path) -> None:
    model = open_built(conv_chain(channels=64), tmp_path)
    result, _ = write(model, LayerPlan(WeightScheme(4, True, PerGroup(32))), tmp_path)
    assert result.predicted_bytes == pytest.approx(result.file_bytes, rel=0.01)
    assert result.file_bytes < result.source_bytes / 5
    assert result.sqnr_db is None


def test_that_the_command_line_describes_a_packed_file(
    torch_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "net.safetensors")
    assert run_program(["convert", str(torch_files / "mlp.pt2"), "--weights", "4", "-o", output]) == 0
    told = capsys.readouterr().out
    assert "4-bit float" in told
    assert "warning" not in told
    assert run_program(["inspect", output, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(layer["title"], layer["bits"]) for layer in document["layers"]] == [("first", 4), ("second", 4)]
    assert run_program(["inspect", output]) == 0
    assert "load_packed" in capsys.readouterr().out


def test_that_a_foreign_or_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"w": normal(2, 2)}, path)
    with pytest.raises(ModelError, match="Bitsmith did not write it"):
        read_packed_document(path)
    with pytest.raises(ValueError, match="not written by Bitsmith"):
        load_packed(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ModelError, match="not a complete"):
        read_packed_document(path)
    with pytest.raises(ModelError, match="does not exist"):
        read_packed_document(tmp_path / "absent.safetensors")


def test_that_a_mixed_plan_is_packed_layer_by_layer(tmp_path: Path) -> None:
    model = open_built(conv_chain(), tmp_path)
    plan = build_plan(model.summary, 8)
    first, second = model.summary.layers[:2]
    plan = plan.with_layers({
        first.name: choose_layer_plan(first, 2, plan.defaults),
        second.name: dataclasses.replace(choose_layer_plan(second, 4, plan.defaults), kernel=Kernel.FLOAT),
    })  # fmt: skip
    output = tmp_path / "packed.safetensors"
    run_request(ConvertRequest(str(model.path), plan, str(output)), JobContext())
    modules = load_packed(output)
    for layer, summary in zip(model.layers, model.summary.layers, strict=True):
        module = modules[summary.name]
        assert isinstance(module, PackedWeight)
        simulated = fake_quantize_layer(layer.matrix(), summary, plan.layer(summary.name))
        assert np.array_equal(module.matrix().numpy(), simulated)


def test_that_the_module_file_needs_nothing_of_bitsmith(tmp_path: Path) -> None:
    copy = tmp_path / "packed.py"
    copy.write_text(Path(packed.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    code = "import sys, packed; sys.exit(any(name.split('.')[0] == 'engine' for name in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
                          cwd=ROOT, check=False)  # fmt: skip
    assert done.returncode == 0


def test_that_only_layers_of_the_same_kind_and_size_are_replaced(torch_files: Path, tmp_path: Path) -> None:
    output = tmp_path / "mlp.safetensors"
    model = open_model(torch_files / "mlp.pt2")
    run_request(ConvertRequest(str(model.path), build_plan(model.summary, 8), str(output)), JobContext())
    network = mlp()
    network.first = nn.Sequential(network.first)  # type: ignore[assignment]
    network.second = nn.Linear(128, 31)
    assert list(replace_layers(network, load_packed(output))) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_that_a_packed_file_is_readable_as_far_as_the_umask_lets_it(tmp_path: Path) -> None:
    write(open_built(conv_chain(), tmp_path), LayerPlan(WeightScheme(4, True, PerChannel())), tmp_path)
    (tmp_path / "plain").touch()
    assert (tmp_path / "packed.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_that_a_disk_that_is_full_is_said_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("engine.pytorch.packed_file.save_file", fail)
    with pytest.raises(OutputError, match="No space left"):
        write(open_built(conv_chain(), tmp_path), LayerPlan(WeightScheme(4, True, PerChannel())), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
