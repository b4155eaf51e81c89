"""A few strings of SVG: escaping, axes and marks. Colours are classes, which the page's style sheet knows."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def escape(text: object) -> str:
    """Text that is safe between tags and in quoted attributes."""
    return html.escape(str(text), quote=True)


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def figure(width: float, height: float, title: str, body: str) -> str:
    """An SVG element of these pixels that shrinks with the page; `title` is its alternative text."""
    return (
        f'<svg viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )


def text(x: float, y: float, words: object, kind: str = "", anchor: str = "start") -> str:
    """A line of text; `kind` is a class."""
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def rect(x: float, y: float, size: tuple[float, float], kind: str, tip: str = "", *, fill: str = "") -> str:
    """A rectangle with a tooltip; `fill` is a colour of data, all others come from `kind`."""
    width, height = size
    paint = f' fill="{fill}"' if fill else ""
    start = f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"{paint}'
    return f'{start} class="{kind}"' + (f"><title>{escape(tip)}</title></rect>" if tip else "/>")


def line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" class="{kind}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    return f'<polyline points="{" ".join(f"{number(x)},{number(y)}" for x, y in points)}" class="{kind}"/>'


def marker(x: float, y: float, shape: int, kind: str, tip: str) -> str:
    """A mark whose shape tells it from others without colour: circle, square, triangle, diamond, in turn."""
    r = 5.0
    corners = (
        (),
        ((-r, -r), (r, -r), (r, r), (-r, r)),
        ((0, -r - 1), (r + 1, r), (-r - 1, r)),
        ((0, -r - 2), (r + 2, 0), (0, r + 2), (-r - 2, 0)),
    )[shape % 4]
    start = f'<circle cx="{number(x)}" cy="{number(y)}" r="{r}"'
    if corners:
        path = " ".join(f"{number(x + dx)},{number(y + dy)}" for dx, dy in corners)
        start = f'<polygon points="{path}"'
    return f'{start} class="{kind}"><title>{escape(tip)}</title></{"polygon" if corners else "circle"}>'


@dataclass(frozen=True)
class Axis:
    """From values to pixels, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is put on the edge."""
        low, high, value = self._map(self.low), self._map(self.high), self._map(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def _map(self, value: float) -> float:
        return math.log10(value) if self.is_log else value

    def ticks(self, count: int = 7) -> list[float]:
        """Round values inside the axis: 1, 2 or 5 times powers of ten."""
        if self.is_log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [base * 10.0**power for power in powers for base in (1, 2, 5)]
            inside = [value for value in found if self.low <= value <= self.high]
            return inside if 2 <= len(inside) <= 2 * count else [v for v in inside if _leading(v) == 1] or inside
        if self.high <= self.low:
            return [self.low]
        raw = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _leading(value: float) -> int:
    return int(f"{value:e}"[0])


def x_axis(axis: Axis, y: float, label: str, write: Callable[[float], str], top: float) -> str:
    """Ticks below `y`, grid lines up to `top`, and the label."""
    parts = [line((axis.start, y), (axis.end, y), "axis")]
    for value in axis.ticks():
        x = axis(value)
        parts += [line((x, y), (x, top), "grid"), text(x, y + 16, write(value), "tick", "middle")]
    return "".join([*parts, text((axis.start + axis.end) / 2, y + 34, label, "label", "middle")])


def y_axis(axis: Axis, x: float, label: str, write: Callable[[float], str], right: float) -> str:
    """Ticks left of `x`, grid lines to `right`, and the label above the axis."""
    parts = []
    for value in axis.ticks():
        y = axis(value)
        parts += [line((x, y), (right, y), "grid"), text(x - 6, y + 4, write(value), "tick", "end")]
    return "".join([*parts, text(8, min(axis.start, axis.end) - 12, label, "label")])
