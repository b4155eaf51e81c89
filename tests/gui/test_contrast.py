"""WCAG 2 AA: every colour pair that the style sheet and the delegates put on each other, in both themes."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor

from gui.theme import DARK, LIGHT, Palette

TEXT = 4.5
GRAPHICS = 3.0
GROUNDS = ("window", "panel", "field", "selection", "hover")
TEXT_PAIRS = (
    *(("text", ground) for ground in (*GROUNDS, "cell_empty", "caution_field")),
    *(("text_dim", ground) for ground in (*GROUNDS, "cell_empty")),
    *((name, ground) for name in ("good", "bad", "caution") for ground in ("window", "panel", "field", "selection")),
    ("caution", "caution_field"),
    ("caution", "hover"),
    ("on_accent", "accent"),
    ("on_accent", "accent_hover"),
)
GRAPHIC_PAIRS = (
    *(("accent", ground) for ground in ("window", "panel", "field")),
    *((f"plot_{name}", "window") for name in ("weight", "quantized", "clip", "overflow")),
    *((name, "selection") for name in ("caution",)),
    ("cell_chosen", "window"),
)


def luminance(color: QColor) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(QColor(one)), luminance(QColor(other))), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda palette: palette.name)
@pytest.mark.parametrize(("pairs", "least"), [(TEXT_PAIRS, TEXT), (GRAPHIC_PAIRS, GRAPHICS)], ids=["text", "graphics"])
def test_that_colours_keep_their_contrast(palette: Palette, pairs: tuple[tuple[str, str], ...], least: float) -> None:
    found = {pair: contrast(getattr(palette, pair[0]), getattr(palette, pair[1])) for pair in pairs}
    assert {pair: round(value, 2) for pair, value in found.items() if value < least} == {}


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda palette: palette.name)
def test_that_curves_can_be_told_from_the_ground(palette: Palette) -> None:
    assert {color for color in palette.series if contrast(color, palette.window) < GRAPHICS} == set()
