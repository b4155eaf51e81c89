"""How figures are written on the command line, in the report and in the window."""

from __future__ import annotations


def format_bytes(count: float) -> str:
    """12 B, 3.40 kB, 1.16 MB: decimal units, three digits."""
    if count < 999.5:
        return f"{count:.0f} B"
    value, unit = count / 1e3, "kB"
    for larger in ("MB", "GB", "TB"):
        if value >= 999.5:
            value, unit = value / 1e3, larger
    return f"{format_three_digits(value)} {unit}"


def format_three_digits(value: float) -> str:
    """1.23, 12.3, 123."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
