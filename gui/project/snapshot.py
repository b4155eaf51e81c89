"""The session as a project, and what lies in its recovery folder in a few words. Cheap: only references are taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.plan import Plan
from engine.project.project import ModelReference, Project, WindowState
from engine.project.recovery import Record
from engine.project.runs import now
from gui.session import Session


@dataclasses.dataclass(frozen=True)
class Unknown:
    """What the opened project holds of other versions, to be written back."""

    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra_members: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def take_snapshot(session: Session, baseline: Plan, window: WindowState, unknown: Unknown) -> Project:
    """Everything but the model; a model is open."""
    assert session.model is not None
    assert session.plan is not None
    model = session.model
    return Project(
        model=ModelReference(model.path, model.sha256, model.file_bytes),
        plan=session.plan,
        baseline=baseline,
        data=session.data,
        sensitivity=session.sensitivity(),
        is_analysed=session.is_analysed,
        latencies=session.latencies,
        measured=tuple(measured.step for measured in session.measured),
        float_benchmark=session.baseline,
        calibration=session.calibration,
        runs=session.history,
        runs_made=session.runs_made,
        origin=session.origin,
        window=dataclasses.replace(window, metric=str(session.metric), selected=session.selected),
        extra=unknown.extra,
        extra_members=unknown.extra_members,
    )


def describe(project: Project, path: Path | None, layers: int) -> Record:
    """What the next start says of it."""
    return Record(
        model=Path(project.model.path).name,
        project=str(path) if path else "",
        saved=now(),
        layers=layers,
        measured_layers=len(project.sensitivity.rows) if project.sensitivity else 0,
        runs=len(project.runs),
    )


def has_work(session: Session, baseline: Plan | None) -> bool:
    """Whether there is more than a model with its data: something that took thought or time."""
    is_changed = session.plan is not baseline
    return bool(is_changed or session.rows or session.history or session.measured or session.latencies)


def state_of(session: Session) -> tuple[object, ...]:
    """Everything that a project keeps and that counts as a change; compare with `is_same_state`."""
    return (
        session.model,
        session.plan,
        session.data,
        session.calibration,
        session.measurement_revision,
        session.latencies,
        session.measured,
        session.history,
        session.baseline,
    )


def is_same_state(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """By identity, as all of it is replaced and never changed; undo brings the very same plan back."""
    return all(a is b or (isinstance(a, int) and a == b) for a, b in zip(one, other, strict=True))
