"""Every reason to refuse a model file: one class, one or two sentences, the file named."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.errors import ModelError
from engine.model.opened import open_model
from engine.model.opening import open_source
from engine.model.sessions import load_session
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


@pytest.mark.parametrize("name", ["q0.w", "a12.q"])
def test_that_an_input_with_a_name_that_conversion_gives_is_refused(name: str, tmp_path: Path) -> None:
    node = helper.make_node("MatMul", [name, "w"], ["y"])
    model = build_model([node], {name: ["N", 6]}, ["y"], {"w": normal(6, 6)})
    with pytest.raises(ModelError, match=f"m.onnx has an input or output '{name}', a name that Bitsmith needs"):
        open_built(model, tmp_path)


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


def edit(change: Callable[[onnx.ModelProto], object], folder: Path) -> Path:
    model = conv_chain()
    change(model)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def add_endless_function(model: onnx.ModelProto) -> None:
    call = helper.make_node("F", ["a"], ["b"], domain="own")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [call], opsets))
    model.opset_import.append(opsets[1])
    model.graph.node[1].CopyFrom(
        helper.make_node("F", model.graph.node[1].input, model.graph.node[1].output, "f", domain="own")
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: setattr(model.graph.initializer[0], "raw_data", bytes(12)), "12 bytes for it"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, 1 << 60), "bytes for it"),
        (lambda model: model.graph.initializer[0].dims.__setitem__(0, -8), "of shape"),
        (lambda model: setattr(model.graph.initializer[0], "data_type", 0), "no type"),
        (lambda model: setattr(model.graph.initializer[0], "data_type", 9999), "contradicts itself"),
        (lambda model: model.graph.node[1].output.__setitem__(0, model.graph.node[0].output[0]), "contradicts itself"),
        (add_endless_function, "contradicts itself"),
    ],
)
def test_that_a_model_that_contradicts_itself_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], object], reason: str
) -> None:
    assert reason in refusal(edit(change, tmp_path))


def test_that_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = edit(lambda model: setattr(model.graph.node[0], "name", "a_name_that_is_text"), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"a_name_that_is_text", b"a_name_that_is_\xff\xfe\xfd\xfc"))
    assert "no UTF-8 text" in refusal(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("length", "4"),
        ("length", "-1"),
        ("length", "9" * 14),
        ("offset", "-5"),
        ("offset", "x"),
        ("location", "a" * 5000),
    ],
)
def test_that_external_data_that_cannot_be_is_refused(tmp_path: Path, key: str, value: str) -> None:
    path = save_external(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    path.write_bytes(model.SerializeToString())
    assert len(refusal(path)) < 1000


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_that_a_link_to_weights_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    path = save_external(tmp_path / "m")
    weights = tmp_path / "m" / "weights.bin"
    weights.rename(tmp_path / "secret.bin")
    weights.symlink_to(tmp_path / "secret.bin")
    assert "outside its own folder" in refusal(path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX files")
def test_that_devices_pipes_and_impossible_names_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in (Path("/dev/zero"), tmp_path / "pipe.onnx"):
        assert "a device or a pipe" in refusal(path)
    assert "Cannot read" in refusal(tmp_path / ("a" * 300))


def test_that_a_model_that_the_runtime_refuses_is_named(tmp_path: Path) -> None:
    path = edit(lambda model: setattr(model.opset_import[0], "version", 99), tmp_path)
    with pytest.raises(ModelError, match=r"cannot load m\.onnx: ONNX Runtime only"):
        load_session(open_model(path).graph_model)


def test_that_a_node_without_its_input_is_refused_with_the_runtimes_reason(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "v"], ["y"]),
    ]
    model = build_model(nodes, {"x": ["N", 4]}, ["y"], {"w": normal(4, 8), "v": normal(8, 2)})
    model.graph.node[1].ClearField("input")
    assert "input size 0" in refusal(save_model(model, tmp_path))
