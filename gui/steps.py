"""The steps that ask something first: which dialog opens, and what its answer starts.

Dialogs are loaded when they are first asked for, so that the window starts without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from engine.requests.allocation import Budget
from gui.analysis_choice import AnalysisChoice
from gui.exporting import Exporter
from gui.front_feed import FrontFeed
from gui.layer_edits import LayerEdit
from gui.measured_plans import PolishChoice
from gui.notify import Notifier
from gui.output_names import create_folder, suggest_output
from gui.results import WantedData
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

    def choose_data(self, problem: str = "") -> None:
        """Ask for data; `problem` says why it is asked for now."""
        from gui.dialogs.data_dialog import DataDialog

        if self._session.model is None:
            return
        feed = self._workflow.create_data_feed(self._session.model)
        recent = self._settings.recent_data
        dialog = DataDialog(self._session.model, self._session.data, feed, recent, self._window)
        dialog.data_requested.connect(self._load_data)
        self._workflow.data_loaded.connect(dialog.accept)
        self._workflow.data_refused.connect(dialog.refuse)
        dialog.rejected.connect(self._workflow.stop_loading)
        if problem:
            dialog.show_problem(problem)
        dialog.open()

    def _load_data(self, wanted: WantedData) -> None:
        for choice in (wanted.evaluation, wanted.calibration):
            if choice is not None:
                self._settings.add_recent_data(choice.path)
        self._workflow.load_data(wanted)

    def analyse(self) -> None:
        """Ask how to measure, or for the data that it needs."""
        from gui.dialogs.analyse_dialog import AnalyseDialog

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

    def collect_activations(self) -> None:
        """Collect what the layers read, or ask for the data that it takes."""
        if self._session.data is None:
            self.choose_data(self.tr("What layers read is only known from samples. Choose calibration data first."))
        else:
            self._workflow.collect_activations()

    def ask_for_recovery_data(self) -> None:
        """Ask for data to learn from, and other data to measure on."""
        self.choose_data(
            self.tr("Recover learns from calibration data and measures on evaluation data. Choose both first.")
        )

    def edit_layers(self, selected: Sequence[str], edit: Callable[[Sequence[str], LayerEdit], None]) -> None:
        """Ask which layers get which choices."""
        from gui.dialogs.edit_layers_dialog import EditLayersDialog

        if self._session.plan is None:
            return
        dialog = EditLayersDialog(self._session.plan, self._session.layers, selected, self._window)
        dialog.edit_requested.connect(edit)
        dialog.open()

    def auto_assign(self, fronts: FrontFeed) -> None:
        """Ask for a budget, with what the front offers in sight."""
        from gui.dialogs.allocate_dialog import AllocateDialog

        if self._session.model is None:
            return
        dialog = AllocateDialog(self._session, fronts, self._settings.polish, self._window)
        dialog.budget_requested.connect(self._auto_assign)
        self._workflow.search.allocated.connect(dialog.accept)
        self._workflow.search.allocation_refused.connect(dialog.refuse)
        dialog.uniform_requested.connect(self._assign_uniform)
        dialog.open()

    def _assign_uniform(self, bits: int) -> None:
        """Give all unlocked layers the same bits."""
        self._session.assign_bits([layer.name for layer in self._session.layers], bits)

    def _auto_assign(self, budget: Budget, choice: PolishChoice) -> None:
        if self._session.data is not None:
            self._settings.polish = choice
        if choice.is_wanted:
            self._workflow.search.polish(budget, choice.seconds)
        else:
            self._workflow.search.allocate(budget)

    def convert(self) -> None:
        """Ask for output and activations."""
        from gui.dialogs.convert_dialog import ConvertDialog

        model, plan = self._session.model, self._session.plan
        if model is None or plan is None:
            return
        dialog = ConvertDialog(self._session, suggest_output(self._settings.results_folder, model, plan), self._window)
        dialog.convert_requested.connect(self._convert)
        dialog.data_dialog_requested.connect(self.choose_data)
        dialog.open()

    def _convert(self, output: Path, samples: int) -> None:
        problem = create_folder(output.parent)
        if problem:
            self._notifier.error(problem)
            return
        self._settings.results_folder = output.parent
        self._workflow.convert(output, samples)

    def compare(self) -> None:
        """Evaluate what was not evaluated yet, or ask for data."""
        if self._session.evaluation_data is None:
            self.choose_data(self.tr("Compare evaluates the results on real samples. Choose evaluation data first."))
        else:
            self._workflow.compare()

    def export(self, exporter: Exporter) -> None:
        """Ask which result goes where, and in which form."""
        from gui.dialogs.export_dialog import ExportDialog

        if not self._session.results:
            return
        folder, has_data = Path(self._settings.open_folder), self._session.data is not None
        dialog = ExportDialog(self._session.results, folder, self._window, has_data=has_data)
        dialog.export_requested.connect(exporter.export)
        dialog.open()

    def report(self, exporter: Exporter) -> None:
        """Ask where the report goes."""
        model = self._session.model
        if model is None:
            return
        kinds = self.tr("Web page (*.html)")
        dialog = QFileDialog(self._window, self.tr("Write a report"), self._settings.open_folder, kinds)
        dialog.setObjectName("report_dialog")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("html")
        dialog.selectFile(f"{Path(model.path).stem}.report.html")
        dialog.fileSelected.connect(lambda path: exporter.report(Path(path)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
