"""What every dataset is to its callers: a number of samples, a digest, and a stream of batches."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.preprocessing import Preprocessing
from engine.data.splitting import Rows, select_samples
from engine.errors import DataError
from engine.job_context import JobContext
from engine.requests.data import DataChoice


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that go through the model in one call; `len` is their number.

    Attributes:
        inputs: by input name, with the dtype and rank that the model declares.
        labels: class numbers, int64 [samples], or None.
        targets: next-token ids, int64 [samples, tokens], or None.
        size: number of samples.
    """

    inputs: dict[str, NDArray[Any]]
    labels: NDArray[Any] | None
    targets: NDArray[Any] | None
    size: int

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample before preprocessing.

    Attributes:
        name: what to call it: a file name, or the file and the row.
        label: its class number with `label_offset`, or None.
        picture: uint8 [height, width, 1 | 3 | 4] before preprocessing, or None where it is no image.
    """

    name: str
    label: int | None
    picture: NDArray[np.uint8] | None


class Dataset(abc.ABC):
    """Samples that fit one model's inputs, read as they are needed.

    Memory stays at about one batch whatever the number of samples. A dataset can be streamed any
    number of times, always in the same order.

    Attributes:
        path: the file or folder.
        total: samples in the file or folder.
        rows: the numbers of the samples that are used, in the order of `batches`.
        samples: what `batches` yields without a limit: those of `rows`, without a rest that does not
            fill the model's fixed batch.
        has_labels: every sample has a class number.
        is_tokens: samples are token sequences with next-token targets.
        fixed_batch: the only batch size that the model takes with this data; None if free.
    """

    def __init__(
        self, path: Path, total: int, labels: NDArray[np.int64] | None, choice: DataChoice, fixed_batch: int | None
    ) -> None:
        """Select samples, of which `labels` has the class numbers if there are any.

        Raises:
            DataError: none are left.
        """
        if total < 1:
            raise DataError(f"{path.name} has no samples. Choose a file or folder with at least one.")
        rows = select_samples(total, labels, choice, path.name)
        left = len(rows)
        usable = left - left % (fixed_batch or 1)
        if not left:
            raise DataError(f"None of the {total:,} samples of {path.name} is to be used. Take at least one.")
        if usable < 1:
            raise DataError(
                f"{path.name} has {left:,} samples to use and the model takes batches of exactly {fixed_batch}. "
                "Give more samples."
            )
        self.path = path
        self.total = total
        self.rows: Rows = rows
        self.samples = usable
        self.fixed_batch = fixed_batch
        self.has_labels = labels is not None
        self.is_tokens = False
        self._choice = choice

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """One line for people: the file, what a sample is, labels."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of contents, preprocessing and order, hex; reads everything once. `skip` is no part of it."""
        digest = hashlib.sha256()
        self._add_contents(digest)
        choice = self._choice
        if choice.seed is not None or choice.excluded:
            digest.update(json.dumps([choice.seed, sorted(choice.excluded)]).encode())
        return digest.hexdigest()

    def batch_size_for(self, preferred: int) -> int:
        """The batch size to ask for: `preferred`, or what the model's shapes dictate."""
        return self.fixed_batch or max(1, preferred)

    def batches(self, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
        """Stream the first `limit` samples, all by default, in order.

        `batch_size` passes through `batch_size_for`. With a fixed batch, `limit` is rounded down
        to whole batches, but at least one; otherwise the last batch may be smaller.

        Raises:
            DataError: while streaming: NaN or infinity, an image that cannot be decoded, a damaged file.
        """
        size = self.batch_size_for(batch_size)
        count = self.samples if limit is None else max(0, min(limit, self.samples))
        if self.fixed_batch and limit != 0:
            count = max(size, count - count % size)
        return self._stream(self.rows[:count], size)

    def one(self, position: int) -> Batch:
        """The sample at this place of `rows` as the model gets it, whatever its batch."""
        return next(self._stream(self.rows[position : position + 1], 1))

    @property
    def image_preprocessing(self) -> Preprocessing | None:
        """How an image becomes the model's only input; None where samples are something else."""
        return None

    def first_image(self) -> tuple[bytes, str]:
        """The first sample as it is before preprocessing: content and suffix of an image file.

        Only for data with `image_preprocessing`.
        """
        raise NotImplementedError

    def ensure_finite(self) -> None:
        """Read all samples and raise `DataError` if a value is NaN or infinite."""
        return

    @abc.abstractmethod
    def sample(self, position: int) -> Sample:
        """The sample at this place of `rows` before preprocessing."""

    @abc.abstractmethod
    def content_digests(self, context: JobContext, rows: Rows | None = None) -> list[bytes]:
        """What tells samples from others, by their content: of `rows`, or of all in the file's own order.

        Raises:
            JobCancelled: cancelled.
        """

    @abc.abstractmethod
    def _stream(self, rows: Rows, size: int) -> Iterator[Batch]:
        """Batches of `size` of these samples."""

    @abc.abstractmethod
    def _add_contents(self, digest: hashlib._Hash) -> None:
        """Feed contents and preprocessing."""
