"""Finding by a few letters, as command palettes do."""

from __future__ import annotations

BREAKS = " ._-/:×()&,…"
LETTER = 1.0
IN_A_ROW = 2.0
START_OF_WORD = 3.0
PER_LETTER_OF_TEXT = 0.01


def score(query: str, text: str) -> float | None:
    """How well `text` fits, more is better; None if a word of `query` is not in it, letter after letter.

    Letters count more at the start of a word and right after the one before, short texts more than long ones; case
    counts for nothing.
    """
    lowered = text.lower()
    found = [_score_word(word, lowered) for word in query.lower().split()]
    known = [value for value in found if value is not None]
    return sum(known) - PER_LETTER_OF_TEXT * len(text) if len(known) == len(found) else None


def _score_word(word: str, text: str) -> float | None:
    at = text.find(word)
    if at >= 0:
        is_start = any(_starts_word(text, place) for place in _places(word, text))
        return len(word) * (LETTER + IN_A_ROW) + (START_OF_WORD if is_start else 0.0)
    total, last = 0.0, -1
    for letter in word:
        place = text.find(letter, last + 1)
        if place < 0:
            return None
        total += LETTER
        if _starts_word(text, place):
            total += START_OF_WORD
        elif place == last + 1:
            total += IN_A_ROW
        last = place
    return total


def _places(word: str, text: str) -> list[int]:
    """Where a word stands in the text."""
    found, at = [], text.find(word)
    while at >= 0:
        found.append(at)
        at = text.find(word, at + 1)
    return found


def _starts_word(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] in BREAKS
