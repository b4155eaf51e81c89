"""Opening a model, drawing its graph, and which presets suit it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests.data import DataChoice


@dataclass(frozen=True)
class OpenRequest:
    """Open a model and list its layers → `ModelSummary`.

    Attributes:
        trusted_sha256: of a PyTorch file that may run code when it is loaded; the user consented to this one.
        input_shapes: for TorchScript files that do not say them; name and shape each.
    """

    model: str
    trusted_sha256: str | None = None
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class GraphRequest:
    """Lay the graph out → `engine.graph_view.drawing.Drawing`.

    Attributes:
        expanded: names of the groups whose nodes are shown; by default all of a small graph, none of a large one.
    """

    model: str
    expanded: frozenset[str] | None = None


@dataclass(frozen=True)
class FitRequest:
    """Try every preset of preprocessing on labelled images → `PresetFits`."""

    model: str
    data: DataChoice
    samples: int = 64


@dataclass(frozen=True)
class PresetFit:
    """One preset, adapted to the model.

    Attributes:
        preprocessing: JSON text, with the label offset that suits best.
        right: samples that the float model got right.
    """

    preset: str
    title: str
    preprocessing: str
    right: int


@dataclass(frozen=True)
class PresetFits:
    """All presets, the best first; `samples` were tried with each; `classes`, `class_folders` as in `DataCheck`."""

    fits: tuple[PresetFit, ...]
    samples: int
    classes: int = 0
    class_folders: int = 0
