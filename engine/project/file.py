"""Reading and writing a project's file.

A `.bitsmith` file is a zip. `project.json` names the version, the model, the data and what the other members belong
to: `plan.json`, `baseline.json`, `sensitivity.json`, `latencies.json`, `calibration.npz`, and one document per run
(`runs/ID.json`) and per measured plan (`measured/N.json`), so that an autosave encodes only what is new.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine
from engine.errors import BitsmithError, ProjectError
from engine.latency.figures import latencies_from_json, latencies_to_json
from engine.plan import plan_from_json, plan_to_json
from engine.project.codec import decode, encode
from engine.project.container import MAX_MEMBER_BYTES, read_container, write_container
from engine.project.migration import SCHEMA_VERSION, Documents, migrate
from engine.project.paths import build_resolver, relative_paths, resolve_paths
from engine.project.project import CalibrationFile, LoadedData, ModelReference, Project, WindowState
from engine.project.runs import Run
from engine.requests.allocation import PolishStep
from engine.requests.benchmark import BenchmarkPoint
from engine.sensitivity.matrix import sensitivity_from_json, sensitivity_to_json

FORMAT = "bitsmith project"
MAIN, PLAN, BASELINE = "project.json", "plan.json", "baseline.json"
SENSITIVITY, LATENCIES, CALIBRATION = "sensitivity.json", "latencies.json", "calibration.npz"
RUNS, MEASURED = "runs/", "measured/"
JSON_MEMBERS = (MAIN, PLAN, BASELINE, SENSITIVITY, LATENCIES)


@dataclass(frozen=True)
class _CalibrationNote:
    """What `calibration.npz` was collected on."""

    data_digest: str
    samples: int


@dataclass(frozen=True)
class _Main:
    """`project.json`.

    Attributes:
        runs: the names of the runs, oldest first.
        measured: how many measured plans there are.
        paths: for every path in the project, the same seen from the folder of its file.
    """

    format: str
    schema_version: int
    bitsmith_version: str
    model: ModelReference
    data: LoadedData | None
    is_analysed: bool
    float_benchmark: BenchmarkPoint | None
    calibration: _CalibrationNote | None
    runs: tuple[str, ...]
    measured: int
    runs_made: int
    origin: str
    window: WindowState
    paths: Mapping[str, str]
    extra: Mapping[str, Any]


class ProjectEncoder:
    """Turns projects into members, and remembers the text of parts that are the same object as the last time."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[object, bytes]] = {}

    def encode(self, project: Project, folder: Path | None) -> dict[str, bytes]:
        """The members of the project's file; with paths relative to `folder` unless that is None."""
        before, self._texts = self._texts, {}
        parts: list[tuple[str, object, Callable[[Any], Any]]] = [
            (PLAN, project.plan, plan_to_json),
            (BASELINE, project.baseline, plan_to_json),
            *((f"{RUNS}{run.id}.json", run, encode) for run in project.runs),
            *((f"{MEASURED}{at}.json", step, encode) for at, step in enumerate(project.measured)),
        ]
        if project.sensitivity is not None:
            parts.append((SENSITIVITY, project.sensitivity, sensitivity_to_json))
        if project.latencies is not None:
            parts.append((LATENCIES, project.latencies, latencies_to_json))
        members = {MAIN: _dump(encode(_build_main(project, folder)))}
        for name, value, to_json in parts:
            known = before.get(id(value))
            text = known[1] if known is not None and known[0] is value else _dump(to_json(value))
            self._texts[id(value)] = value, text
            members[name] = text
        if project.calibration is not None:
            with contextlib.suppress(OSError):  # it can be collected again
                if project.calibration.path.stat().st_size <= MAX_MEMBER_BYTES:
                    members[CALIBRATION] = project.calibration.path.read_bytes()
        return {**project.extra_members, **members}


def save_project(project: Project, path: Path, encoder: ProjectEncoder, *, is_movable: bool = True) -> None:
    """Write a project; the old file stays until the new one is complete.

    Args:
        is_movable: keep paths relative to the file, too.

    Raises:
        OutputError: it cannot be written there.
    """
    write_container(path, encoder.encode(project, path.absolute().parent if is_movable else None))


def load_project(path: Path, workplace: Path) -> Project:
    """Read a project; its calibration is written to a file in `workplace`.

    Raises:
        ProjectError: missing, damaged, no project, or of a newer version.
    """
    members = read_container(path)
    try:
        documents: Documents = {name: json.loads(text) for name, text in members.items() if _is_document(name)}
        if documents[MAIN]["format"] != FORMAT:
            raise ValueError(FORMAT)
        version = decode(int, documents[MAIN]["schema_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProjectError(f"{path} is not a Bitsmith project, or it is damaged.") from error
    if version > SCHEMA_VERSION:
        raise ProjectError(f"{path} was written by a newer Bitsmith. Update Bitsmith to open it.")
    try:
        documents = migrate(documents, version)
        main = decode(_Main, documents[MAIN])
        project = _build_project(main, documents, members, _unpack_calibration(main, members, workplace))
        return resolve_paths(project, build_resolver(path.absolute().parent, main.paths))
    except OSError as error:
        raise ProjectError(f"Cannot unpack the calibration of {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BitsmithError) as error:
        raise ProjectError(f"{path} is damaged: {error}. Use an older copy of it.") from error


def _is_document(name: str) -> bool:
    return name in JSON_MEMBERS or (name.startswith((RUNS, MEASURED)) and name.endswith(".json"))


def _dump(document: Any) -> bytes:
    # File names that are no UTF-8 have lone surrogates, which json.loads takes back from bytes.
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _build_main(project: Project, folder: Path | None) -> _Main:
    calibration = project.calibration
    return _Main(
        format=FORMAT,
        schema_version=SCHEMA_VERSION,
        bitsmith_version=engine.__version__,
        model=project.model,
        data=project.data,
        is_analysed=project.is_analysed,
        float_benchmark=project.float_benchmark,
        calibration=_CalibrationNote(calibration.data_digest, calibration.samples) if calibration else None,
        runs=tuple(run.id for run in project.runs),
        measured=len(project.measured),
        runs_made=project.runs_made,
        origin=project.origin,
        window=project.window,
        paths=relative_paths(project, folder) if folder is not None else {},
        extra=project.extra,
    )


def _build_project(
    main: _Main, documents: Documents, members: Mapping[str, bytes], calibration: CalibrationFile | None
) -> Project:
    if len(set(main.runs)) != len(main.runs) or main.measured > len(documents):
        raise ValueError("its parts are not what it lists")
    runs = [f"{RUNS}{name}.json" for name in main.runs]
    measured = [f"{MEASURED}{at}.json" for at in range(main.measured)]
    made = tuple(decode(Run, documents[name]) for name in runs)
    if [run.id for run in made] != list(main.runs):
        raise ValueError("a run has another name than its part")
    sensitivity, latencies = documents.get(SENSITIVITY), documents.get(LATENCIES)
    used = {*JSON_MEMBERS, CALIBRATION, *runs, *measured}
    return Project(
        model=main.model,
        plan=plan_from_json(documents[PLAN], PLAN),
        baseline=plan_from_json(documents[BASELINE], BASELINE),
        data=main.data,
        sensitivity=None if sensitivity is None else sensitivity_from_json(sensitivity),
        is_analysed=main.is_analysed,
        latencies=None if latencies is None else latencies_from_json(latencies),
        measured=tuple(decode(PolishStep, documents[name]) for name in measured),
        float_benchmark=main.float_benchmark,
        calibration=calibration,
        runs=made,
        runs_made=main.runs_made,
        origin=main.origin,
        window=main.window,
        extra=main.extra,
        extra_members={name: content for name, content in members.items() if name not in used},
    )


def _unpack_calibration(main: _Main, members: Mapping[str, bytes], workplace: Path) -> CalibrationFile | None:
    if main.calibration is None or CALIBRATION not in members:
        return None
    path = workplace / CALIBRATION
    path.write_bytes(members[CALIBRATION])
    return CalibrationFile(path, main.calibration.data_digest, main.calibration.samples)
