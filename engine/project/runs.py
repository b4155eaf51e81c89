"""The history: every conversion with its plan, where it came from, and what was measured on it. Plain values."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.conversion.manifest import manifest_path_for, plan_path_for
from engine.plan import Plan
from engine.pytorch import is_packed_path
from engine.requests.benchmark import BenchmarkPoint
from engine.requests.conversion import ConvertResult, Evaluation
from engine.requests.data import DataChoice

WRITTEN_SUFFIXES = (".onnx", ".data", ".safetensors", ".json")


@dataclass(frozen=True)
class RunFile:
    """One file that a conversion wrote, beside its model.

    Attributes:
        name: without a folder.
        sha256: of its content when it was written.
    """

    name: str
    file_bytes: int
    sha256: str


@dataclass(frozen=True)
class Run:
    """One conversion. It is never overwritten; evaluation, benchmark, note and marks are added to it.

    Attributes:
        id: unique across projects; `parent` is the run whose plan this one's was derived from, "" for none.
        number: counts the conversions of a project from 1; numbers of deleted runs are not given again.
        created: in UTC, ISO 8601.
        data_digest: of the calibration data; "" without data.
        is_compared: whether Compare and Benchmark show it.
        evaluated_on: `data_key` of the data of `evaluation`; "" where that is not known.
        extra: fields of other versions.
    """

    converted: ConvertResult
    plan: Plan
    bits_per_weight: float
    id: str
    number: int
    created: str
    parent: str = ""
    data_digest: str = ""
    files: tuple[RunFile, ...] = ()
    evaluation: Evaluation | None = None
    benchmark: BenchmarkPoint | None = None
    note: str = ""
    is_pinned: bool = False
    is_compared: bool = True
    evaluated_on: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file name."""
        return Path(self.converted.output).name

    @property
    def is_packed(self) -> bool:
        """Packed PyTorch weights, which nothing here runs."""
        return is_packed_path(self.converted.output)

    @property
    def sqnr_db(self) -> float | None:
        """Measured against float: by evaluation, else by the conversion's own check."""
        if self.evaluation is not None and self.evaluation.sqnr_db is not None:
            return self.evaluation.sqnr_db
        return None if self.converted.is_drawn else self.converted.sqnr_db

    @property
    def top1_delta(self) -> float | None:
        """Top-1 minus the float model's on the same samples, in points."""
        found = self.evaluation
        if found is None or found.top1 is None or found.reference_top1 is None:
            return None
        return found.top1 - found.reference_top1

    def measured_on(self, key: str) -> Run:
        """The run without its evaluation if that was on other data than these; "" stands for unknown data."""
        is_other = self.evaluation is not None and bool(key) and self.evaluated_on not in ("", key)
        return replace(self, evaluation=None, evaluated_on="") if is_other else self


def new_run_id() -> str:
    """A name that no other run has."""
    return uuid.uuid4().hex[:16]


def now() -> str:
    """The time as runs keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_run_files(output: Path) -> tuple[RunFile, ...]:
    """The files that a conversion wrote, as its manifest lists them; none if there is no manifest."""
    try:
        files = json.loads(manifest_path_for(output).read_text(encoding="utf-8"))["files"]
        return tuple(RunFile(str(file["name"]), int(file["bytes"]), str(file["sha256"])) for file in files)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def data_key(choice: DataChoice, digest: str) -> str:
    """A short name for these samples, prepared in this way, wherever their file lies.

    Args:
        digest: of the file's content.
    """
    used = (digest, choice.skip, choice.take, choice.seed, choice.excluded, choice.preprocessing)
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()[:16]


def without_output(runs: tuple[Run, ...], output: str) -> tuple[Run, ...]:
    """The runs; those that wrote `output` are not compared any more, because another one wrote it again."""
    return tuple(replace(run, is_compared=False) if run.converted.output == output else run for run in runs)


def with_evaluation(
    runs: tuple[Run, ...], output: str, evaluation: Evaluation, evaluated_on: str = ""
) -> tuple[Run, ...]:
    """The runs, with what was measured on the compared one that wrote `output`."""
    return tuple(
        replace(run, evaluation=evaluation, evaluated_on=evaluated_on)
        if run.is_compared and run.converted.output == output
        else run
        for run in runs
    )


def with_benchmark(runs: tuple[Run, ...], point: BenchmarkPoint) -> tuple[Run, ...]:
    """The runs, with the figures of the compared one that wrote the model of this point."""
    return tuple(
        replace(run, benchmark=point) if run.is_compared and run.converted.output == point.path else run for run in runs
    )


def is_output_there(run: Run) -> bool:
    """Whether the converted model still lies where it was written, with the size that it had."""
    folder = Path(run.converted.output).parent
    try:
        if not run.files:
            return Path(run.converted.output).is_file()
        return all((folder / file.name).stat().st_size == file.file_bytes for file in run.files)
    except (OSError, ValueError):
        return False


def deletable_files(run: Run, folder: Path) -> tuple[Path, ...]:
    """The run's files that lie in `folder` or below it and are still as large as the run says.

    A project from elsewhere can name any file. So nothing outside its own folder is offered, no link is followed
    out of it, and only what a manifest beside it lists too.
    """
    output = Path(run.converted.output)
    if not run.files or read_run_files(output) != run.files:
        return ()
    sizes = {output.parent / file.name: file.file_bytes for file in run.files if Path(file.name).name == file.name}
    found = []
    for path in (*sizes, plan_path_for(output), manifest_path_for(output)):
        try:
            is_inside = path.resolve().is_relative_to(folder.resolve())
            size = path.stat().st_size
        except (OSError, ValueError):
            continue
        if is_inside and path.suffix in WRITTEN_SUFFIXES and sizes.get(path, size) == size:
            found.append(path)
    return tuple(found)
