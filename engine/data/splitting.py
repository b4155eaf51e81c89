"""Which samples of a source are used, and in which order: calibration and evaluation never share one.

The shuffled order is decided by the seed, the number of samples and their labels alone. With labels, every
class is shuffled for itself and the classes take turns, so that any number of first samples has all classes in
equal parts as far as they last, also where the file is sorted by class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.requests.data import DataChoice

DEFAULT_SEED = 0
Rows = range | NDArray[np.int64]


def select_samples(total: int, labels: NDArray[np.int64] | None, choice: DataChoice, name: str) -> Rows:
    """The numbers of the samples that `choice` uses, of `total` in the file; a range where they follow each other.

    Args:
        labels: class numbers [total], if there are any.
        name: of the file, for the message.

    Raises:
        DataError: none are left.
    """
    rows: Rows = range(total) if choice.seed is None else shuffled_order(total, labels, choice.seed)
    if choice.excluded:
        rows = np.asarray(rows, np.int64)
        rows = rows[~np.isin(rows, np.asarray(choice.excluded, np.int64))]
        if not len(rows):
            raise DataError(f"{name} has no sample that is not used for calibration. Choose other data.")
    if choice.skip < 0 or choice.skip >= len(rows):
        raise DataError(f"{name} has {len(rows):,} samples and {choice.skip:,} of them are to be skipped. Skip fewer.")
    stop = None if choice.take is None else choice.skip + max(0, choice.take)
    return rows[choice.skip : stop]


def shuffled_order(total: int, labels: NDArray[np.int64] | None, seed: int) -> NDArray[np.int64]:
    """All sample numbers, [total], shuffled and class by class in turn."""
    generator = np.random.default_rng(seed)
    order: NDArray[np.int64] = generator.permutation(total)
    if labels is None or not total:
        return order
    classes, codes = np.unique(labels[order], return_inverse=True)
    turn_of_class = generator.permutation(len(classes))
    by_class = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(classes))
    place = np.empty(total, np.int64)  # how many of the same class come before
    place[by_class] = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.lexsort((turn_of_class[codes], place))]


def find_shared(first: Sequence[bytes], second: Sequence[bytes]) -> tuple[int, ...]:
    """The places in `second` whose digest occurs in `first`."""
    known = set(first)
    return tuple(index for index, digest in enumerate(second) if digest in known)
