"""Alerts: which results are beyond the limits that the user set. Plain functions over the table's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gui.compare.store import Subject
from gui.compare.thresholds import Thresholds


class AlertKind(StrEnum):
    """What was exceeded."""

    MEMORY = "memory"
    P99 = "p99"
    TOP1 = "top1"
    AGREEMENT = "agreement"
    PERPLEXITY = "perplexity"


@dataclass(frozen=True)
class Alert:
    """One limit that one model exceeds.

    Attributes:
        value, limit: percent, or milliseconds for P99.
    """

    kind: AlertKind
    name: str
    value: float
    limit: float


def find_alerts(subjects: Sequence[Subject], limits: Thresholds, computer_bytes: int) -> tuple[Alert, ...]:
    """Every exceeded limit, model by model.

    Args:
        computer_bytes: this computer's memory.
    """
    memory_bytes = limits.memory_limit_mb * 1e6 or computer_bytes
    found: list[Alert] = []
    for subject in subjects:
        measured = [*_speed_alerts(subject, limits, memory_bytes), *_loss_alerts(subject)]
        bounds = {AlertKind.MEMORY: limits.memory_percent, AlertKind.P99: limits.p99_ms}
        for kind, value in measured:
            limit = bounds.get(kind, limits.loss_percent)
            if limit and value > limit:
                found.append(Alert(kind, subject.name, value, limit))
    return tuple(found)


def _speed_alerts(subject: Subject, limits: Thresholds, memory_bytes: float) -> list[tuple[AlertKind, float]]:
    point = subject.benchmark
    if point is None:
        return []
    found = [(AlertKind.P99, point.latency_ms["p99"])]
    if point.rss_bytes is not None and memory_bytes:
        found.append((AlertKind.MEMORY, 100.0 * point.rss_bytes / memory_bytes))
    return found


def _loss_alerts(subject: Subject) -> list[tuple[AlertKind, float]]:
    """Losses in percent of the float model's figure; agreement stands in where there are no labels."""
    found = subject.evaluation
    if found is None or subject.is_float:
        return []
    if found.top1 is not None and found.reference_top1:
        return [(AlertKind.TOP1, 100.0 * (1.0 - found.top1 / found.reference_top1))]
    if found.perplexity is not None and found.reference_perplexity:
        return [(AlertKind.PERPLEXITY, 100.0 * (found.perplexity / found.reference_perplexity - 1.0))]
    return [(AlertKind.AGREEMENT, 100.0 - found.agreement)] if found.agreement is not None else []
