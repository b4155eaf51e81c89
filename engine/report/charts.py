"""The charts of a report, each an SVG from plain figures; a table beside each says the same in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.report.svg import Axis, figure, line, marker, polyline, rect, text, x_axis, y_axis
from engine.requests.histograms import Histogram

WIDTH = 900.0
SERIES = 6
"""Classes s0 … s5 of the style sheet: the colours of Okabe and Ito, which colour-blind readers tell apart."""
CIVIDIS = (
    "#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
)  # fmt: skip
DARK_STEPS = 5
NAME_LIMIT = 44
MOST_CODES = 32
"""More values than these would be one red band."""
TALL_ROWS = 80
"""Up to so many layers get rows with names and figures, more get thin ones."""


@dataclass(frozen=True)
class HeatCell:
    """One cell of the heatmap.

    Attributes:
        damage: what it loses, 0 or more, to colour it; None if it was not measured.
        label: its figure; `tip`: all that is known.
        is_chosen: the plan gives the layer these bits.
    """

    damage: float | None
    label: str
    tip: str
    is_chosen: bool = False


@dataclass(frozen=True)
class Mark:
    """One plan in the front."""

    name: str
    megabytes: float
    value: float
    tip: str


@dataclass(frozen=True)
class Timing:
    """One model's latencies in milliseconds; `quantiles` are evenly spaced, and may be missing."""

    name: str
    p50: float
    p90: float
    p99: float
    quantiles: Sequence[float] = ()


def draw_heatmap(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[HeatCell]]]) -> str:
    """Layers × bits: blue loses little, yellow much, on a logarithmic scale; the chosen cell is outlined."""
    damages = [cell.damage for _, cells in rows for cell in cells if cell.damage is not None]
    known = [damage for damage in damages if 0 < damage < math.inf]
    low, high = (min(known), max(known)) if known else (1.0, 1.0)
    is_tall = len(rows) <= TALL_ROWS
    longest = max((len(shorten(name, NAME_LIMIT)) for name, _ in rows), default=0)
    row_height, left = (20.0, 24 + 7.2 * longest) if is_tall else (5.0, 20.0)
    cell_width, top = 92.0, 28.0
    parts = [text(left + cell_width * (at + 0.5), 18, name, "label", "middle") for at, name in enumerate(columns)]
    for number, (name, cells) in enumerate(rows):
        y = top + number * row_height
        if is_tall:
            parts.append(text(left - 8, y + 14, shorten(name, NAME_LIMIT), "tick", "end"))
        for at, cell in enumerate(cells):
            x = left + cell_width * at
            step = _heat_step(cell.damage, low, high)
            kind = "cell chosen" if cell.is_chosen else "cell"
            fill = CIVIDIS[step] if step is not None else ""
            size = (cell_width - (4 if is_tall else 1), row_height - (4 if is_tall else 0.5))
            kind += "" if fill else " missing"
            parts.append(rect(x + 2, y + 2, size, kind, f"{name}: {cell.tip}", fill=fill))
            if is_tall:
                ink = "missing" if step is None else "on-dark" if step < DARK_STEPS else "on-light"
                parts.append(text(x + cell_width / 2, y + 14, cell.label, f"figure {ink}", "middle"))
    width = max(left + cell_width * len(columns), 420.0)
    height = top + row_height * len(rows) + 36
    return figure(width, height, title, "".join(parts) + _heat_legend(20.0, height - 22))


def _heat_step(value: float | None, low: float, high: float) -> int | None:
    if value is None or math.isnan(value):
        return None
    if value <= low:
        return 0
    if value >= high:
        return len(CIVIDIS) - 1
    share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
    return min(int(share * len(CIVIDIS)), len(CIVIDIS) - 1)


def _heat_legend(x: float, y: float) -> str:
    steps = [rect(x + 74 + 14 * at, y, (14, 12), "cell", fill=color) for at, color in enumerate(CIVIDIS)]
    chosen = x + 74 + 14 * len(CIVIDIS) + 84
    box = rect(chosen, y, (20, 12), "cell chosen missing")
    ends = text(x, y + 10, "loses little", "tick") + text(x + 80 + 14 * len(CIVIDIS), y + 10, "loses much", "tick")
    return "".join([*steps, ends, box, text(chosen + 26, y + 10, "chosen", "tick")])


def draw_front(title: str, label: str, front: Sequence[tuple[float, float, str]], marks: Sequence[Mark]) -> str:
    """Predicted quality over file size in MB: the best plan for every size as a line, plans that were made as marks."""
    height, left, right, top, bottom = 380.0, 64.0, 24.0, 40.0, 46.0
    sizes = [point[0] for point in front] + [mark.megabytes for mark in marks]
    values = [point[1] for point in front] + [mark.value for mark in marks]
    x = Axis(*_padded(sizes), left, WIDTH - right)
    y = Axis(*_padded(values), height - bottom, top)
    parts = [
        y_axis(y, left, label, short, WIDTH - right),
        x_axis(x, height - bottom, "file size, MB", short, top),
        polyline([(x(size), y(value)) for size, value, _ in front], "line s0"),
    ]
    parts += [marker(x(size), y(value), 0, "dot s0", tip) for size, value, tip in front]
    for number, mark in enumerate(marks, start=1):
        kind = f"mark s{number % SERIES}"
        at, up = x(mark.megabytes), y(mark.value)
        is_right = at > WIDTH * 0.7
        anchor = "end" if is_right else "start"
        parts.append(marker(at, up, number, kind, mark.tip))
        parts.append(text(at + (-11 if is_right else 11), up - 9, shorten(mark.name, 44), "name", anchor))
    return figure(WIDTH, height, title, "".join(parts))


def draw_sizes(title: str, entries: Sequence[tuple[str, float]], write: Callable[[float], str]) -> str:
    """Horizontal bars from 0, the value written behind each."""
    largest = max(value for _, value in entries) or 1.0
    x = Axis(0, largest, 260, WIDTH - 110)
    parts = []
    for row, (name, value) in enumerate(entries):
        y = 8 + 30 * row
        kind = f"bar s{row % SERIES}"
        parts.append(text(250, y + 15, shorten(name, 33), "tick", "end"))
        parts.append(rect(260, y, (max(x(value) - 260, 1), 20), kind, f"{name}: {write(value)}"))
        parts.append(text(x(value) + 8, y + 15, write(value), "tick"))
    return figure(WIDTH, 16 + 30 * len(entries), title, "".join(parts))


def draw_latencies(title: str, timings: Sequence[Timing]) -> str:
    """A bar to the median, a line on to P99 with a tick at P90."""
    x = Axis(0, max(timing.p99 for timing in timings) * 1.02, 260, WIDTH - 110)
    bottom = 12 + 34.0 * len(timings)
    parts = [x_axis(x, bottom, "milliseconds per call: bar P50, ticks P90 and P99", short, 4)]
    for row, timing in enumerate(timings):
        y = 8 + 34.0 * row
        tip = f"{timing.name}: P50 {timing.p50:.3f} ms, P90 {timing.p90:.3f} ms, P99 {timing.p99:.3f} ms"
        parts.append(text(250, y + 15, shorten(timing.name, 33), "tick", "end"))
        parts.append(rect(260, y, (max(x(timing.p50) - 260, 1), 20), f"bar s{row % SERIES}", tip))
        parts.append(line((x(timing.p50), y + 10), (x(timing.p99), y + 10), "whisker"))
        for value, reach in ((timing.p90, 5), (timing.p99, 9)):
            parts.append(line((x(value), y + 10 - reach), (x(value), y + 10 + reach), "whisker"))
        parts.append(text(WIDTH - 4, y + 15, f"{timing.p50:.3f} ms", "tick", "end"))
    return figure(WIDTH, bottom + 42, title, "".join(parts))


def draw_distributions(title: str, timings: Sequence[Timing]) -> str:
    """Share of the calls that are done within a time, one curve per model, on a logarithmic axis."""
    left, right, bottom = 64.0, 24.0, 46.0
    top = 40.0 + 18 * len(timings)
    height = top + 260
    values = [value for timing in timings for value in timing.quantiles]
    x = Axis(min(values) * 0.95, max(values) * 1.05, left, WIDTH - right, is_log=True)
    y = Axis(0, 100, height - bottom, top)
    parts = [
        y_axis(y, left, "share of the calls done, %", short, WIDTH - right),
        x_axis(x, height - bottom, "milliseconds per call (logarithmic)", short, top),
    ]
    for number, timing in enumerate(timings):
        count = len(timing.quantiles)
        points = [(x(value), y(100 * (at + 0.5) / count)) for at, value in enumerate(timing.quantiles)]
        parts.append(polyline(points, f"line s{number % SERIES}"))
        row = 18.0 * (number + 1)
        end = WIDTH - right - 12
        parts.append(line((end - 26, row - 4), (end, row - 4), f"line s{number % SERIES}"))
        parts.append(text(end - 34, row, shorten(timing.name, NAME_LIMIT), "tick", "end"))
    return figure(WIDTH, height, title, "".join(parts))


def draw_histogram(title: str, found: Histogram) -> str:
    """Values of one layer as steps, what quantization makes of them as a line, the clipping range in between."""
    width, height, left, top, bottom = 430.0, 190.0, 12.0, 12.0, 40.0
    x = Axis(found.edges[0], found.edges[-1], left, width - left)
    # Square roots, so that the few values of the tails are seen, too.
    y = Axis(0, math.sqrt(max(*found.counts, 1)), height - bottom, top)
    kept = (x(found.range_min), x(found.range_max))
    parts = [rect(kept[0], top, (max(kept[1] - kept[0], 0.5), height - bottom - top), "kept", "inside the range")]
    points = [(x(found.edges[0]), y(0))]
    for at, count in enumerate(found.counts):
        up = y(math.sqrt(count))
        points += [(x(found.edges[at]), up), (x(found.edges[at + 1]), up)]
    points.append((x(found.edges[-1]), y(0)))
    parts.append(polyline(points, "area s0"))
    codes = found.grid if len(found.grid) <= MOST_CODES else ()
    parts += [line((x(value), height - bottom), (x(value), height - bottom - 10), "code") for value in codes]
    parts += [x_axis(x, height - bottom, "value of a weight", short, height - bottom)]
    return figure(width, height, title, "".join(parts))


def shorten(name: str, limit: int) -> str:
    """A long name without its middle; its ends tell layers apart."""
    if len(name) <= limit:
        return name
    head = limit // 3
    return f"{name[:head]}…{name[head + 1 - limit :]}"


def short(value: float) -> str:
    """A tick's figure: four digits at most."""
    return f"{value:.4g}".replace("-", "−")


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - margin, high + margin
