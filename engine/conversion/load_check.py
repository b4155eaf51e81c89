"""Load and run a large written model in a process of its own: `python -m engine.conversion.load_check MODEL`.

The converting process stays small; models beyond `PIECE_BYTES` are loaded and run piece by piece, so this
process stays small as well. Prints one JSON document: the layers on integer kernels, and whether the outputs
are finite (null if the model does not run on drawn inputs).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from engine.conversion.optimized import load_optimized
from engine.conversion.pieces import Piece, input_specs, split_model
from engine.errors import BitsmithError, ModelError
from engine.model.observation import SEQUENCE_LENGTHS, draw_inputs
from engine.model.runtime import Feeds, Session

# Weights that are loaded at a time; ONNX Runtime takes up to two and a half times that.
PIECE_BYTES = 500_000_000

Array = npt.NDArray[Any]


def check(path: Path) -> dict[str, object]:
    """Load `path` with all optimisations and run it once on drawn inputs, if any fit.

    Raises:
        ModelError: ONNX Runtime refuses the model.
    """
    model = onnx.load(str(path), load_external_data=False)
    pieces = split_model(model, PIECE_BYTES)
    found = _check_pieces(path, model, pieces) if len(pieces) > 1 else None
    return found or _check_whole(path)


def _check_whole(path: Path) -> dict[str, object]:
    session, integer_layers = load_optimized(path)
    attempts = (_try_run(session, draw_inputs(session.inputs, length=length)) for length in SEQUENCE_LENGTHS)
    outputs = next((found for found in attempts if found is not None), None)
    return _answer(integer_layers, outputs)


def _check_pieces(path: Path, model: onnx.ModelProto, pieces: list[Piece]) -> dict[str, object] | None:
    """None if the model runs on no drawn input: of what lies between the pieces, not even the type is known then."""
    specs = input_specs(model)
    for length in SEQUENCE_LENGTHS:
        found = _run_pieces(path, model, pieces, draw_inputs(specs, length=length))
        if found is not None:
            return found
    return None


def _run_pieces(
    path: Path, model: onnx.ModelProto, pieces: list[Piece], values: dict[str, Array]
) -> dict[str, object] | None:
    """Load and run one piece after the other; None if one does not run on what those before it computed."""
    layers: set[int] = set()
    for index, piece in enumerate(pieces):
        session, found = _load_piece(path, piece.build(model, values))
        layers |= found
        outputs = _try_run(session, {name: values[name] for name in piece.inputs})
        del session
        if outputs is None:
            return None
        values.update(zip(piece.outputs, outputs, strict=True))
        needed = {item.name for item in model.graph.output}.union(*(later.inputs for later in pieces[index + 1 :]))
        values = {name: value for name, value in values.items() if name in needed}
    return _answer(layers, list(values.values()))


def _load_piece(path: Path, piece: bytes) -> tuple[Session, frozenset[int]]:
    """ONNX Runtime finds external weights beside a file only, so the piece is one for a moment."""
    file = path.with_name(f"{path.name}.piece")
    try:
        file.write_bytes(piece)
        return load_optimized(file)
    finally:
        file.unlink(missing_ok=True)


def _try_run(session: Session, feeds: Feeds) -> list[Array] | None:
    try:
        return session.run(feeds)
    except (ModelError, TypeError, ValueError):
        return None


def _answer(integer_layers: Collection[int], outputs: list[Array] | None) -> dict[str, object]:
    is_finite = None if outputs is None else all(_is_finite(value) for value in outputs)
    return {"integer_layers": sorted(integer_layers), "is_finite": is_finite}


def _is_finite(value: Array) -> bool:
    return not np.issubdtype(value.dtype, np.floating) or bool(np.isfinite(value).all())


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(check(Path(sys.argv[1]))))
    except BitsmithError as error:
        sys.exit(str(error))
