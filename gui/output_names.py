"""Where converted files go: new names only, so that no result is ever overwritten, and a folder that is there."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from engine.conversion.manifest import paths_of
from engine.plan import Plan
from engine.summary import ModelSummary
from gui.plan_edits import common_bits

CONTEXT = "OutputNames"


def suggest_output(folder: Path, model: ModelSummary, plan: Plan, suffix: str = "") -> Path:
    """`<model>_4bit.onnx` or `<model>_mixed.onnx` in `folder`, `suffix` before the dot, with -2, -3 … if it exists."""
    bits = common_bits(plan, model.layers)
    stem = f"{Path(model.path).stem}_{'mixed' if bits is None else f'{bits}bit'}{suffix}"
    return ensure_new(folder / f"{stem}.onnx")


def create_folder(folder: Path) -> str:
    """Create a folder for results unless it is there; returns why that cannot be done, "" if it is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        tr = QCoreApplication.translate
        text = tr(CONTEXT, "Cannot create the folder {folder}: {reason}. Choose another one.")
        return text.format(folder=folder, reason=error.strerror)
    return ""


def find_existing(path: Path) -> Path | None:
    """What a conversion to `path` would overwrite: the model, its plan or its manifest."""
    return next((item for item in paths_of(path) if item.exists()), None)


def ensure_new(path: Path) -> Path:
    """`path`, or with the first of -2, -3 … before its suffix for which neither model nor plan is there yet."""
    candidate, number = path, 1
    while find_existing(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
