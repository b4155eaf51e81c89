"""Names for converted files: new ones only, so that no result is ever overwritten."""

from __future__ import annotations

from pathlib import Path

from engine.plan import Plan
from engine.summary import ModelSummary
from gui.plan_edits import common_bits


def suggest_output(folder: Path, model: ModelSummary, plan: Plan) -> Path:
    """`<model>_4bit.onnx` or `<model>_mixed.onnx` in `folder`, with -2, -3 … if that exists."""
    bits = common_bits(plan, model.layers)
    stem = f"{Path(model.path).stem}_{'mixed' if bits is None else f'{bits}bit'}"
    return ensure_new(folder / f"{stem}.onnx")


def ensure_new(path: Path) -> Path:
    """`path`, or with the first free of -2, -3 … before its suffix."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate
