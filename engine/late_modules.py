"""Modules that are loaded when something of them is first used, rather than where they are imported.

onnx_ir imports sympy, half of the time that it takes to load, for arithmetic on symbolic dimensions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from typing_extensions import override

LATE = ("sympy", "onnx_ir._symbolic_shapes")


class _LateFinder(MetaPathFinder):
    """Finds the late modules, and gives each a loader that waits."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in LATE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        spec.loader = LazyLoader(spec.loader)
        return spec


def load_late() -> None:
    """From now on, load the late modules when they are used; for a process of our own, before it imports onnx_ir."""
    if not any(isinstance(finder, _LateFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LateFinder())
