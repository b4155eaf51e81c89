"""What one conversion of a climb says while it works: layers before and after a method, and curves of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.numerics.schemes import Rounding
from engine.recovery.targets import Rung
from engine.requests.conversion import (
    BlockPoint,
    BlockReconstruction,
    Change,
    DistillationPoint,
    LayerChange,
    LayerRounding,
)

# What a method has figures of; None where it chooses codes or biases.
OWN_CHANGES: Mapping[Rung | None, Change | None] = MappingProxyType(
    {
        Rung.CORRECT: None,
        Rung.EQUALIZE: Change.EQUALIZE,
        Rung.SCALE: Change.SCALE,
        Rung.GPTQ: None,
        Rung.ADAROUND: None,
        Rung.MIX: None,
        Rung.RECONSTRUCT: Change.RECONSTRUCT,
    }
)


@dataclass(frozen=True)
class LayerFigure:
    """One layer before and after one method, SQNR in dB."""

    layer: str
    method: Rounding | Change
    before: float
    after: float

    @property
    def key(self) -> tuple[str, Change | None]:
        """What a later figure takes the place of: the codes of a layer are chosen by one method."""
        return self.layer, self.method if isinstance(self.method, Change) else None


def figure_of(payload: LayerRounding | LayerChange) -> LayerFigure:
    """The same for a table."""
    if isinstance(payload, LayerRounding):
        return LayerFigure(payload.layer, payload.rounding, payload.nearest_sqnr_db, payload.sqnr_db)
    return LayerFigure(payload.layer, payload.change, payload.before_db, payload.after_db)


def newest_first(figures: Iterable[LayerFigure], rung: Rung | None = None) -> list[LayerFigure]:
    """Layers in the order in which they came, those of the method that came last at the top.

    Args:
        rung: whose own method stands above all others.
    """
    groups: dict[Change | None, list[LayerFigure]] = {}
    for figure in figures:
        groups.setdefault(figure.key[1], []).append(figure)
    if rung in OWN_CHANGES and OWN_CHANGES[rung] in groups:
        groups[OWN_CHANGES[rung]] = groups.pop(OWN_CHANGES[rung])
    return [figure for group in reversed(groups.values()) for figure in group]


@dataclass
class Training:
    """What one conversion has trained so far; blocks come before distillation.

    Attributes:
        block_points: of the block in training; empty when there is none.
        blocks: those that are done.
        points: of the distillation.
    """

    block_points: list[BlockPoint] = field(default_factory=list)
    blocks: list[BlockReconstruction] = field(default_factory=list)
    points: list[DistillationPoint] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.block_points or self.blocks or self.points)

    def add(self, payload: BlockPoint | BlockReconstruction | DistillationPoint) -> None:
        """Keep what arrived; a curve that begins takes the place of the one before it."""
        if isinstance(payload, BlockPoint):
            self._add_block_point(payload)
        elif isinstance(payload, BlockReconstruction):
            self.blocks.append(payload)
        else:
            self.end_blocks()
            self.points = [*self.points, payload] if payload.step else [payload]

    def _add_block_point(self, point: BlockPoint) -> None:
        if self.blocks and point.block <= self.blocks[-1].block:
            self.blocks = []
        self.block_points = [*self.block_points, point] if point.step else [point]

    def end_blocks(self) -> None:
        """No block is in training any more."""
        self.block_points = []
