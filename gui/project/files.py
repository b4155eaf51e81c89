"""Reading and writing projects on threads of their own; the window only takes snapshots."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal
from typing_extensions import override

from engine.errors import BitsmithError
from engine.project.file import ProjectEncoder, load_project, save_project
from engine.project.project import Project
from engine.project.recovery import Record, RecoveryFolder, this_process
from engine.project.runs import is_output_there


@dataclass(frozen=True)
class SaveJob:
    """One project on its way to a file.

    Attributes:
        recovery, record: of an autosave, which goes where the next start looks.
    """

    project: Project
    path: Path
    recovery: RecoveryFolder | None = None
    record: Record | None = None

    def run(self, encoder: ProjectEncoder) -> str:
        """Write it; returns the sentence that says why not, "" if it is written."""
        try:
            if self.recovery is not None and self.record is not None:
                self.recovery.write_record(dataclasses.replace(self.record, owner=this_process()))
            save_project(self.project, self.path, encoder, is_movable=self.recovery is None)
        except BitsmithError as error:
            return str(error)
        except OSError as error:
            return f"Cannot write {self.path}: {error.strerror or error}."
        return ""


class _SaveThread(QThread):
    def __init__(self, job: SaveJob, encoder: ProjectEncoder, parent: QObject) -> None:
        super().__init__(parent)
        self.job = job
        self.problem = ""
        self._encoder = encoder

    @override
    def run(self) -> None:
        self.problem = self.job.run(self._encoder)


class ProjectWriter(QObject):
    """Writes one project after the other.

    Signals:
        written(SaveJob), failed(SaveJob, str): the job is over.
    """

    written = Signal(object)
    failed = Signal(object, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._encoder = ProjectEncoder()
        self._thread: _SaveThread | None = None
        self._waiting: deque[SaveJob] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether something is being written."""
        return self._thread is not None

    def write(self, job: SaveJob) -> None:
        """Write it when what came before is written."""
        self._waiting.append(job)
        self._start_next()

    def finish(self) -> None:
        """Block until everything is written; for shutting down."""
        if self._thread is not None:
            self._thread.wait()
        while self._waiting:
            self._waiting.popleft().run(self._encoder)

    def _start_next(self) -> None:
        if self._thread is not None or not self._waiting:
            return
        thread = _SaveThread(self._waiting.popleft(), self._encoder, self)
        self._thread = thread
        thread.finished.connect(lambda: self._on_finished(thread))
        thread.start()

    def _on_finished(self, thread: _SaveThread) -> None:
        self._thread = None
        thread.deleteLater()
        if thread.problem:
            self.failed.emit(thread.job, thread.problem)
        else:
            self.written.emit(thread.job)
        self._start_next()


class LoadThread(QThread):
    """Reads one project. Runs whose files are gone are left out of Compare.

    Attributes:
        project: what was read, once `finished` came; None if it failed.
        problem: the sentence that says why.
    """

    def __init__(self, path: Path, recovery: RecoveryFolder, parent: QObject) -> None:
        super().__init__(parent)
        self.project: Project | None = None
        self.problem = ""
        self._path = path
        self._recovery = recovery

    @override
    def run(self) -> None:
        try:
            project = load_project(self._path, self._recovery.prepare())
        except BitsmithError as error:
            self.problem = str(error)
        except OSError as error:
            self.problem = f"Cannot open {self._path}: {error.strerror or error}."
        else:
            runs = tuple(
                run if is_output_there(run) else dataclasses.replace(run, is_compared=False) for run in project.runs
            )
            self.project = dataclasses.replace(project, runs=runs)
