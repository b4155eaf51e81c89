"""The limits beyond which Compare raises an alert: a plain value that settings keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Limits; 0 switches one off.

    Attributes:
        memory_percent: resident memory, as a share of `memory_limit_mb`.
        memory_limit_mb: what a device has, 10⁶ bytes; 0 means this computer's memory.
        p99_ms: 99 % of the calls must be faster.
        loss_percent: top-1, or agreement, may fall by this share of float's; perplexity may rise by it.
    """

    memory_percent: float = 90.0
    memory_limit_mb: float = 0.0
    p99_ms: float = 100.0
    loss_percent: float = 5.0
