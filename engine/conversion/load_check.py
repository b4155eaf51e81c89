"""Load and run a large written model in a process of its own: `python -m engine.conversion.load_check MODEL`.

The converting process stays small, and what the loaded model takes is what any user of it needs.
Prints one JSON document: the layers on integer kernels, and whether the outputs are finite (null if the
model does not run on drawn inputs).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from engine.conversion.optimized import load_optimized
from engine.errors import BitsmithError
from engine.model.observation import draw_inputs, find_sequence_length


def check(path: Path) -> dict[str, object]:
    """Load `path` with all optimisations and run it once on drawn inputs, if any fit.

    Raises:
        ModelError: ONNX Runtime refuses the model.
    """
    session, integer_layers = load_optimized(path)
    length = find_sequence_length(session)
    if length is None:
        return {"integer_layers": sorted(integer_layers), "is_finite": None}
    outputs = session.run(draw_inputs(session.inputs, length=length))
    floats = [value for value in outputs if np.issubdtype(value.dtype, np.floating)]
    return {"integer_layers": sorted(integer_layers), "is_finite": all(bool(np.isfinite(v).all()) for v in floats)}


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(check(Path(sys.argv[1]))))
    except BitsmithError as error:
        sys.exit(str(error))
