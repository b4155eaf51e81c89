"""What every dataset is to its callers: a number of samples, a digest, and a stream of batches."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.errors import DataError


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


class Dataset(abc.ABC):
    """Samples that fit one model's inputs, read as they are needed.

    Memory stays at about one batch whatever the number of samples. A dataset can be streamed any
    number of times, always in the same order.

    Attributes:
        path: the file or folder.
        samples: what `batches` yields without a limit: skipped samples excluded, and a rest that
            does not fill the model's fixed batch.
        has_labels: every sample has a class number.
        is_tokens: samples are token sequences with next-token targets.
        fixed_batch: the only batch size that the model takes with this data; None if free.
    """

    def __init__(self, path: Path, total: int, skip: int, fixed_batch: int | None) -> None:
        """Check that samples are left of `total` after `skip`.

        Raises:
            DataError: none are.
        """
        if total < 1:
            raise DataError(f"{path.name} has no samples. Choose a file or folder with at least one.")
        if skip < 0 or skip >= total:
            raise DataError(f"{path.name} has {total:,} samples and {skip:,} of them are to be skipped. Skip fewer.")
        left = total - skip
        usable = left - left % (fixed_batch or 1)
        if usable < 1:
            raise DataError(
                f"{path.name} has {left:,} samples to use and the model takes batches of exactly {fixed_batch}. "
                "Give more samples."
            )
        self.path = path
        self.samples = usable
        self.fixed_batch = fixed_batch
        self.has_labels = False
        self.is_tokens = False
        self._skip = skip

    @property
    @abc.abstractmethod
    def description(self) -> str:
        """One line for people: the file, what a sample is, labels."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of contents and preprocessing, hex; reads everything once. `skip` is no part of it."""
        return self._compute_digest()

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
        return self._stream(self._skip, self._skip + count, size)

    def ensure_finite(self) -> None:
        """Read all samples and raise `DataError` if a value is NaN or infinite."""
        return

    @abc.abstractmethod
    def _stream(self, start: int, stop: int, size: int) -> Iterator[Batch]:
        """Batches of `size` samples; `start` and `stop` count from the first sample of the file."""

    @abc.abstractmethod
    def _compute_digest(self) -> str: ...
