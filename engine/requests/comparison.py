"""Two models side by side: errors by layer, and the samples that changed most."""

from __future__ import annotations

from dataclasses import dataclass

from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES
from engine.requests.data import DataChoice


@dataclass(frozen=True)
class LayerErrorsRequest:
    """Error of every layer's output, float against results → `LayerErrors`.

    Attributes:
        model: the float model; `results` were made from it.
    """

    model: str
    results: tuple[str, ...]
    data: DataChoice
    samples: int = 16


@dataclass(frozen=True)
class LayerError:
    """One layer's output.

    Attributes:
        sqnr_db: 10·log10(Σ float² / Σ (float − result)²) per result; infinite where nothing differs, None
            where the result has no tensor that could be matched.
        body_of: the operator in whose body the layer runs (If, Loop, Scan), "" for none; ONNX Runtime gives out
            tensors of the main graph only, so nothing is measured there.
    """

    layer: str
    title: str
    sqnr_db: tuple[float | None, ...]
    body_of: str = ""


@dataclass(frozen=True)
class LayerErrors:
    """All layers in graph order, the figures of a layer in the order of `results`."""

    results: tuple[str, ...]
    samples: int
    layers: tuple[LayerError, ...]


@dataclass(frozen=True)
class ChangedSamplesRequest:
    """Which samples a result treats most differently from the float model → `ChangedSamples`.

    Attributes:
        count: how many to keep, 24 at most.
    """

    model: str
    result: str
    data: DataChoice
    samples: int = DEFAULT_EVALUATION_SAMPLES
    count: int = 24


@dataclass(frozen=True)
class ClassGuess:
    """A class and its probability, 0…1."""

    number: int
    probability: float


@dataclass(frozen=True)
class ChangedSample:
    """One sample.

    Attributes:
        index: in the file or folder, skipped samples counted.
        kl: KL(float ‖ result) in nats, of token sequences the mean over tokens; None without class scores.
        sqnr_db: of this sample's float outputs; infinite where nothing differs.
        before, after: the class that float and result prefer; None without class scores, and for tokens.
        changed_tokens: tokens with another prediction, of token sequences only.
        label: the right class, if the data say so.
        picture: PNG, at most 96 × 96, if the sample is one.
    """

    index: int
    kl: float | None
    sqnr_db: float
    before: ClassGuess | None = None
    after: ClassGuess | None = None
    changed_tokens: int | None = None
    label: int | None = None
    picture: bytes | None = None

    @property
    def is_changed(self) -> bool:
        """Whether a prediction is another one."""
        if self.changed_tokens is not None:
            return self.changed_tokens > 0
        return self.before is not None and self.after is not None and self.before.number != self.after.number


@dataclass(frozen=True)
class ChangedSamples:
    """The samples with other predictions first, then by KL, or by SQNR where there are no classes.

    Attributes:
        samples: how many were looked at; `changed` of them have another prediction (None without classes).
    """

    result: str
    samples: int
    changed: int | None
    worst: tuple[ChangedSample, ...]
