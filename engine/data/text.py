"""Text files as token sequences: every sample is one window of the model's sequence length and its next tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.data.arrays import HeldArray, StoredArray
from engine.data.binding import DEFAULT_SEQUENCE, TOKENS_NAME
from engine.data.tokenizing import find_tokenizer, load_tokenizer
from engine.errors import DataError
from engine.summary import TensorSpec

LARGEST_BYTES = 100_000_000


def open_text(path: Path, tokenizer: str | None, inputs: tuple[TensorSpec, ...]) -> dict[str, StoredArray]:
    """The text as `tokens`, int64 [windows, sequence + 1]; windows share no token but the one that begins a text.

    A rest that does not fill a window is left out. The sequence is what the model's input declares, 256 where it
    is free.

    Raises:
        DataError: no text, no tokenizer, a model without token ids, or less text than one window.
    """
    sequence = _sequence_of(inputs, path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(
                f"{path.name} has {path.stat().st_size / 1e6:,.0f} MB, and text is read into memory. Give an "
                f"excerpt of at most {LARGEST_BYTES / 1e6:.0f} MB, or its tokens in a .npy file."
            )
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read {path} as UTF-8 text ({error}). Choose another file.") from error
    chosen = Path(tokenizer) if tokenizer else find_tokenizer(path)
    if chosen is None:
        raise DataError(
            f"{path.name} is text, which needs the model's tokenizer. Choose its tokenizer.json, or put it beside "
            "the text."
        )
    coder = load_tokenizer(chosen)
    ids = np.asarray(coder.encode(text), np.int64)
    fill = sequence + 1 - len(coder.start)
    count = len(ids) // fill
    if not count:
        raise DataError(f"{path.name} has {len(ids):,} tokens, fewer than one window of {fill:,}. Give more text.")
    windows = ids[: count * fill].reshape(count, fill)
    starts = np.tile(np.asarray(coder.start, np.int64), (count, 1))
    return {TOKENS_NAME: HeldArray(path.name, TOKENS_NAME, np.concatenate([starts, windows], axis=1))}


def _sequence_of(inputs: tuple[TensorSpec, ...], path: Path) -> int:
    spec = inputs[0] if len(inputs) == 1 else None
    if spec is None or len(spec.shape) != 2 or "int" not in spec.dtype:
        raise DataError(
            f"{path.name} is text, and this model does not take token ids alone (one integer input "
            "[batch, sequence]). Save its inputs in a .npz file."
        )
    size = spec.shape[1]
    return size if isinstance(size, int) else DEFAULT_SEQUENCE
