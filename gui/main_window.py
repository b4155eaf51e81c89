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
    QMainWindow,
    QMenu,
    QMenuBar,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine import __version__
from engine.numerics.schemes import WEIGHT_BITS, Rounding
from engine.project.project import PROJECT_SUFFIX, Project, WindowState, is_project_path
from engine.requests.data import DataChoice
from gui.actions import Actions, Needs
from gui.commands import layer_commands, menu_commands
from gui.compare.jobs import CompareJobs
from gui.compare.store import Comparisons
from gui.crash import show_crash
from gui.diagnosis_box import DiagnosisBox
from gui.diagnosis_feed import DiagnosisFeed
from gui.dialogs.keys_dialog import KeysDialog
from gui.exporting import Exporter
from gui.front_feed import FrontFeed
from gui.graph.feed import GraphFeed
from gui.graph.page import GraphPage
from gui.histogram_feed import HistogramFeed
from gui.inspector import WIDTH as INSPECTOR_WIDTH
from gui.inspector import Inspector
from gui.job_alert import JobAlert
from gui.job_panel import JobPanel
from gui.job_runner import JobRunner
from gui.late_tabs import LateTabs
from gui.layer_edits import LayerEdit
from gui.layers.page import LayersPage
from gui.live_bar import LiveBar
from gui.log_book import LogBook
from gui.menus import PagesMenu, RecentMenu, build_menus, build_toolbar, mark_next_step
from gui.naming import named
from gui.notify import Notifier
from gui.palette import CommandPalette
from gui.preset_menu import PresetMenu
from gui.project.desk import ProjectDesk
from gui.project.history_page import HistoryPage
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
from gui.tradeoff.page import TradeoffPage
from gui.tradeoff.thumbnail import TradeoffThumbnail
from gui.translation import Language, has_chinese_font, read_language, use_language
from gui.view_state import read_view_state, restore_view_state
from gui.workflow import Workflow

if TYPE_CHECKING:
    from gui.benchmark_page import BenchmarkPage
    from gui.compare.page import ComparePage
    from gui.distributions.page import DistributionsPage
    from gui.recover.page import RecoverPage

START_SIZE = (1360, 860)
MINIMUM_SIZE = (1264, 680)
SAMPLE_CALIBRATION = 128
OPEN_SUFFIXES = (".onnx", ".pt2", ".pt", ".pth", ".torchscript", PROJECT_SUFFIX)


class MainWindow(QMainWindow):
    """The one window."""

    def __init__(self, session: Session, runner: JobRunner, theme: Theme, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setWindowTitle(self.tr("Bitsmith"))
        self.session, self.runner, self.theme = session, runner, theme
        for owned in (session, runner, theme):
            owned.setParent(self)
        self._settings = settings
        self._is_closing = False
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
        self._stack.addWidget(self._build_workbench())
        views = (PagesMenu(self.tabs, self.session, self), self.layers_page.columns_menu)
        build_menus(self, self.actions_, self._recent, PresetMenu(self.session, self.notifier, self), views)
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

    def _build_workbench(self) -> QWidget:
        self.layers_page = LayersPage(self.session, self.theme, self)
        self.tradeoff_page = TradeoffPage(self.session, self.fronts, self.theme, self.actions_, self)
        self.graph_page = GraphPage(self.session, self.drawings, self.theme, self)
        self.history_page = HistoryPage(
            self.session, self.theme, self.actions_, self.notifier, folder=self._project_folder, parent=self
        )
        self.tabs = named(LateTabs(self, documentMode=True), "tabs")
        self.tabs.addTab(self.layers_page, self.tr("Layers × bits"))
        self._distributions = self.tabs.add_late(
            self._build_distributions, "distributions_page", self.tr("Distributions")
        )
        self.tabs.addTab(self.tradeoff_page, self.tr("Trade-off"))
        self.tabs.addTab(self.graph_page, self.tr("Graph"))
        self._recover_tab = self.tabs.add_late(self._build_recover, "recover_page", self.tr("Recover"))
        self._compare_tab = self.tabs.add_late(self._build_compare, "compare_page", self.tr("Compare"))
        self._benchmark_tab = self.tabs.add_late(self._build_benchmark, "benchmark_page", self.tr("Benchmark"))
        self.tabs.addTab(self.history_page, self.tr("History"))
        diagnosis = DiagnosisBox(self.session, self.diagnoses, self)
        self.inspector = Inspector(self.session, self.feed, diagnosis, self.theme, self)
        thumbnail = TradeoffThumbnail(self.session, self.fronts, self.theme, self.inspector)
        thumbnail.clicked.connect(lambda: self.tabs.setCurrentWidget(self.tradeoff_page))
        self.inspector.add_below(thumbnail)
        splitter = named(QSplitter(Qt.Orientation.Horizontal, self, childrenCollapsible=False), "splitter")
        splitter.addWidget(self.tabs)
        splitter.addWidget(self.inspector)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([START_SIZE[0] - INSPECTOR_WIDTH, INSPECTOR_WIDTH])
        splitter.setHandleWidth(1)
        return splitter

    def _build_distributions(self) -> DistributionsPage:
        from gui.distributions.page import DistributionsPage

        return DistributionsPage(self.session, self.feed, self.theme, self.actions_, self)

    def _build_recover(self) -> RecoverPage:
        from gui.recover.page import RecoverPage

        made = RecoverPage(
            self.session,
            self.recovery,
            self._recover_forecasts,
            self.theme,
            self._settings,
            self.actions_,
            self.notifier,
            self,
        )
        made.data_requested.connect(self.steps.ask_for_recovery_data)
        return made

    def _build_compare(self) -> ComparePage:
        from gui.compare.page import ComparePage

        made = ComparePage(
            self.session,
            self.comparisons,
            self._comparing,
            self.theme,
            self._settings,
            self.actions_,
            self.notifier,
            self,
        )
        made.why_tab.threads_requested.connect(self._set_benchmark_threads)
        return made

    def _build_benchmark(self) -> BenchmarkPage:
        from gui.benchmark_page import BenchmarkPage

        made = BenchmarkPage(self.session, self.comparisons, self.theme, self.actions_["action_benchmark"], self)
        made.threads_changed.connect(self._set_why_threads)
        return made

    def _set_benchmark_threads(self, threads: int) -> None:
        self.benchmark_page.set_threads(threads)

    def _set_why_threads(self, threads: int) -> None:
        self.compare_page.why_tab.set_threads(threads)

    def _ask_for_thresholds(self) -> None:
        self.compare_page.ask_for_thresholds()

    def _save_table(self) -> None:
        self.compare_page.ask_for_table_file()

    @property
    def distributions_page(self) -> DistributionsPage:
        """Built when it is first needed, as all pages with several plots are."""
        return self._distributions.page

    @property
    def recover_page(self) -> RecoverPage:
        """Built when it is first needed."""
        return self._recover_tab.page

    @property
    def compare_page(self) -> ComparePage:
        """Built when it is first needed."""
        return self._compare_tab.page

    @property
    def benchmark_page(self) -> BenchmarkPage:
        """Built when it is first needed."""
        return self._benchmark_tab.page

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
            "action_latency": lambda: self.workflow.measure_latency(self.benchmark_page.threads),
            "action_measure_plan": self.workflow.measure_plan,
            "action_convert": self.steps.convert,
            "action_recover": self._recover,
            "action_compare": self._compare,
            "action_add_result": self._add_result,
            "action_thresholds": self._ask_for_thresholds,
            "action_save_table": self._save_table,
            "action_benchmark": self._benchmark,
            "action_export": lambda: self.steps.export(self.exporter),
            "action_report": lambda: self.steps.report(self.exporter),
            "action_collect": self.steps.collect_activations,
            "action_cancel": self.runner.cancel,
            "action_quit": self._quit,
            "action_filter": self._go_to_filter,
            "action_lock": self._toggle_lock,
            "action_edit_layers": self._edit_layers,
            "action_copy_rows": self.layers_page.copy_rows,
            "action_palette": self._show_palette,
            "action_keys": self._show_keys,
            "action_about": self._show_about,
        }
        for bits in WEIGHT_BITS:
            handlers[f"action_bits_{bits}"] = partial(self._assign, bits)
        for mode in ThemeMode:
            handlers[f"action_theme_{mode}"] = partial(self.theme.set_mode, mode)
        for language in Language:
            handlers[f"action_language_{language}"] = partial(self._set_language, language)
        self.actions_.connect_all(handlers)
        self.actions_[f"action_language_{read_language(self._settings.language)}"].setChecked(True)
        self.actions_[f"action_theme_{self.theme.mode}"].setChecked(True)
        for name in ("action_lock", *(f"action_bits_{bits}" for bits in WEIGHT_BITS)):
            self.layers_page.addAction(self.actions_[name])
            self.graph_page.addAction(self.actions_[name])
        self.layers_page.view.addAction(self.actions_["action_copy_rows"])
        self.layers_page.hide_columns(self._settings.hidden_columns)
        self.layers_page.columns_menu.hidden_changed.connect(partial(setattr, self._settings, "hidden_columns"))

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
        self.workflow.converted.connect(lambda: self.tabs.setCurrentWidget(self.compare_page))

    def _connect_views(self) -> None:
        self.history_page.selection_changed.connect(self._update_actions)
        self.start_page.model_requested.connect(self.open_path)
        self.inspector.rounding_requested.connect(self._round_selected)
        self.restore_bar.restore_requested.connect(self.desk.restore)
        self.desk.settled.connect(self.restore_bar.look)
        for page in (self.layers_page, self.graph_page):
            page.skipped_locked.connect(self._on_skipped_locked)
        self.layers_page.edited.connect(self.log.add)

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
        state = read_view_state(self._central)
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
        restore_view_state(self._central, state)
        if is_restore_offered:
            self.restore_bar.look()
        self._show_title()

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

    def _recover(self) -> None:
        """Start it from its page; from elsewhere show first what would be done."""
        if self.tabs.currentWidget() is self.recover_page:
            self.recover_page.start()
        else:
            self.tabs.setCurrentWidget(self.recover_page)
            self.recover_page.focus_start()

    def _compare(self) -> None:
        self.tabs.setCurrentWidget(self.compare_page)
        self.steps.compare()

    def _benchmark(self) -> None:
        self.tabs.setCurrentWidget(self.benchmark_page)
        more = [subject.path for subject in self.comparisons.added]
        self.workflow.benchmark(self.benchmark_page.threads, more, self.benchmark_page.sweep)

    def _add_result(self) -> None:
        self.tabs.setCurrentWidget(self.compare_page)
        self.compare_page.ask_for_file()

    @property
    def _layers_in_sight(self) -> LayersPage | GraphPage:
        """The page whose selected layers the keys act on."""
        return self.graph_page if self.tabs.currentWidget() is self.graph_page else self.layers_page

    def _assign(self, bits: int) -> None:
        self._layers_in_sight.assign(bits)

    def _round_selected(self, rounding: Rounding) -> None:
        """The layer that the inspector shows, and those that are selected with it."""
        names = self._layers_in_sight.selected_names()
        shown = self.session.selected
        self.layers_page.edit_layers(names if shown in names else [shown], LayerEdit(rounding=rounding))

    def _toggle_lock(self) -> None:
        self._layers_in_sight.toggle_lock()

    def _go_to_filter(self) -> None:
        if self.tabs.currentWidget() is self.graph_page:
            self.graph_page.focus_find()
            return
        self.tabs.setCurrentWidget(self.layers_page)
        self.layers_page.focus_filter()

    def _edit_layers(self) -> None:
        self.steps.edit_layers(self._layers_in_sight.selected_names(), self.layers_page.edit_layers)

    def _show_palette(self) -> None:
        layers = layer_commands(self.session.layers, self._go_to_layer)
        CommandPalette((*menu_commands(self.menuBar(), self.actions_), *layers), self.theme, self).open()

    def _go_to_layer(self, name: str) -> None:
        """Where the layers can be seen: stay on the page if it shows one."""
        if self.tabs.currentWidget() not in (self.graph_page, self.distributions_page):
            self.tabs.setCurrentWidget(self.layers_page)
        self.session.select(name)

    def _show_keys(self) -> None:
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
        if self.history_page.selected_runs:
            available |= Needs.RUN
        if not self.runner.is_busy:
            available |= Needs.IDLE
        self.actions_.update(available)
        self.actions_["action_cancel"].setEnabled(self.runner.is_busy)
        mark_next_step(self._toolbar, self.actions_, self._next_step())

    def _next_step(self) -> str:
        session = self.session
        if session.model is None:
            return "action_open"
        if session.data is None:
            return "action_data"
        if not session.is_analysed and not session.results:
            return "action_analyse"
        if not session.results:
            return "action_convert"
        return "action_benchmark" if session.baseline is None else "action_export"

    def _on_model_changed(self) -> None:
        model = self.session.model
        assert model is not None
        self._stack.setCurrentIndex(1)
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
