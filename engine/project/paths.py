"""Paths in a project: as they were, and relative to the project's file, so that both can be moved together."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.project.project import Project
from engine.project.runs import Run
from engine.requests.conversion import Evaluation
from engine.requests.data import DataChoice

Resolve = Callable[[str], str]


def relative_paths(project: Project, folder: Path) -> dict[str, str]:
    """Every path of the project as it is seen from the folder of its file; paths on another drive are left out."""
    found = {}
    for path in _paths(project):
        try:
            found[path] = Path(os.path.relpath(path, folder)).as_posix()
        except ValueError:
            continue
    return found


def build_resolver(folder: Path, relative: Mapping[str, str]) -> Resolve:
    """Gives the path to use for a stored one: seen from the project's file if there is something, else as it was."""

    def resolve(path: str) -> str:
        if path not in relative:
            return path
        moved = os.path.normpath(folder / relative[path])
        return moved if Path(moved).exists() else path

    return resolve


def resolve_paths(project: Project, resolve: Resolve) -> Project:
    """The project with all its paths as they are to be used now."""
    data, point = project.data, project.float_benchmark
    if data is not None:
        data = dataclasses.replace(
            data,
            calibration=_resolve_data(data.calibration, resolve),
            evaluation=_resolve_data(data.evaluation, resolve) if data.evaluation else None,
        )
    return dataclasses.replace(
        project,
        model=dataclasses.replace(project.model, path=resolve(project.model.path)),
        data=data,
        float_benchmark=dataclasses.replace(point, path=resolve(point.path)) if point else None,
        runs=tuple(_resolve_run(run, resolve) for run in project.runs),
    )


def _resolve_data(choice: DataChoice, resolve: Resolve) -> DataChoice:
    return dataclasses.replace(
        choice,
        path=resolve(choice.path),
        preprocess=_resolve_any(choice.preprocess, resolve),
        label_file=_resolve_any(choice.label_file, resolve),
        tokenizer=_resolve_any(choice.tokenizer, resolve),
    )


def _resolve_any(path: str | None, resolve: Resolve) -> str | None:
    return resolve(path) if path else path


def _resolve_run(run: Run, resolve: Resolve) -> Run:
    output = resolve(run.converted.output)
    if output == run.converted.output:
        return run
    return dataclasses.replace(
        run,
        converted=dataclasses.replace(run.converted, output=output),
        evaluation=_resolve_evaluation(run.evaluation, output, resolve) if run.evaluation else None,
        benchmark=dataclasses.replace(run.benchmark, path=output) if run.benchmark else None,
    )


def _resolve_evaluation(found: Evaluation, output: str, resolve: Resolve) -> Evaluation:
    return dataclasses.replace(found, model=output, reference=_resolve_any(found.reference, resolve))


def _paths(project: Project) -> Iterator[str]:
    yield project.model.path
    for choice in (project.data.calibration, project.data.evaluation) if project.data else ():
        if choice is not None:
            yield choice.path
            yield from filter(None, (choice.preprocess, choice.label_file, choice.tokenizer))
    for run in project.runs:
        yield run.converted.output
