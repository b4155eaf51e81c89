"""Finished measurements on disk, so that a cancelled analysis goes on where it stopped, after a restart, too."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engine.cache_folder import cache_folder
from engine.plan import LayerPlan
from engine.sensitivity.output_metrics import COLUMNS, VERSION, Figures

KEPT_ANALYSES = 16


class FigureStore:
    """One folder per model and data, one file per layer and scheme: its figures of the first samples.

    Files are written under another name and renamed. The `KEPT_ANALYSES` folders used last stay.
    """

    def __init__(self, key: Iterable[str], *, is_fresh: bool = False) -> None:
        """Open the folder for `key`: whatever the figures depend on besides layer and scheme."""
        root = cache_folder("sensitivity")
        self._folder = root / _digest(f"figures {VERSION}", *key)
        if is_fresh:
            shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # without a cache, nothing is found and nothing kept
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)
            _prune(root)

    def load(self, layer: str, choice: LayerPlan) -> Figures:
        """Figures [samples, columns] of as many samples as there are, in their order; none if none are."""
        try:
            found = np.load(self._path(layer, choice), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return np.zeros((0, COLUMNS))
        is_usable = found.ndim == 2 and found.shape[1] == COLUMNS and found.dtype == np.float64
        return found if is_usable else np.zeros((0, COLUMNS))

    def save(self, layer: str, choice: LayerPlan, figures: Figures) -> None:
        """Keep the figures of the first samples. A full disk, or no cache, costs the resume, not the analysis."""
        path = self._path(layer, choice)
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                np.save(file, figures)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, layer: str, choice: LayerPlan) -> Path:
        return self._folder / f"{_digest(layer, repr(choice.weights), choice.kernel)}.npy"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _prune(root: Path) -> None:
    folders = sorted((item for item in root.iterdir() if item.is_dir()), key=lambda item: item.stat().st_mtime)
    for folder in folders[:-KEPT_ANALYSES]:
        shutil.rmtree(folder, ignore_errors=True)
