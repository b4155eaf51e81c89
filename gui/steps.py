"""The steps that ask something first: which dialog opens, and what its answer starts."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from engine.jobs.requests import Budget
from gui.analysis_choice import AnalysisChoice
from gui.dialogs.allocate_dialog import AllocateDialog
from gui.dialogs.analyse_dialog import AnalyseDialog
from gui.dialogs.convert_dialog import ConvertDialog
from gui.dialogs.data_dialog import DataDialog
from gui.dialogs.export_dialog import ExportDialog
from gui.export_files import ExportThread
from gui.front_feed import FrontFeed
from gui.measured_plans import PolishChoice
from gui.notify import Notifier
from gui.output_names import suggest_output
from gui.results import ResultEntry
from gui.session import Session
from gui.settings import Settings
from gui.workflow import Workflow


class Steps(QObject):
    """Opens the dialogs of the loop over one window."""

    def __init__(
        self, workflow: Workflow, session: Session, notifier: Notifier, settings: Settings, window: QWidget
    ) -> None:
        super().__init__(window)
        self._workflow = workflow
        self._session = session
        self._notifier = notifier
        self._settings = settings
        self._window = window
        self._exports: set[ExportThread] = set()

    def choose_data(self, problem: str = "") -> None:
        """Ask for data; `problem` says why it is asked for now."""
        if self._session.model is None:
            return
        dialog = DataDialog(self._session.model.path, self._session.data, self._window)
        dialog.data_requested.connect(self._workflow.load_data)
        self._workflow.data_loaded.connect(dialog.accept)
        self._workflow.data_refused.connect(dialog.refuse)
        dialog.show_problem(problem)
        dialog.open()

    def analyse(self) -> None:
        """Ask how to measure, or for the data that it needs."""
        data = self._session.data
        if data is None:
            self.choose_data(self.tr("Analyse measures the layers on real samples. Choose calibration data first."))
            return
        dialog = AnalyseDialog(self._settings.analysis, data.samples, self._window)
        dialog.analysis_requested.connect(self._analyse)
        dialog.forecast_requested.connect(self._workflow.forecast)
        self._workflow.forecast_ready.connect(dialog.show_forecast)
        self._workflow.forecast_refused.connect(dialog.refuse_forecast)
        dialog.open()

    def _analyse(self, choice: AnalysisChoice) -> None:
        self._settings.analysis = choice
        self._workflow.analyse(choice)

    def auto_assign(self, fronts: FrontFeed) -> None:
        """Ask for a budget, with what the front offers in sight."""
        if self._session.model is None:
            return
        dialog = AllocateDialog(self._session, fronts, self._settings.polish, self._window)
        dialog.budget_requested.connect(self._auto_assign)
        self._workflow.allocated.connect(dialog.accept)
        self._workflow.allocation_refused.connect(dialog.refuse)
        dialog.uniform_requested.connect(self._workflow.assign_uniform)
        dialog.open()

    def _auto_assign(self, budget: Budget, choice: PolishChoice) -> None:
        if self._session.data is not None:
            self._settings.polish = choice
        if choice.is_wanted:
            self._workflow.polish(budget, choice.seconds)
        else:
            self._workflow.allocate(budget)

    def convert(self) -> None:
        """Ask for output and activations."""
        model, plan = self._session.model, self._session.plan
        if model is None or plan is None:
            return
        dialog = ConvertDialog(self._session, suggest_output(self._settings.results_folder, model, plan), self._window)
        dialog.convert_requested.connect(self._convert)
        dialog.data_dialog_requested.connect(self.choose_data)
        dialog.open()

    def _convert(self, output: Path, samples: int) -> None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = self.tr("Cannot create the folder {folder}: {reason}. Choose another one.")
            self._notifier.error(text.format(folder=output.parent, reason=error.strerror))
            return
        self._settings.results_folder = output.parent
        self._workflow.convert(output, samples)

    def compare(self) -> None:
        """Evaluate what was not evaluated yet, or ask for data."""
        if self._session.evaluation_data is None:
            self.choose_data(self.tr("Compare evaluates the results on real samples. Choose evaluation data first."))
        else:
            self._workflow.compare()

    def export(self) -> None:
        """Ask which result goes where."""
        if not self._session.results:
            return
        dialog = ExportDialog(self._session.results, Path(self._settings.open_folder), self._window)
        dialog.export_requested.connect(self._export)
        dialog.open()

    def finish_exports(self) -> None:
        """Wait for copies that are still being written; for shutting down."""
        for thread in self._exports:
            thread.wait()

    def _export(self, entry: ResultEntry, target: Path) -> None:
        thread = ExportThread(Path(entry.converted.output), target, entry.plan, self)
        self._exports.add(thread)
        thread.failed.connect(self._notifier.error)
        thread.finished.connect(lambda: self._on_exported(thread))
        thread.start()

    def _on_exported(self, thread: ExportThread) -> None:
        self._exports.discard(thread)
        if thread.is_done:
            text = self.tr("{name}, its plan and its manifest are in {folder}.")
            self._notifier.info(text.format(name=thread.target.name, folder=thread.target.parent))
        thread.deleteLater()
