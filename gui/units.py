"""How figures are written: digits that mean something, and always a unit."""

from __future__ import annotations

import math
from datetime import datetime

from PySide6.QtCore import QCoreApplication

from engine.units import format_three_digits

CONTEXT = "Units"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
NOTHING = "\N{EN DASH}"
INFINITY = "\N{INFINITY}"


def format_count(count: int) -> str:
    """37 k, 1.18 M."""
    if count < 1000:
        return str(count)
    value, unit = (count / 1e3, "k") if count < 999_500 else (count / 1e6, "M") if count < 1e9 else (count / 1e9, "G")
    return f"{value:.0f} {unit}" if unit == "k" and value >= 10 else f"{format_three_digits(value)} {unit}"


def format_ratio(ratio: float) -> str:
    """7.1×."""
    return f"{ratio:.1f}{TIMES}" if ratio < 100 else f"{ratio:.0f}{TIMES}"


def format_db(value: float | None, *, digits: int = 1) -> str:
    """21.8, ∞ where nothing is lost, – if it is not known."""
    if value is None:
        return NOTHING
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS + INFINITY
    return format_signed(value, digits)


def format_signed(value: float, digits: int) -> str:
    """With a real minus sign and without a plus."""
    text = f"{abs(value):.{digits}f}"
    return MINUS + text if value < 0 and float(text) != 0 else text


def format_delta(value: float, digits: int = 2) -> str:
    """+0.30, −1.20, 0.00."""
    text = format_signed(value, digits)
    return f"+{text}" if value > 0 and float(f"{value:.{digits}f}") != 0 else text


def format_ms(value: float) -> str:
    """A latency in milliseconds, three digits."""
    return f"{value:.3f}" if value < 1 else format_three_digits(value)


def format_time(seconds: float) -> str:
    """0:18, 1:02:05."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def format_us(value: float) -> str:
    """150 µs, 1.24 ms: a duration of at most seconds, three digits."""
    if value < 1000:
        return f"{value:.0f} µs" if value >= 9.95 else f"{value:.1f} µs"
    return f"{format_ms(value / 1000)} ms"


def format_duration(seconds: float) -> str:
    """40 s, 4 min, 2 h 10 min: a duration in words, as rough as a forecast is."""
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def local_time(created: str) -> str:
    """On the user's own clock, the year only if it is another one; a text that is no time is shown as it is."""
    try:
        time = datetime.fromisoformat(created).astimezone()
        return f"{time:%m-%d %H:%M}" if time.year == datetime.now().year else f"{time:%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return created


def join_sentences(*sentences: str) -> str:
    """One after the other, as the language of the window sets them apart; empty ones are left out."""
    text = ""
    for sentence in filter(None, sentences):
        joint = QCoreApplication.translate(CONTEXT, "{first} {second}")
        text = joint.format(first=text, second=sentence) if text else sentence
    return text
