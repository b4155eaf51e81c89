"""What a command is: its words, its arguments, and a function from arguments to an answer."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.cli.job import ConsoleContext
from engine.sensitivity.matrix import Metric

JsonObject = dict[str, Any]
# What a terminal would obey rather than show: control characters, and those that turn the direction of text.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def show_safely(text: str) -> str:
    """Text on one line with nothing in it that a terminal would obey; names in files may hold anything."""
    return _COMMANDS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


@dataclass(frozen=True)
class Answer:
    """The result of a command, once for programs and once for people.

    Attributes:
        document: what `--json` prints; infinite and undefined numbers become null.
        text: what is printed otherwise.
    """

    document: JsonObject
    text: str


@dataclass(frozen=True)
class Command:
    """One word of the command line.

    Attributes:
        example: command lines, shown at the end of `--help`.
        add_arguments: adds what belongs to this command alone; `--json` is added for all.
        run: does the work; raises `BitsmithError` for what the user can fix, `UsageError` for
            options that do not go together.
    """

    name: str
    summary: str
    description: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, ConsoleContext], Answer]


class UsageError(Exception):
    """Options that do not go together; exit 2."""


@dataclass(frozen=True)
class Table:
    """A plain-text table; the first column is left-aligned, the others right unless named in `left`."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: frozenset[int] = field(default=frozenset({0}))

    def __str__(self) -> str:
        lines = [[show_safely(cell) for cell in line] for line in (self.header, *self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column in self.left else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def format_db(value: float | None) -> str:
    """A figure in dB to one decimal; `∞` where nothing was lost."""
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.1f}"


METRIC_HEADERS = {
    Metric.SQNR: "SQNR dB",
    Metric.KL: "KL nats",
    Metric.LOSS: "loss nats",
    Metric.MSE: "MSE",
    Metric.COSINE: "cosine",
    Metric.TOP1_DROP: "top-1 drop",
}


def format_metric(metric: Metric, value: float | None) -> str:
    """A cell of the layers × bits matrix: dB to one decimal, the rest to three digits."""
    if metric == Metric.SQNR or value is None:
        return format_db(value)
    return f"{value:.6f}" if metric == Metric.COSINE else f"{value:.3g}"


METRIC_PHRASES = {
    Metric.SQNR: "SQNR {} dB",
    Metric.KL: "KL {} nats",
    Metric.LOSS: "loss {} nats",
    Metric.MSE: "MSE {}",
    Metric.COSINE: "cosine {}",
    Metric.TOP1_DROP: "top-1 drop {} points",
}


def describe_metric(metric: Metric, value: float | None) -> str:
    """A figure with its name and unit."""
    return METRIC_PHRASES[metric].format(format_metric(metric, value))


def format_shape(shape: Sequence[int | str]) -> str:
    """A shape as [batch, 3, 32, 32]."""
    return f"[{', '.join(map(str, shape))}]"


def drop_absent(document: Mapping[str, Any]) -> JsonObject:
    """The document without the figures that do not apply (None)."""
    return {key: value for key, value in document.items() if value is not None}
