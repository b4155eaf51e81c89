"""Every reason to refuse a model file: one class, one or two sentences, the file named."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.errors import ModelError
from engine.model.opened import open_model
from engine.model.opening import open_source
from engine.numerics.schemes import Kernel
from tests.engine.models import build_model, conv_chain, normal, open_built, save_model


def refusal(path: Path) -> str:
    """The message with which opening is refused; it names the file and says one thing on one line."""
    with pytest.raises(ModelError) as caught:
        open_model(path)
    assert type(caught.value) is ModelError
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def save_external(folder: Path, location: str = "weights.bin") -> Path:
    path = folder / "m.onnx"
    onnx.save(conv_chain(), path, save_as_external_data=True, location=location, size_threshold=0)
    return path


def test_that_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.onnx")


def test_that_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_that_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.touch()
    assert "is empty" in refusal(path)


@pytest.mark.parametrize(
    "text", ["hello, this is no model\n", "<html><body>404</body></html>", "\n\n", "version https://git-lfs"]
)
def test_that_text_named_onnx_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_text(text)
    assert "not a" in refusal(path)


def test_that_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    data = conv_chain().SerializeToString()
    path = tmp_path / "m.onnx"
    for length in {*range(1, len(data), 41), len(data) - 1}:
        path.write_bytes(data[:length])
        assert "not a" in refusal(path)


def test_that_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    rng = np.random.default_rng(0)
    for size in (1, 8, 100, 5000):
        path.write_bytes(rng.bytes(size))
        refusal(path)


def test_that_a_zip_archive_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x")
    assert "is a zip archive" in refusal(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_that_a_pickle_is_refused_as_such_and_never_loaded(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(pickle.dumps({"weight": [1.0, 2.0]}, protocol=protocol))
    assert "is a pickle" in refusal(path)


def test_that_the_ort_format_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "m.ort"
    path.write_bytes(b"\x10\x00\x00\x00ORTM" + bytes(64))
    assert "ORT format" in refusal(path)


def test_that_external_data_is_found_and_counted(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    model = open_model(path)
    assert model.source.file_bytes == path.stat().st_size + (tmp_path / "weights.bin").stat().st_size
    assert len(model.layers) == 3


def test_that_missing_external_data_is_refused_by_name(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    (tmp_path / "weights.bin").unlink()
    assert "weights.bin, which is missing" in refusal(path)


def test_that_truncated_external_data_is_refused(tmp_path: Path) -> None:
    path = save_external(tmp_path)
    data = (tmp_path / "weights.bin").read_bytes()
    (tmp_path / "weights.bin").write_bytes(data[:-1])
    assert "truncated" in refusal(path)


@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "/etc/hostname", "..\\secret.bin"])
@pytest.mark.parametrize("is_nested", [False, True])
def test_that_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str, is_nested: bool) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(1 << 16))
    folder = tmp_path / "models"
    folder.mkdir()
    model = conv_chain()
    tensor = model.graph.initializer[0]
    if is_nested:
        inner = helper.make_graph(
            [helper.make_node("Identity", ["secret"], ["out"])],
            "inner",
            [],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])],
            [numpy_helper.from_array(normal(4), "secret")],
        )
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "is_on"))
        model.graph.node.append(helper.make_node("If", ["is_on"], ["z"], then_branch=inner, else_branch=inner))
        tensor = model.graph.node[-1].attribute[0].g.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    assert "outside its own folder" in refusal(path)


@pytest.mark.parametrize("op", ["QuantizeLinear", "DynamicQuantizeLinear"])
def test_that_a_quantized_model_is_refused_with_the_operator_that_shows_it(tmp_path: Path, op: str) -> None:
    model = conv_chain()
    inputs = ["x", "s", "z"] if op == "QuantizeLinear" else ["x"]
    model.graph.node.append(helper.make_node(op, inputs, ["q"] if op == "QuantizeLinear" else ["q", "qs", "qz"]))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.1), "s"))
    model.graph.initializer.append(numpy_helper.from_array(np.uint8(3), "z"))
    assert f"quantized already (it contains {op})" in refusal(save_model(model, tmp_path))


def test_that_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["N", 4]}, ["y"], {})
    assert "has nothing to quantize" in refusal(save_model(model, tmp_path))


def test_that_a_model_with_double_weights_only_is_refused(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": ["N", 4]},
        ["y"],
        {"w": np.ones((4, 8))},
        dtypes={"x": TensorProto.DOUBLE, "y": TensorProto.DOUBLE},
    )
    assert "float32" in refusal(save_model(model, tmp_path))


def test_that_weights_in_bodies_are_layers_named_by_the_path_of_their_body(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["out"])],
        "inner",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(normal(4, 8), "w")],
    )
    node = helper.make_node("If", ["is_on"], ["y"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("is_on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    summary = open_built(model, tmp_path).summary
    assert [layer.name for layer in summary.layers] == ["If_0/else_branch/MatMul_0", "If_0/then_branch/MatMul_0"]
    assert all(layer.kernels == (Kernel.FLOAT,) for layer in summary.layers)


def test_that_opset_six_is_refused(tmp_path: Path) -> None:
    model = conv_chain()
    model.opset_import[0].version = 6
    assert "opset 6" in refusal(save_model(model, tmp_path))


def test_that_opening_changes_no_file_and_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = save_model(conv_chain(), tmp_path)
    before = path.read_bytes()
    first, second = open_source(path), open_source(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.onnx"]
    assert first.sha256 == second.sha256 != open_built(conv_chain(size=9), tmp_path, "n.onnx").source.sha256
