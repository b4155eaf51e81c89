"""The window: puts the parts together and connects actions with dialogs and workflow."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QMenu,
    QMenuBar,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine import __version__
from engine.project.project import PROJECT_SUFFIX, Project, WindowState, is_project_path
from engine.requests.data import DataChoice
from gui.actions import Actions, Needs
from gui.compare.jobs import CompareJobs
from gui.compare.store import Comparisons
from gui.crash import show_crash
from gui.diagnosis_feed import DiagnosisFeed
from gui.exporting import Exporter
from gui.front_feed import FrontFeed
from gui.graph.feed import GraphFeed
from gui.histogram_feed import HistogramFeed
from gui.job_alert import JobAlert
from gui.job_panel import JobPanel
from gui.job_runner import JobRunner
from gui.live_bar import LiveBar
from gui.log_book import LogBook
from gui.menus import PagesMenu, RecentMenu, build_menus, build_toolbar, mark_next_step, next_step
from gui.naming import named
from gui.notify import Notifier
from gui.paged_window import START_SIZE, PagedWindow
from gui.preset_menu import PresetMenu
from gui.project.desk import ProjectDesk
from gui.project.restore_bar import RestoreBar
from gui.recover.forecast_feed import RecoverForecastFeed
from gui.recover.store import Recovery
from gui.resource_files import load_sample
from gui.results import WantedData
from gui.session import Session
from gui.settings import Settings
from gui.start_page import StartPage
from gui.step_chips import StepChips
from gui.steps import Steps
from gui.theme import Theme, ThemeMode
from gui.translation import Language, has_chinese_font, read_language, use_language
from gui.view_state import ViewState, read_view_state, restore_view_state
from gui.workflow import Workflow

if TYPE_CHECKING:
    from gui.workbench import Workbench

MINIMUM_SIZE = (1264, 680)
SAMPLE_CALIBRATION = 128
OPEN_SUFFIXES = (".onnx", ".pt2", ".pt", ".pth", ".torchscript", PROJECT_SUFFIX)


class MainWindow(PagedWindow):
    """The one window."""

    def __init__(self, session: Session, runner: JobRunner, theme: Theme, settings: Settings) -> None:
        super().__init__(runner)
        self.setObjectName("main_window")
        self.setWindowTitle(self.tr("Bitsmith"))
        self.session, self.theme = session, theme
        for owned in (session, runner, theme):
            owned.setParent(self)
        self._settings = settings
        self._is_closing = False
        self._view_state = ViewState({})
        self.log = LogBook(self)
        self.notifier = Notifier(self, self.log)
        self.workflow = Workflow(session, runner, self.notifier, settings)
        self.feed = HistogramFeed(session, runner, self)
        self.fronts = FrontFeed(session, runner, self)
        self.diagnoses = DiagnosisFeed(session, runner, self)
        self.drawings = GraphFeed(session, runner, self)
        self.comparisons = Comparisons(session, self)
        self._comparing = CompareJobs(session, self.comparisons, runner, self.notifier)
        self.recovery = Recovery(session, runner, self.notifier)
        self._recover_forecasts = RecoverForecastFeed(runner, self)
        self.exporter = Exporter(session, runner, self.notifier, self)
        self.steps = Steps(self.workflow, session, self.notifier, settings, self)
        self.desk = ProjectDesk(session, self.workflow, self.notifier, settings, look=self._look, window=self)
        JobAlert(self, runner)
        self._build()
        self._connect_state()
        self.setAcceptDrops(True)
        self.setMinimumSize(*MINIMUM_SIZE)
        self.resize(*START_SIZE)
        self.restoreGeometry(settings.geometry)

    # --- building ------------------------------------------------------------------------------

    def _build(self) -> None:
        """Everything that can be seen, in the current language."""
        self.actions_ = Actions(self.session.undo_stack, self)
        self._recent = RecentMenu(self._settings, self.open_path, self)
        self._toolbar = build_toolbar(self, self.actions_, StepChips(self.session, self))
        self.start_page = StartPage(
            self._settings, self.actions_["action_open"], self.actions_["action_open_sample"], self
        )
        self._stack = named(QStackedWidget(self), "stack")
        self._stack.addWidget(self.start_page)
        self.forget_workbench()
        pages = PagesMenu(self._titles().values(), self.show_page, self.session, self)
        presets = PresetMenu(self.session, self.notifier, self)
        self._view_menu = build_menus(self, self.actions_, self._recent, presets, pages)
        self.job_panel = JobPanel(self.runner, self.log, self.actions_["action_cancel"], self)
        central = QWidget(self)
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.restore_bar = RestoreBar(self.notifier, self.actions_["action_open"], self)
        layout.addWidget(self.restore_bar)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.job_panel)
        layout.addWidget(LiveBar(self.session, self))
        self.setCentralWidget(central)
        self._central = central
        self._connect_actions()
        self._connect_views()
        self._update_actions()

    def _titles(self) -> dict[str, str]:
        """Titles of the pages, by their object names, in the order of the tabs."""
        return {
            "layers_page": self.tr("Layers × bits"),
            "distributions_page": self.tr("Distributions"),
            "tradeoff_page": self.tr("Trade-off"),
            "graph_page": self.tr("Graph"),
            "recover_page": self.tr("Recover"),
            "compare_page": self.tr("Compare"),
            "benchmark_page": self.tr("Benchmark"),
            "history_page": self.tr("History"),
        }

    @override
    def build_workbench(self) -> Workbench:
        from gui.workbench import Parts, Workbench

        parts = Parts(
            self.session,
            self.theme,
            self._settings,
            self.notifier,
            self.steps,
            self.workflow,
            histograms=self.feed,
            fronts=self.fronts,
            diagnoses=self.diagnoses,
            drawings=self.drawings,
            comparisons=self.comparisons,
            comparing=self._comparing,
            recovery=self.recovery,
            recover_forecasts=self._recover_forecasts,
            project_folder=self._project_folder,
        )
        made = Workbench(parts, self.actions_, self._titles(), self._stack)
        made.skipped_locked.connect(self._on_skipped_locked)
        made.runs_selected.connect(self._update_actions)
        made.layers_page.edited.connect(self.log.add)
        self._view_menu.insertMenu(self._view_menu.actions()[1], made.layers_page.columns_menu)
        self._stack.addWidget(made)
        return made

    def _connect_actions(self) -> None:
        handlers: dict[str, Callable[[], None]] = {
            "action_open": self._ask_for_model,
            "action_open_sample": self.open_sample,
            "action_open_project": self.desk.ask_for_project,
            "action_save": self.desk.save,
            "action_save_as": self.desk.save_as,
            "action_data": self.steps.choose_data,
            "action_analyse": self.steps.analyse,
            "action_auto_assign": lambda: self.steps.auto_assign(self.fronts),
            "action_measure_plan": self.workflow.search.measure_plan,
            "action_convert": self.steps.convert,
            "action_export": lambda: self.steps.export(self.exporter),
            "action_report": lambda: self.steps.report(self.exporter),
            "action_collect": self.steps.collect_activations,
            "action_cancel": self.runner.cancel,
            "action_quit": self._quit,
            "action_palette": self._show_palette,
            "action_keys": self._show_keys,
            "action_about": self._show_about,
        }
        for mode in ThemeMode:
            handlers[f"action_theme_{mode}"] = partial(self.theme.set_mode, mode)
        for language in Language:
            handlers[f"action_language_{language}"] = partial(self._set_language, language)
        self.actions_.connect_all(handlers)
        self.actions_[f"action_language_{read_language(self._settings.language)}"].setChecked(True)
        self.actions_[f"action_theme_{self.theme.mode}"].setChecked(True)

    def _connect_state(self) -> None:
        session = self.session
        for changed in (
            session.model_changed,
            session.data_changed,
            session.sensitivity_changed,
            session.results_changed,
        ):
            changed.connect(self._update_actions)
        self.runner.job_started.connect(self._update_actions)
        self.runner.job_finished.connect(self._update_actions)
        self.runner.crashed.connect(self._on_crashed)
        session.model_changed.connect(self._on_model_changed)
        session.plan_changed.connect(self._update_actions)
        self.desk.changed.connect(self._show_title)
        self.desk.opened.connect(self._on_project_opened)
        self.workflow.compared.connect(self._comparing.evaluate_added)
        self.workflow.benchmark_taken.connect(self.comparisons.set_benchmark)
        self.workflow.converted.connect(self._show_results)

    def _connect_views(self) -> None:
        self.start_page.model_requested.connect(self.open_path)
        self.restore_bar.restore_requested.connect(self.desk.restore)
        self.desk.settled.connect(self.restore_bar.look)

    def _set_language(self, language: Language) -> None:
        """Build everything that can be seen anew; session, project, results and undo are not touched."""
        if language == Language.CHINESE and not has_chinese_font():
            self.notifier.warning(
                self.tr(
                    "No font on this computer has Chinese characters, so they are shown as boxes. Install one; on "
                    "Debian and Ubuntu: apt-get install fonts-wqy-zenhei."
                )
            )
        self._settings.language = language
        use_language(language)
        self._view_state = read_view_state(self._central).over(self._view_state)
        is_restore_offered = self.restore_bar.isVisible()
        for menu in self.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly):
            menu.deleteLater()
        for action in self.actions_.all():
            action.deleteLater()
        self.actions_.deleteLater()
        self.removeToolBar(self._toolbar)
        self._toolbar.deleteLater()
        self.setMenuBar(QMenuBar(self))
        self._build()
        self.tabs.page_built.connect(self._restore_late_page)
        restore_view_state(self._central, self._view_state)
        if is_restore_offered:
            self.restore_bar.look()
        self._show_title()

    def _show_results(self) -> None:
        self.workbench.compare.show()

    def _restore_late_page(self, page: QWidget) -> None:
        """A page that is built after the language has changed is set as the one before it was."""
        restore_view_state(page, ViewState(self._view_state.values))

    # --- actions -------------------------------------------------------------------------------

    def open_model(self, path: str, data: str | None = None) -> None:
        """Open a model or a project as the command line names it, a model with its data if some is given."""
        if is_project_path(path):
            self.desk.open_project(Path(path))
            return
        wanted = None
        if data is not None:
            rest = DataChoice(data, skip=SAMPLE_CALIBRATION)
            wanted = WantedData(DataChoice(data), rest, SAMPLE_CALIBRATION)
        self.desk.leave(lambda: self.workflow.open_model(path, wanted))

    def open_path(self, path: str) -> None:
        """Open a model or a project, unless a job is running."""
        if self.runner.is_busy:
            text = self.tr("A job is running. Wait for its end or cancel it, then open {name}.")
            self.notifier.warning(text.format(name=Path(path).name))
        else:
            self.open_model(path)

    def open_sample(self) -> None:
        """Open the bundled sample together with its data."""
        sample = load_sample()
        if sample is None:
            self.notifier.error(
                self.tr("The bundled sample is not installed. Install Bitsmith again, or open a model.")
            )
            return
        data = WantedData(DataChoice(sample.calibration_data), DataChoice(sample.test_data), SAMPLE_CALIBRATION)
        self.desk.leave(lambda: self.workflow.open_model(sample.model, data))

    def _ask_for_model(self) -> None:
        files = self.tr("Models and projects (*.onnx *.pt2 *.pt *.pth *.torchscript *.bitsmith);;All files (*)")
        dialog = QFileDialog(self, self.tr("Open a model"), self._settings.open_folder, files)
        dialog.setObjectName("open_dialog")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._on_model_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_model_chosen(self, path: str) -> None:
        self._settings.open_folder = str(Path(path).parent)
        self.open_path(path)

    def _show_palette(self) -> None:
        from gui.commands import layer_commands, menu_commands
        from gui.palette import CommandPalette

        layers = layer_commands(self.session.layers, self.workbench.go_to_layer)
        CommandPalette((*menu_commands(self.menuBar(), self.actions_), *layers), self.theme, self).open()

    def _show_keys(self) -> None:
        from gui.commands import menu_commands
        from gui.dialogs.keys_dialog import KeysDialog

        KeysDialog(menu_commands(self.menuBar(), self.actions_), self).open()

    def _show_about(self) -> None:
        text = self.tr("Bitsmith {version}\nPost-training quantization of ONNX models.\nPython {python}, {platform}")
        box = QMessageBox(self)
        box.setObjectName("about_box")
        box.setWindowTitle(self.tr("About Bitsmith"))
        box.setText(text.format(version=__version__, python=platform.python_version(), platform=platform.platform()))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    # --- state ---------------------------------------------------------------------------------

    def _update_actions(self) -> None:
        available = Needs.NOTHING
        if self.session.model is not None:
            available |= Needs.MODEL
        if self.session.results:
            available |= Needs.RESULTS
        if self.session.rows:
            available |= Needs.CELLS
        if self.selected_runs:
            available |= Needs.RUN
        if not self.runner.is_busy:
            available |= Needs.IDLE
        self.actions_.update(available)
        self.actions_["action_cancel"].setEnabled(self.runner.is_busy)
        mark_next_step(self._toolbar, self.actions_, next_step(self.session))

    def _on_model_changed(self) -> None:
        model = self.session.model
        assert model is not None
        self._stack.setCurrentWidget(self.workbench)
        self._show_title()
        self.tabs.setCurrentWidget(self.layers_page)
        self.layers_page.filter.clear()
        self.layers_page.view.setFocus()
        for note in model.notes:
            self.log.add(note)

    def _show_title(self) -> None:
        """The project, or the model while it has none; the platform marks what is not saved."""
        model, path = self.session.model, self.desk.path
        if model is not None:
            name = path.name if path else Path(model.path).name
            self.setWindowTitle(self.tr("{name}[*] – Bitsmith").format(name=name))
            if self.isWindowModified() != self.desk.is_modified:  # telling the platform anew costs half a millisecond
                self.setWindowModified(self.desk.is_modified)

    def _look(self) -> WindowState:
        return WindowState(page=self.tabs.currentWidget().objectName())

    def _project_folder(self) -> Path | None:
        return self.desk.path.parent if self.desk.path else None

    def _on_project_opened(self, project: Project) -> None:
        page = self.tabs.findChild(QWidget, project.window.page) if project.window.page else None
        if page is not None and self.tabs.indexOf(page) >= 0:
            self.tabs.setCurrentWidget(page)

    def _on_skipped_locked(self, count: int) -> None:
        self.log.add(self.tr("Locked layers that kept their bits: {n}").format(n=count))

    def _on_crashed(self, report: str) -> None:
        self.log.add(report)
        show_crash(report, self)

    def _quit(self) -> None:
        self.close()

    def _close_anyway(self) -> None:
        self._is_closing = True
        self.close()

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self.runner.warm_up)
        QTimer.singleShot(0, self, self.restore_bar.look)

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        if self.runner.is_busy and not self._is_closing:
            event.ignore()
            text = self.tr("A job is still running. Closing ends it; what it has finished so far is lost.")
            self.notifier.ask(text, self.tr("End the job and close"), lambda: self.desk.leave(self._close_anyway))
            return
        if self.desk.asks_before_leaving and not self._is_closing:
            event.ignore()
            self.desk.leave(self._close_anyway)
            return
        self._settings.geometry = self.saveGeometry()
        self.exporter.finish()
        self.runner.close()
        self.desk.close()
        super().closeEvent(event)

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped_file(event) and not self.runner.is_busy:
            event.acceptProposedAction()

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        path = _dropped_file(event)
        if path and not self.runner.is_busy:
            event.acceptProposedAction()
            self.open_path(path)


def _dropped_file(event: QDropEvent) -> str:
    """The first model or project that is dragged; "" if there is none."""
    paths = (url.toLocalFile() for url in event.mimeData().urls())
    return next((path for path in paths if path.lower().endswith(OPEN_SUFFIXES)), "")
