"""The project that the window shows: saving, opening, autosave, and giving work up in good manners.

The manners:

- Work that has a name is saved when the user says so. Leaving it changed (closing, opening something else) asks:
  Save, Discard or Cancel.
- Work without a name is never asked about. What took thought or time (a changed plan, an analysis, a run) stays in the
  recovery folder when it is left, and the next start offers it; a model that was only looked at is forgotten.
- A few seconds after every change the whole project is written to the recovery folder. A crash or a power loss
  leaves it there with the id of a process that is gone: the next start offers that, too.
- What is offered stays offered until it is restored or discarded. Restored work is unsaved work.
- A save under a name, and leaving in good order, remove what was saved on the side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from engine.errors import BitsmithError
from engine.plan import Plan, ensure_plan_fits
from engine.project.project import PROJECT_SUFFIX, Project, WindowState
from engine.project.recovery import Leftover, RecoveryFolder, claim
from engine.summary import ModelSummary
from gui.notify import Notifier
from gui.project.files import LoadThread, ProjectWriter, SaveJob
from gui.project.snapshot import Unknown, describe, has_work, is_same_state, state_of, take_snapshot
from gui.session import Session
from gui.settings import Settings
from gui.workflow import Workflow

AUTOSAVE_MS = 3000


@dataclass(frozen=True)
class _Opening:
    """A project whose model is being opened.

    Attributes:
        path: what it is saved as, None if it has no name.
        is_restored: it was left over, so it is not saved as it is.
    """

    project: Project
    path: Path | None
    recovery: RecoveryFolder
    is_restored: bool


class ProjectDesk(QObject):
    """Owns the project of one window.

    Args:
        look: says what is looked at.

    Signals:
        changed: the name, or whether there are unsaved changes.
        opened(Project): it is in the session; what was looked at is to be shown.
        settled: an opening is over, whatever came of it.
    """

    changed = Signal()
    opened = Signal(object)
    settled = Signal()

    def __init__(
        self,
        session: Session,
        workflow: Workflow,
        notifier: Notifier,
        settings: Settings,
        *,
        look: Callable[[], WindowState],
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session = session
        self._workflow = workflow
        self._notifier = notifier
        self._settings = settings
        self._look = look
        self._window = window
        self.path: Path | None = None
        self._recovery = RecoveryFolder()
        self._baseline: Plan | None = None
        self._unknown = Unknown()
        self._saved: tuple[object, ...] | None = None
        self._is_worth_keeping = False
        self._opening: _Opening | None = None
        self._is_taking = False
        self._loading: LoadThread | None = None
        self._after_save: dict[int, tuple[tuple[object, ...], Callable[[], object] | None]] = {}
        self._has_autosave_failed = False
        self._writer = ProjectWriter(self)
        self._writer.written.connect(self._on_written)
        self._writer.failed.connect(self._on_failed)
        self._timer = QTimer(self, singleShot=True, interval=AUTOSAVE_MS)
        self._timer.timeout.connect(self._autosave)
        workflow.workplace = self._prepare_workplace
        session.model_changed.connect(self._on_model_changed)
        for signal in (
            session.plan_changed,
            session.data_changed,
            session.sensitivity_changed,
            session.latencies_changed,
            session.calibration_changed,
            session.measured_changed,
            session.results_changed,
        ):
            signal.connect(self._on_changed)

    @property
    def is_modified(self) -> bool:
        """Whether there is something that was not saved under a name."""
        if self._session.model is None or (self.path is None and not self._is_worth_keeping):
            return False
        return self._saved is None or not is_same_state(self._saved, state_of(self._session))

    @property
    def asks_before_leaving(self) -> bool:
        """Whether `leave` would ask."""
        return self.path is not None and self.is_modified

    # --- saving --------------------------------------------------------------------------------

    def save(self, afterwards: Callable[[], object] | None = None) -> None:
        """Save under its name, or ask for one."""
        if self.path is None:
            self.save_as(afterwards)
        else:
            self._save_to(self.path, afterwards)

    def save_as(self, afterwards: Callable[[], object] | None = None) -> None:
        """Ask for a name, then save."""
        model = self._session.model
        if model is None:
            return
        suggested = self.path or Path(self._settings.open_folder) / f"{Path(model.path).stem}{PROJECT_SUFFIX}"
        dialog = QFileDialog(self._window, self.tr("Save the project"), str(suggested.parent), self._file_kinds())
        dialog.setObjectName("save_project_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(PROJECT_SUFFIX[1:])
        dialog.selectFile(suggested.name)
        dialog.fileSelected.connect(lambda path: self._save_to(_with_suffix(Path(path)), afterwards))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _save_to(self, path: Path, afterwards: Callable[[], object] | None) -> None:
        job = SaveJob(self._snapshot(), path)
        self._after_save[id(job)] = (state_of(self._session), afterwards)
        self._writer.write(job)

    def _snapshot(self) -> Project:
        assert self._baseline is not None
        return take_snapshot(self._session, self._baseline, self._look(), self._unknown)

    def _on_written(self, job: SaveJob) -> None:
        if job.recovery is not None:
            self._has_autosave_failed = False
            return
        self._settings.add_recent_file(str(job.path))
        self._settings.open_folder = str(job.path.parent)
        self._notifier.note(self.tr("Saved: {path}").format(path=job.path))
        if id(job) not in self._after_save:  # another project is on the desk by now
            return
        self._saved, afterwards = self._after_save.pop(id(job))
        self.path = job.path
        if not self.is_modified:
            self._recovery.autosave.unlink(missing_ok=True)
        self.changed.emit()
        if afterwards is not None:
            afterwards()

    def _on_failed(self, job: SaveJob, problem: str) -> None:
        if job.recovery is None:
            self._after_save.pop(id(job), None)
            self._notifier.error(problem)
        elif not self._has_autosave_failed:
            self._has_autosave_failed = True
            self._notifier.note(self.tr("Autosave does not work: {reason}").format(reason=problem))

    # --- autosave ------------------------------------------------------------------------------

    def _on_model_changed(self) -> None:
        if not self._is_taking:
            self._loading = None
            self._drop_opening()
            self._begin(None, RecoveryFolder(), self._session.plan)
            self._saved = state_of(self._session)

    def _on_changed(self) -> None:
        self._is_worth_keeping = self._session.model is not None and has_work(self._session, self._baseline)
        if self.is_modified and not self._timer.isActive():
            self._timer.start()
        self.changed.emit()

    def _autosave(self) -> None:
        if not self.is_modified:
            self._recovery.autosave.unlink(missing_ok=True)
        elif self._writer.is_busy:
            self._timer.start()
        else:
            self._writer.write(self._build_autosave())

    def _build_autosave(self) -> SaveJob:
        project = self._snapshot()
        record = describe(project, self.path, len(self._session.layers))
        return SaveJob(project, self._recovery.autosave, self._recovery, record)

    def _prepare_workplace(self) -> Path:
        """Raises OSError where there can be none."""
        return self._recovery.prepare()

    def _begin(self, path: Path | None, recovery: RecoveryFolder, baseline: Plan | None) -> None:
        """Another project is on the desk; what was there goes or stays, as the manners say."""
        self._put_away()
        self.path, self._recovery, self._baseline = path, recovery, baseline
        self._unknown, self._saved, self._is_worth_keeping = Unknown(), None, False
        self.changed.emit()

    def _put_away(self) -> None:
        self._timer.stop()
        self._writer.finish()
        self._after_save.clear()
        if self.path is None and self._is_worth_keeping:
            self._recovery.release()
        else:
            self._recovery.remove()

    # --- leaving -------------------------------------------------------------------------------

    def leave(self, go_on: Callable[[], object]) -> None:
        """Do something that takes the project off the desk, after asking if that would lose changes."""
        if self.path is None:
            if self.is_modified:
                self._writer.write(self._build_autosave())
            go_on()
        elif not self.asks_before_leaving:
            go_on()
        else:
            text = self.tr("{name} has changes that are not saved.").format(name=self.path.name)
            save, discard = self.tr("Save"), self.tr("Discard")
            self._notifier.choose(text, {save: lambda: self.save(go_on), discard: go_on}, default=save)

    def close(self) -> None:
        """Put everything away; blocks until it is written."""
        for thread in self.findChildren(LoadThread):
            thread.finished.disconnect()
            thread.wait()
        self._drop_opening()
        if self.path is None and self.is_modified:
            self._writer.write(self._build_autosave())
        self._put_away()

    # --- opening -------------------------------------------------------------------------------

    def ask_for_project(self) -> None:
        """Ask which project to open."""
        dialog = QFileDialog(self._window, self.tr("Open a project"), self._settings.open_folder, self._file_kinds())
        dialog.setObjectName("open_project_dialog")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.open_project(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def open_project(self, path: Path) -> None:
        """Open a project's file."""
        path = path.absolute()
        self.leave(lambda: self._load(path, RecoveryFolder(), path))

    def restore(self, leftover: Leftover) -> None:
        """Open what a crash, or a window without a name, left."""
        self.leave(lambda: self._claim(leftover))

    def _claim(self, leftover: Leftover) -> None:
        try:
            recovery = claim(leftover)
        except BitsmithError as error:
            self._notifier.error(str(error))
            self.settled.emit()
            return
        name = leftover.record.project
        self._load(recovery.autosave, recovery, Path(name) if name else None, is_restored=True)

    def _load(self, file: Path, recovery: RecoveryFolder, path: Path | None, *, is_restored: bool = False) -> None:
        self._drop_opening()
        thread = LoadThread(file, recovery, self)
        self._loading = thread

        def finished() -> None:
            is_wanted = thread is self._loading  # else something else was opened since
            thread.deleteLater()
            if is_wanted:
                self._loading = None
            if is_wanted and thread.project is not None:
                self._opening = _Opening(thread.project, path, recovery, is_restored)
                self._open_model(self._opening)
                return
            if is_restored:
                recovery.release()
            else:
                recovery.remove()
            if is_wanted:
                self._notifier.error(thread.problem)
            self.settled.emit()

        thread.finished.connect(finished)
        thread.start()

    def _drop_opening(self) -> None:
        """Give up on a project whose model was not found; left-over work stays left over."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.is_restored:
            opening.recovery.release()
        elif opening is not None:
            opening.recovery.remove()

    def _give_up(self, opening: _Opening) -> None:
        if opening is self._opening:
            self._drop_opening()
            self.settled.emit()

    def _open_model(self, opening: _Opening, path: str = "") -> None:
        wanted = path or opening.project.model.path
        if Path(wanted).is_file():
            has_begun = self._workflow.open_model(
                wanted, take=lambda model: self._take(opening, model), give_up=lambda: self._give_up(opening)
            )
            if not has_begun:
                text = self.tr("{name} was not opened, because a job is running. Open it again when that has finished.")
                self._notifier.error(text.format(name=(opening.path or Path(wanted)).name))
                self._give_up(opening)
            return
        text = self.tr("The model of this project is not where it was: {path}. Say where it is now.")
        self._ask_for_model(opening, text.format(path=wanted))

    def _ask_for_model(self, opening: _Opening, text: str) -> None:
        def locate() -> None:
            dialog = QFileDialog(self._window, self.tr("Locate the model"), self._settings.open_folder)
            dialog.setObjectName("locate_dialog")
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            dialog.fileSelected.connect(lambda path: self._open_model(opening, path))
            dialog.finished.connect(dialog.deleteLater)
            dialog.open()

        self._notifier.choose(text, {self.tr("Locate the model…"): locate}, cancelled=lambda: self._give_up(opening))

    def _take(self, opening: _Opening, model: ModelSummary) -> None:
        """Put the project on the desk, if this is its model."""
        if opening is not self._opening:
            return
        project = opening.project
        if not project.model.is_same(model):
            text = self.tr(
                "{path} is another model than the project was made with (SHA-256 {found}…, not {wanted}…). What was "
                "measured does not hold for it. Locate the model as it was."
            )
            found, wanted = model.sha256[:12], project.model.sha256[:12]
            self._ask_for_model(opening, text.format(path=model.path, found=found, wanted=wanted))
            return
        try:
            for plan in (project.plan, project.baseline):
                ensure_plan_fits(plan, model)
        except BitsmithError as error:
            self._drop_opening()
            self._notifier.error(str(error))
            self.settled.emit()
            return
        self._begin(opening.path, opening.recovery, project.baseline)
        self._unknown = Unknown(project.extra, project.extra_members)
        self._opening, self._is_taking = None, True
        self._session.restore(model, project, self.tr("all changes of earlier sessions"))
        self._is_taking = False
        if not opening.is_restored:
            self._saved = state_of(self._session)
            self._timer.stop()
        if opening.path is not None:
            self._settings.add_recent_file(str(opening.path))
        self._on_changed()
        self.opened.emit(project)
        self.settled.emit()
        self._look_at_data(project)

    def _look_at_data(self, project: Project) -> None:
        """Say if the data is gone, or not what it was when it was measured."""
        data = project.data
        paths = [choice.path for choice in (data.calibration, data.evaluation) if choice] if data else []
        missing = [path for path in paths if not Path(path).exists()]
        if missing:
            text = self.tr("The data of this project is not there any more: {paths}. Choose it again before measuring.")
            self._notifier.warning(text.format(paths=", ".join(missing)))
        elif data is not None:
            self._workflow.check_data_again(self._on_data_changed)

    def _on_data_changed(self, path: str) -> None:
        text = self.tr(
            "{path} was changed since it was measured. Choose the data again with Data, then analyse anew; until then "
            "the figures are those of the old data."
        )
        self._notifier.warning(text.format(path=path))

    def _file_kinds(self) -> str:
        return self.tr("Bitsmith projects (*.bitsmith)")


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == PROJECT_SUFFIX else path.with_name(f"{path.name}{PROJECT_SUFFIX}")
