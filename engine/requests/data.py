"""Where samples come from, which of them calibrate and which evaluate, and how they look to the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_CALIBRATION_SAMPLES = 128
LARGEST_NUMBER = (1 << 63) - 1
"""Of a sample."""


@dataclass(frozen=True)
class DataChoice:
    """Where samples come from: `.npz`, `.npy`, text or an image folder, how they are prepared, and which are used.

    Which: all in the file's order or, with `seed`, in the order of `engine.data.splitting`; of them those of
    `excluded` are left out, then `skip` are passed over and at most `take` used, so that calibration and
    evaluation can share a file and stay disjoint. All values are JSON's own.

    Attributes:
        preprocess: path of a preprocessing file.
        preprocessing: the same as JSON text, which goes before the file; "" for none.
        seed: of the shuffled, class-balanced order; None for the file's own.
        take: at most so many samples; None for all.
        excluded: numbers of samples in the file's own order that are not used.
        label_file: a CSV file with the labels of an image folder; None finds one in the folder.
        tokenizer: for text files; None finds one beside them.
    """

    path: str
    preprocess: str | None = None
    skip: int = 0
    preprocessing: str = ""
    seed: int | None = None
    take: int | None = None
    excluded: tuple[int, ...] = ()
    label_file: str | None = None
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "excluded", tuple(self.excluded))
        counts = (self.skip, self.seed or 0, self.take or 0, *self.excluded)
        if min(counts) < 0 or max(self.excluded, default=0) > LARGEST_NUMBER:
            raise ValueError("a choice of data counts samples from 0")


@dataclass(frozen=True)
class DataRequest:
    """Check that data fits a model → `DataSummary`."""

    model: str
    data: DataChoice


@dataclass(frozen=True)
class DataSummary:
    """What was found in the data."""

    samples: int
    has_labels: bool
    digest: str
    description: str
    is_tokens: bool = False


class EvaluationSource(StrEnum):
    """What evaluation runs on: the rest of the calibration source, another source, nothing."""

    REST = "rest"
    OTHER = "other"
    NONE = "none"


@dataclass(frozen=True)
class SplitRequest:
    """Divide samples between calibration and evaluation → `DataSplit`.

    Attributes:
        evaluation: for `EvaluationSource.OTHER`.
        samples: how many are to calibrate.
    """

    model: str
    calibration: DataChoice
    evaluation: DataChoice | None = None
    source: EvaluationSource = EvaluationSource.REST
    samples: int = DEFAULT_CALIBRATION_SAMPLES


@dataclass(frozen=True)
class DataSplit:
    """Which samples calibrate and which evaluate; no sample does both.

    Attributes:
        samples: that calibrate, of `total` in the source.
        evaluation_samples: that evaluate.
        shared: samples that both sources have, which evaluation leaves out.
        is_one_source: evaluation uses the rest of the calibration source.
    """

    calibration: DataChoice
    evaluation: DataChoice | None
    samples: int
    evaluation_samples: int
    total: int
    shared: int = 0
    is_one_source: bool = False
    has_labels: bool = False


class GuessReason(StrEnum):
    """What a guess of preprocessing was made from."""

    FILE = "file"
    SHAPE = "shape"
    INSIDE = "inside"
    NAME = "name"
    SIZE = "size"
    LAYOUT = "layout"
    COMMON = "common"
    BACKGROUND = "background"


@dataclass(frozen=True)
class Guess:
    """Preprocessing that a model probably expects.

    Attributes:
        preprocessing: JSON text.
        preset: the name of the preset that it was made from; "" for none.
        file: the name of the preprocessing file that was found, for `GuessReason.FILE`.
    """

    preprocessing: str
    preset: str
    reasons: tuple[GuessReason, ...]
    file: str


class PreviewWarning(StrEnum):
    """What is odd about the values of a sample: all the same; raw pixels; mean far from 0; hardly any contrast."""

    CONSTANT = "constant"
    RAW = "raw"
    OFF_CENTRE = "off_centre"
    SQUEEZED = "squeezed"


@dataclass(frozen=True)
class PreviewRequest:
    """Look at one sample before and after preprocessing → `DataPreview`.

    Attributes:
        index: among the samples that `data` uses.
    """

    model: str
    data: DataChoice
    index: int = 0


@dataclass(frozen=True)
class ChannelStatistics:
    """Of one channel of one sample."""

    minimum: float
    maximum: float
    mean: float
    std: float


@dataclass(frozen=True)
class DataPreview:
    """One sample.

    Attributes:
        samples: that `data` uses.
        label: class number, `label_offset` included.
        before, after: PNG files; the second is the tensor itself, scaled to black and white.
        before_size: height and width before preprocessing, in pixels.
        shape, dtype: of the tensor that the model gets for one sample.
        channels: of the first eight channels.
        guess: what preprocessing was guessed, if none was given.
        preprocessing: what was used, as JSON text.
        text: the first token ids of a token sequence.
        problem: why there is nothing but a guess.
    """

    index: int = 0
    samples: int = 0
    name: str = ""
    label: int | None = None
    before: bytes | None = None
    before_size: tuple[int, int] | None = None
    after: bytes | None = None
    input: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""
    channels: tuple[ChannelStatistics, ...] = ()
    warnings: tuple[PreviewWarning, ...] = ()
    guess: Guess | None = None
    is_image: bool = False
    is_tokens: bool = False
    has_labels: bool = False
    preprocessing: str = ""
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class CheckRequest:
    """How many labelled samples the float model gets right → `DataCheck`."""

    model: str
    data: DataChoice
    samples: int = 64


@dataclass(frozen=True)
class DataCheck:
    """Right answers, if labels were shifted by −1, 0 or 1.

    Attributes:
        classes: that the model tells apart.
        class_folders: folders whose sorted names gave the labels their numbers; 0 if something else did.
    """

    samples: int
    right_by_offset: Mapping[int, int]
    classes: int
    class_folders: int = 0

    @property
    def right(self) -> int:
        """With the labels as they are."""
        return self.right_by_offset[0]

    @property
    def best_offset(self) -> int:
        """The shift with most right answers; 0 unless another is better."""
        return max(self.right_by_offset, key=lambda offset: (self.right_by_offset[offset], offset == 0))
