"""Tokenizers in JSON files: a list of tokens with merge scores, or the `tokenizer.json` of Hugging Face.

The first is what llama2.c exports of a SentencePiece BPE model: `tokens`, `scores`, and the ids `bos` and `eos`.
The second needs the `tokenizers` package, which is no dependency of Bitsmith.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from engine.errors import DataError

USUAL_NAME = "tokenizer.json"
_LARGEST_BYTES = 256 << 20
_GONE = -1


class Tokenizer(Protocol):
    """Text to ids.

    Attributes:
        start: ids that begin every sequence.
    """

    start: tuple[int, ...]

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text, without `start`."""


class ScoredTokenizer:
    """Byte-pair encoding by scores: of all neighbours that make a token, the pair with the best score is merged first.

    Characters that are no tokens become their UTF-8 bytes (`<0x41>`). As SentencePiece does, the text gets a leading
    space. Words are encoded one by one: no token may have a space elsewhere than at its start.
    """

    def __init__(self, tokens: Sequence[str], scores: Sequence[float], start: tuple[int, ...]) -> None:
        self.start = start
        self._tokens = tuple(tokens)
        self._scores = tuple(scores)
        self._ids = {token: number for number, token in reversed(tuple(enumerate(tokens)))}
        self._encode_word = lru_cache(maxsize=1 << 16)(self._merge)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without `start`."""
        first, *others = f" {text}".split(" ")
        words = [*([first] if first else []), *(f" {word}" for word in others)]
        return [number for word in words for number in self._encode_word(word)]

    def _merge(self, word: str) -> tuple[int, ...]:
        """A heap of pairs, so that a text without spaces takes n·log(n) steps; equal scores merge from the left."""
        ids = [number for character in word for number in self._ids_of(character)]
        after = list(range(1, len(ids) + 1))
        before = list(range(-1, len(ids) - 1))
        found: list[tuple[float, int, int, int, int]] = []

        def offer(left: int) -> None:
            right = after[left] if left >= 0 else len(ids)
            if right < len(ids):
                merged = self._ids.get(self._tokens[ids[left]] + self._tokens[ids[right]])
                if merged is not None:
                    heapq.heappush(found, (-self._scores[merged], left, merged, ids[left], ids[right]))

        for place in range(len(ids) - 1):
            offer(place)
        while found:
            _, left, merged, one, two = heapq.heappop(found)
            right = after[left]
            # What has been merged since it was pushed has another id, or none.
            if right == len(ids) or (ids[left], ids[right]) != (one, two):
                continue
            ids[left], ids[right] = merged, _GONE
            after[left] = after[right]
            if after[left] < len(ids):
                before[after[left]] = left
            offer(before[left])
            offer(left)
        return tuple(number for number in ids if number != _GONE)

    def _ids_of(self, character: str) -> list[int]:
        if character in self._ids:
            return [self._ids[character]]
        return [self._ids[f"<0x{byte:02X}>"] for byte in character.encode()]


class LibraryTokenizer:
    """A `tokenizer.json`, read by the `tokenizers` package; special tokens are left out."""

    start: tuple[int, ...] = ()

    def __init__(self, path: Path) -> None:
        try:
            import tokenizers
        except ImportError as error:
            raise DataError(
                f"{path.name} is a tokenizer of Hugging Face, which needs the package tokenizers. Install it with: "
                "pip install tokenizers, or give tokens in a .npz file."
            ) from error
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises plain Exception
            raise DataError(f"{path.name} is no tokenizer ({error}). Choose the model's tokenizer.json.") from error

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def find_tokenizer(text: Path) -> Path | None:
    """`tokenizer.json` beside a text, or the only JSON file there whose name has `tok`; None if there is neither."""
    usual = text.parent / USUAL_NAME
    if usual.is_file():
        return usual
    named = [path for path in text.parent.glob("*.json") if "tok" in path.stem.lower()]
    return named[0] if len(named) == 1 else None


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer.

    Raises:
        DataError: missing, malformed, or of a kind that is not read.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path.name} is too large for a tokenizer. Choose the model's tokenizer.json.")
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}. Choose the model's tokenizer.json.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path.name} is no valid JSON ({error}). Choose the model's tokenizer.json.") from error
    if isinstance(document, dict) and "tokens" in document and "scores" in document:
        return _build_scored(document, path.name)
    if isinstance(document, dict) and "model" in document:
        return LibraryTokenizer(path)
    raise DataError(
        f"{path.name} is no tokenizer: it has neither 'tokens' and 'scores' nor 'model'. "
        "Choose the model's tokenizer.json."
    )


def _build_scored(document: Mapping[str, Any], name: str) -> ScoredTokenizer:
    tokens, scores, start = document["tokens"], document["scores"], document.get("bos")
    if not (
        isinstance(tokens, list)
        and isinstance(scores, list)
        and len(tokens) == len(scores)
        and all(isinstance(token, str) for token in tokens)
        and all(isinstance(score, int | float) for score in scores)
        and (start is None or (isinstance(start, int) and 0 <= start < len(tokens)))
    ):
        raise DataError(f"{name} must have as many 'scores' (numbers) as 'tokens' (text). Choose another tokenizer.")
    if any(" " in token[1:] for token in tokens) or not {f"<0x{byte:02X}>" for byte in range(256)} <= set(tokens):
        raise DataError(
            f"{name} has tokens that span words, or none for single bytes, which Bitsmith does not read. "
            "Give tokens in a .npz file."
        )
    return ScoredTokenizer(tokens, scores, () if start is None else (start,))
