"""Entry point: `bitsmith [MODEL]` opens the window, `bitsmith COMMAND …` runs a command.

This file is imported again by every spawned worker process, so it imports nothing heavy: Qt and the
command line are loaded inside functions. Before Qt is touched, `find_obstacle` looks for what would
make it fail or abort, and says the remedy in one line.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.util
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

COMMANDS = (
    "inspect", "calibrate", "analyze", "diagnose", "allocate", "convert", "recover", "evaluate", "benchmark", "bundle",
    "report", "presets", "probe", "demo",
)  # fmt: skip
ENGINE_MODULES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "onnx": "onnx",
    "onnx_ir": "onnx-ir",
    "onnxruntime": "onnxruntime",
    "onnxscript": "onnxscript",
    "psutil": "psutil",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
}
WINDOW_MODULES = {"PySide6": "PySide6-Essentials", "pyqtgraph": "pyqtgraph"}

# Shared libraries that PySide6 loads but does not bring along, and the Debian package of each.
QT_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon.so.0": "libxkbcommon0",
}
X11_LIBRARIES = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
NO_DISPLAY = (
    "No display found ({}). Start Bitsmith on a desktop, or use the command line: bitsmith --help, bitsmith demo"
)
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the window or a command and return the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if wants_window(arguments):
            return open_window(arguments)
        return run_command(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def wants_window(arguments: Sequence[str]) -> bool:
    """Whether the first argument is none, a model or an option of the window, rather than a command."""
    if not arguments:
        return True
    first = arguments[0]
    if first in COMMANDS or first in ("-h", "--help", "--version", "--debug"):
        return False
    return first.startswith("--") or first.lower().endswith((".onnx", ".bitsmith")) or Path(first).exists()


def run_command(arguments: Sequence[str]) -> int:
    """Hand over to the command line, unless its packages are missing."""
    if obstacle := find_missing_modules(ENGINE_MODULES):
        return fail(obstacle)
    from engine.cli.program import run_program

    return run_program(arguments)


def open_window(arguments: Sequence[str]) -> int:
    """Show the window, unless something would keep Qt from starting."""
    parser = argparse.ArgumentParser(prog="bitsmith", description="Open the window.")
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a model, or a .bitsmith project, to open")
    parser.add_argument("--data", metavar="D", help="data to open with it")
    parser.add_argument("--sample", action="store_true", help="open the bundled sample")
    parser.add_argument("--check-window", action="store_true", help="only say whether the window can open")
    parser.add_argument("--pictures", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--every-page", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.pictures:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if obstacle := find_obstacle(os.environ):
        return fail(obstacle)
    if options.check_window:
        return 0
    if options.pictures is not None:
        from gui.pictures import take_pictures

        return take_pictures(Path(options.pictures), has_every_page=options.every_page)
    for path in (options.model, options.data):
        if path is not None and not Path(path).exists():
            return fail(f"{path} does not exist. Check the path, or start with bitsmith alone and open a file there.")
    gc.disable()  # until the window is there: imports leave little garbage, and many objects to walk over
    from engine.jobs.supervisor import WorkerProcess

    worker = WorkerProcess()
    worker.start()  # loads the engine on another core while Qt loads here
    from gui.app import run_window

    # Qt's event loop runs no Python while it waits, so Ctrl+C would go unheard.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run_window(options.model, options.data, is_sample=options.sample, worker=worker)


def find_obstacle(environment: Mapping[str, str]) -> str | None:
    """What keeps the window from opening, in one line with its remedy; None if nothing does."""
    if obstacle := find_missing_modules(ENGINE_MODULES | WINDOW_MODULES):
        return obstacle
    if not sys.platform.startswith("linux"):
        return None
    platform = environment.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    needs_screen = platform in ("", "xcb", "wayland")
    uses_x11 = platform == "xcb" or (needs_screen and not _has_wayland(environment))
    if not environment.get("DISPLAY") and uses_x11:
        return NO_DISPLAY.format("DISPLAY is not set")
    if obstacle := find_missing_libraries(QT_LIBRARIES | (X11_LIBRARIES if uses_x11 else {})):
        return obstacle
    if uses_x11 and not _can_connect_to_x11(environment["DISPLAY"]):
        return NO_DISPLAY.format(f"DISPLAY={environment['DISPLAY']} does not answer")
    return None


def find_missing_modules(modules: Mapping[str, str]) -> str | None:
    """A line that names the Python packages to install; None if all are there."""
    missing = [package for module, package in modules.items() if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    return f"Python packages are missing: {', '.join(missing)}. Install them with: {_pip()} install {' '.join(missing)}"


def find_missing_libraries(libraries: Mapping[str, str]) -> str | None:
    """A line that names the system packages to install; None if every library loads."""
    missing = _unique(package for soname, package in libraries.items() if not _can_load(soname))
    if not missing:
        return None
    return f"Qt needs system libraries. Install them with: sudo apt-get install {' '.join(missing)}"


def fail(message: str) -> int:
    """Say why in one line on standard error."""
    print(f"bitsmith: {message}", file=sys.stderr)
    return EXIT_FAILED


def _pip() -> str:
    return f"{Path(sys.executable).name} -m pip" if sys.executable else "pip"


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _can_load(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _has_wayland(environment: Mapping[str, str]) -> bool:
    name, folder = environment.get("WAYLAND_DISPLAY"), environment.get("XDG_RUNTIME_DIR", "")
    return bool(name) and (Path(folder) / str(name)).is_socket()


def _can_connect_to_x11(display: str) -> bool:
    """Ask the X server itself, so that a refused authorisation counts too; Qt would abort on it."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    has_error = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return not has_error


if __name__ == "__main__":
    sys.exit(main())
