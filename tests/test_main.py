"""The entry point: what opens the window, what runs a command, and what is said when neither can."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import engine
import main
from engine.cli.program import COMMANDS

ROOT = Path(main.__file__).resolve().parent


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter at the root of the repository."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["net.onnx"], ["NET.ONNX"], ["--sample"], ["--data", "d.npz"]])
def test_that_models_and_window_options_open_the_window(arguments: list[str]) -> None:
    assert main.wants_window(arguments)


def test_that_an_existing_path_of_any_name_opens_the_window(tmp_path: Path) -> None:
    assert main.wants_window([str(tmp_path)])


@pytest.mark.parametrize("arguments", [["inspect", "net.onnx"], ["--help"], ["--version"], ["no-such-command"]])
def test_that_everything_else_is_a_command(arguments: list[str]) -> None:
    assert not main.wants_window(arguments)


def test_that_a_command_wins_over_a_folder_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not main.wants_window(["demo"])


def test_that_the_entry_point_knows_every_command() -> None:
    assert tuple(command.name for command in COMMANDS) == main.COMMANDS


def test_that_version_is_the_engines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"bitsmith {engine.__version__}\n"


def test_that_main_imports_only_the_standard_library_at_module_level() -> None:
    tree = ast.parse((ROOT / "main.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_that_every_imported_package_is_declared_and_looked_for() -> None:
    """A fresh machine has what pyproject.toml names and no more; what an extra names is asked for in a sentence."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    lines = [*project["dependencies"], *extras]
    declared = {re.split(r"[^\w-]", line)[0].lower().replace("-", "_") for line in lines}
    names = {"pyside6": "pyside6_essentials", "shiboken6": "pyside6_essentials", "pil": "pillow", "google": "protobuf"}
    imported: set[str] = set()
    for path in [ROOT / "main.py", *(ROOT / "engine").rglob("*.py"), *(ROOT / "gui").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    foreign = {name.lower() for name in imported - sys.stdlib_module_names - {"engine", "gui", "main"}}
    assert {names.get(name, name) for name in foreign} <= declared


def test_that_help_loads_nothing_that_computes_or_draws() -> None:
    heavy = "torch onnxruntime onnx onnx_ir scipy PySide6 pyqtgraph"
    done = run_python(
        f"import sys, main; main.main(['--help']); sys.exit(bool(set({heavy!r}.split()) & set(sys.modules)))"
    )
    assert done.returncode == 0, done.stderr
    assert "inspect" in done.stdout


def test_that_the_window_loads_nothing_that_computes() -> None:
    pytest.importorskip("gui.app")
    heavy = "torch onnxruntime onnx onnx_ir scipy"
    done = run_python(f"import sys, gui.app; print(*sorted(set({heavy!r}.split()) & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 is asked for on Linux only")
class TestPreflight:
    """What `find_obstacle` says, before Qt could abort."""

    def test_that_no_display_is_one_line_with_a_remedy(self) -> None:
        obstacle = main.find_obstacle({})
        assert obstacle is not None
        assert "DISPLAY is not set" in obstacle
        assert "bitsmith demo" in obstacle
        assert "\n" not in obstacle

    def test_that_a_display_that_does_not_answer_is_no_display(self) -> None:
        obstacle = main.find_obstacle({"DISPLAY": ":4711"})
        assert obstacle is not None
        assert "does not answer" in obstacle or "apt-get install" in obstacle

    def test_that_offscreen_needs_no_display(self) -> None:
        assert main.find_obstacle({"QT_QPA_PLATFORM": "offscreen"}) is None

    def test_that_offscreen_with_options_needs_no_display(self) -> None:
        assert main.find_obstacle({"QT_QPA_PLATFORM": "offscreen:configfile=screen.json"}) is None

    def test_that_a_wayland_socket_needs_no_x11(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}
        assert "DISPLAY is not set" in str(main.find_obstacle(environment))
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("wayland-0")
            assert main.find_obstacle(environment) is None


def test_that_missing_libraries_name_their_debian_packages_once() -> None:
    libraries = {"libnothing.so.1": "libnothing1", "libnothing-x.so.1": "libnothing1", "libother.so.9": "libother9"}
    obstacle = main.find_missing_libraries(libraries)
    assert obstacle is not None
    assert obstacle.endswith("sudo apt-get install libnothing1 libother9")


def test_that_missing_python_packages_name_the_pip_command() -> None:
    obstacle = main.find_missing_modules({"sys": "python", "no_such_module": "no-such-package"})
    assert obstacle is not None
    assert obstacle.endswith("-m pip install no-such-package")


def test_that_a_missing_python_package_ends_a_command_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(main.ENGINE_MODULES, "no_such_module", "no-such-package")
    assert main.main(["inspect", "net.onnx"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no-such-package" in error


def test_that_without_a_display_the_window_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main.main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("bitsmith: No display found")
    assert error.count("\n") == 1


def test_that_a_model_that_does_not_exist_is_said_before_the_window_opens(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["no-such-model.onnx"]) == 1
    assert "no-such-model.onnx does not exist" in capsys.readouterr().err


def test_that_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run_command", interrupt)
    assert main.main(["demo"]) == 130
