"""A file that would run code when it is loaded runs none of it, wherever the code hides."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelError, UntrustedModelError
from engine.job_context import JobContext
from engine.jobs.operations import run_request
from engine.model.opened import open_model
from engine.pytorch.consent import CONSENT_QUESTION, read_danger, read_fingerprint
from engine.pytorch.importing import hash_file
from engine.pytorch.pickle_scan import find_foreign_globals
from engine.pytorch.program_check import is_arithmetic
from engine.requests.opening import OpenRequest
from tests.engine.pytorch.networks import Attack, hostile_blob, hostile_pickle, rewrite_archive


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code_ran"


def ensure_refused(path: Path, marker: Path) -> str:
    """The sentence with which the file is refused as one that could run code; it ran nothing."""
    with pytest.raises(UntrustedModelError) as caught:
        open_model(path)
    message = str(caught.value)
    assert not marker.exists()
    assert path.name in message
    assert "can run code" in message
    assert "--trust-file" in message
    assert "\n" not in message
    assert read_fingerprint(message) == hash_file(path)
    return message


def edit_json(change: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return json.dumps(document).encode()

    return edit


def edit_program(torch_files: Path, target: Path, change: Callable[[Any], None]) -> Path:
    return rewrite_archive(torch_files / "mlp.pt2", target, None, {"models/model.json": edit_json(change)})


def test_that_the_attack_works_where_nothing_guards_against_it(marker: Path) -> None:
    pickle.loads(hostile_pickle(marker))
    assert marker.exists()


@pytest.mark.parametrize("suffix", [".pt2", ".pt", ".pth", ".onnx", ".torchscript", ".zip", ""])
@pytest.mark.parametrize("member", ["data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/model.pt"])
@pytest.mark.parametrize("build", [hostile_pickle, hostile_blob])
def test_that_code_in_a_pickled_member_of_a_program_does_not_run(
    torch_files: Path, tmp_path: Path, marker: Path, suffix: str, member: str, build: Callable[[Path], bytes]
) -> None:
    path = rewrite_archive(torch_files / "mlp.pt2", tmp_path / f"hostile{suffix}", {member: build(marker)})
    assert member in ensure_refused(path, marker)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_that_code_in_a_pickle_of_any_protocol_does_not_run(
    torch_files: Path, tmp_path: Path, marker: Path, protocol: int
) -> None:
    replaced = {"data/sample_inputs/model.pt": hostile_pickle(marker, protocol)}
    ensure_refused(rewrite_archive(torch_files / "mlp.pt2", tmp_path / "hostile.pt2", replaced), marker)


@pytest.mark.parametrize("name", ["weights", "constants"])
def test_that_code_in_a_tensor_that_is_declared_pickled_does_not_run(
    torch_files: Path, tmp_path: Path, marker: Path, name: str
) -> None:
    payload = "weight_0" if name == "weights" else "tensor_0"
    entry = {"path_name": payload, "is_param": False, "use_pickle": True, "tensor_meta": None}
    path = rewrite_archive(
        torch_files / "mlp.pt2",
        tmp_path / "hostile.pt2",
        {f"data/{name}/{payload}": hostile_blob(marker)},
        {f"data/{name}/model_{name}_config.json": edit_json(lambda config: config["config"].update(extra=entry))},
    )
    assert payload in ensure_refused(path, marker)


@pytest.mark.parametrize("prefix", ["custom_obj_0", "opaque_obj_0"])
def test_that_custom_objects_are_refused(torch_files: Path, tmp_path: Path, marker: Path, prefix: str) -> None:
    entry = {"path_name": prefix, "is_param": False, "use_pickle": True, "tensor_meta": None}
    path = rewrite_archive(
        torch_files / "mlp.pt2",
        tmp_path / "hostile.pt2",
        {f"data/constants/{prefix}": hostile_pickle(marker)},
        {"data/constants/model_constants_config.json": edit_json(lambda config: config["config"].update(extra=entry))},
    )
    ensure_refused(path, marker)


@pytest.mark.parametrize(
    "target",
    ["torch.os.system", "torch.ops.aten.from_file.default", "_operator.methodcaller", "torch.hub.load",
     "torch.utils.cpp_extension.load", "torch.ops.evil.run.default", "math.__loader__.load_module"],
)  # fmt: skip
def test_that_an_operator_that_is_none_is_refused(torch_files: Path, tmp_path: Path, marker: Path, target: str) -> None:
    def change(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] = [{"name": "command", "arg": {"as_string": f"touch {marker}"}, "kind": 1}]

    path = rewrite_archive(
        torch_files / "mlp.pt2", tmp_path / "hostile.pt2", None, {"models/model.json": edit_json(change)}
    )
    assert target in ensure_refused(path, marker)


def test_that_code_in_a_symbolic_expression_is_refused(torch_files: Path, tmp_path: Path, marker: Path) -> None:
    code = f"__import__('os').system('touch {marker}')"

    def change(program: Any) -> None:
        text = json.dumps(program).replace("Symbol('s", f"{code} or Symbol('s")
        program.clear()
        program.update(json.loads(text))

    path = rewrite_archive(
        torch_files / "mlp.pt2", tmp_path / "hostile.pt2", None, {"models/model.json": edit_json(change)}
    )
    assert "expression" in ensure_refused(path, marker)


def test_that_a_name_that_would_become_source_text_is_refused(torch_files: Path, tmp_path: Path, marker: Path) -> None:
    name = f'x"), open("{marker}", "w'

    def change(program: Any) -> None:
        signature = program["graph_module"]["signature"]["input_specs"][0]["parameter"]
        signature["parameter_name"] = name

    path = rewrite_archive(
        torch_files / "mlp.pt2", tmp_path / "hostile.pt2", None, {"models/model.json": edit_json(change)}
    )
    ensure_refused(path, marker)


def test_that_a_tree_that_imports_a_module_is_refused(torch_files: Path, tmp_path: Path, marker: Path) -> None:
    context = json.dumps({"default_factory_module": "antigravity", "default_factory_name": "x", "dict_context": []})
    tree = {"type": "collections.defaultdict", "context": context, "children_spec": []}

    def change(program: Any) -> None:
        program["graph_module"]["signature"]["out_spec"] = json.dumps([1, tree])

    path = rewrite_archive(
        torch_files / "mlp.pt2", tmp_path / "hostile.pt2", None, {"models/model.json": edit_json(change)}
    )
    assert "tree" in ensure_refused(path, marker)


def test_that_guards_are_dropped_and_never_run(torch_files: Path, tmp_path: Path, marker: Path) -> None:
    def change(program: Any) -> None:
        program["guards_code"] = [f"open({str(marker)!r}, 'w')"]

    path = rewrite_archive(
        torch_files / "mlp.pt2", tmp_path / "guards.pt2", None, {"models/model.json": edit_json(change)}
    )
    assert len(open_model(path).layers) == 2
    assert not marker.exists()


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl", "traced_inputs.pkl", "attributes.pkl", "extra/x.pkl"])
def test_that_code_in_a_member_of_torchscript_does_not_run(
    torch_files: Path, tmp_path: Path, marker: Path, member: str
) -> None:
    path = rewrite_archive(torch_files / "traced.pt", tmp_path / "hostile.pt", {member: hostile_pickle(marker)})
    assert member in ensure_refused(path, marker)


@pytest.mark.parametrize(
    "call", ["torch.save(x, 'F')", "ops.evil.run(x)", "torch . from_file('F')", "ops . evil . run(x)"]
)
def test_that_torchscript_that_touches_files_or_foreign_operators_is_refused(
    torch_files: Path, tmp_path: Path, marker: Path, call: str
) -> None:
    def insert(code: bytes) -> bytes:
        return code.replace(b"\n    head", f"\n    _0 = {call.replace('F', str(marker))}\n    head".encode(), 1)

    with zipfile.ZipFile(torch_files / "traced.pt") as archive:
        code = next(name.split("/", 1)[1] for name in archive.namelist() if name.endswith("networks.py"))
    path = rewrite_archive(torch_files / "traced.pt", tmp_path / "hostile.pt", None, {code: insert})
    assert "operator" in ensure_refused(path, marker)


def test_that_a_whole_module_is_refused(torch_files: Path, marker: Path) -> None:
    assert "SmallConv" in ensure_refused(torch_files / "module.pt", marker)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pt2", ".onnx"])
def test_that_a_hostile_checkpoint_does_not_run(tmp_path: Path, marker: Path, suffix: str) -> None:
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes(hostile_blob(marker))
    ensure_refused(path, marker)


@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".onnx", ".pt2"])
def test_that_a_bare_pickle_is_refused_without_loading_it(tmp_path: Path, marker: Path, suffix: str) -> None:
    for protocol in range(6):
        path = tmp_path / f"hostile{protocol}{suffix}"
        path.write_bytes(hostile_pickle(marker, protocol))
        with pytest.raises(ModelError):
            open_model(path)
        assert not marker.exists()


def test_that_two_members_of_one_name_are_refused(torch_files: Path, tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "twice.pt2"
    shutil.copyfile(torch_files / "mlp.pt2", path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("mlp/data/Sample_Inputs/model.pt", hostile_blob(marker))
    with pytest.raises(ModelError, match="twice"):
        open_model(path)
    assert not marker.exists()


def test_that_a_module_opens_with_consent_and_only_with_consent_to_this_very_file(
    torch_files: Path, tmp_path: Path
) -> None:
    path = rewrite_archive(torch_files / "module.pt", tmp_path / "module.pt", {"note": b"another file"})
    shapes = (("x", (1, 3, 16, 16)),)
    with pytest.raises(UntrustedModelError, match="not the file that you agreed to"):
        run_request(OpenRequest(str(path), "0" * 64, shapes), JobContext())
    with pytest.raises(UntrustedModelError, match="can run code"):
        run_request(OpenRequest(str(path), None, shapes), JobContext())
    summary: Any = run_request(OpenRequest(str(path), hash_file(path), shapes), JobContext())
    assert [layer.title for layer in summary.layers] == ["stem", "body", "head"]
    assert summary.sha256 == hash_file(path)
    # What was converted is plain ONNX: it runs nothing, so nothing is asked again.
    assert len(open_model(path).layers) == 3


def test_that_consent_runs_the_code_of_that_file(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "hostile.pt"
    path.write_bytes(hostile_blob(marker))
    with pytest.raises(ModelError, match="state dict"):
        run_request(OpenRequest(str(path), hash_file(path)), JobContext())
    assert marker.exists()


def test_that_the_question_names_the_file_and_what_may_happen(torch_files: Path, marker: Path) -> None:
    sentence = ensure_refused(torch_files / "module.pt", marker)
    question = CONSENT_QUESTION.format(danger=read_danger(sentence))
    assert "module.pt can run code" in question
    assert "change or delete your files" in question
    assert "--trust-file" not in question


def test_that_hidden_names_are_found_without_loading(marker: Path) -> None:
    for protocol in range(6):
        assert find_foreign_globals(hostile_pickle(marker, protocol))
        assert find_foreign_globals(pickle.dumps(os.system, protocol))
    assert find_foreign_globals(pickle.dumps({"a": [1.5]}) + pickle.dumps(Attack(marker)))
    assert find_foreign_globals(b"\x80\x02garbage")
    assert not find_foreign_globals(pickle.dumps({"a": [1, 2.0, "x", None, (True,)]}, 2))
    assert not marker.exists()


@pytest.mark.parametrize(
    "text",
    ["s77", "Symbol('s77', positive=True, integer=True)", "2*s0 + FloorDiv(s1, 2)", "Max(1, u0)", "s0 >= 2", "-1"],
)
def test_that_arithmetic_is_let_through(text: str) -> None:
    assert is_arithmetic(text)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "().__class__", "s0.__class__", "Symbol('a b')", "[x for x in s0]", "lambda: s0", "exec(s0)",
     "Symbol(s0)('x')", "Integer('__import__(1)')", "f'{s0}'", "s0[0]", "s0 if s1 else s2", "x" * 5000, ""],
)  # fmt: skip
def test_that_anything_but_arithmetic_is_not(text: str) -> None:
    assert not is_arithmetic(text)


def test_that_an_archive_that_would_fill_the_memory_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/version", "3")
        with archive.open("bomb/data.pkl", "w") as stream:
            for _ in range(520):
                stream.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="unpacks to 545 MB"):
        open_model(path)


def test_that_an_archive_damaged_anywhere_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/archive_format", "pt2")
        archive.writestr("m/models/model.json", "{}" * 50)
        archive.writestr("m/data/weights/model.pt", b"\x80\x02}." * 20)
    content = path.read_bytes()
    for place in range(0, len(content), 5):
        for byte in (0x00, 0x80, 0xFF):
            path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
            with pytest.raises(ModelError):
                open_model(path)
