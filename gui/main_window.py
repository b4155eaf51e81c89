"""The window: puts the parts together and connects actions with dialogs and workflow."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QMainWindow,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine import __version__
from engine.jobs.requests import DataChoice
from engine.numerics.schemes import WEIGHT_BITS
from gui.actions import Actions, Needs
from gui.benchmark_page import BenchmarkPage
from gui.compare_page import ComparePage
from gui.crash import show_crash
from gui.diagnosis_box import DiagnosisBox
from gui.diagnosis_feed import DiagnosisFeed
from gui.dialogs.keys_dialog import KeysDialog
from gui.distributions_page import DistributionsPage
from gui.front_feed import FrontFeed
from gui.histogram_feed import HistogramFeed
from gui.inspector import WIDTH as INSPECTOR_WIDTH
from gui.inspector import Inspector
from gui.job_panel import JobPanel
from gui.job_runner import JobRunner
from gui.layers.page import LayersPage
from gui.live_bar import LiveBar
from gui.log_book import LogBook
from gui.menus import RecentMenu, build_menus, build_toolbar, mark_next_step
from gui.naming import named
from gui.notify import Notifier
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
from gui.workflow import Workflow

START_SIZE = (1360, 860)
MINIMUM_SIZE = (1264, 680)
SAMPLE_CALIBRATION = 128
MODEL_SUFFIXES = (".onnx", ".pt2", ".pt", ".pth", ".torchscript")


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
        self.actions_ = Actions(session.undo_stack, self)
        self.steps = Steps(self.workflow, session, self.notifier, settings, self)
        self._build()
        self._connect_actions()
        self._connect_state()
        self._update_actions()

    # --- building ------------------------------------------------------------------------------

    def _build(self) -> None:
        self._recent = RecentMenu(self._settings, self.workflow.open_model, self)
        build_menus(self, self.actions_, self._recent)
        self._toolbar = build_toolbar(self, self.actions_, StepChips(self.session, self))
        self.start_page = StartPage(
            self._settings, self.actions_["action_open"], self.actions_["action_open_sample"], self
        )
        self._stack = named(QStackedWidget(self), "stack")
        self._stack.addWidget(self.start_page)
        self._stack.addWidget(self._build_workbench())
        self.job_panel = JobPanel(self.runner, self.log, self.actions_["action_cancel"], self)
        central = QWidget(self)
        layout = QVBoxLayout(central)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.job_panel)
        layout.addWidget(LiveBar(self.session, self))
        self.setCentralWidget(central)
        self.setAcceptDrops(True)
        self.setMinimumSize(*MINIMUM_SIZE)
        self.resize(*START_SIZE)
        self.restoreGeometry(self._settings.geometry)

    def _build_workbench(self) -> QWidget:
        self.layers_page = LayersPage(self.session, self.theme, self)
        self.distributions_page = DistributionsPage(self.session, self.feed, self.theme, self)
        self.tradeoff_page = TradeoffPage(self.session, self.fronts, self.theme, self.actions_, self)
        self.compare_page = ComparePage(self.session, self.theme, self.actions_["action_compare"], self)
        self.benchmark_page = BenchmarkPage(self.session, self.theme, self.actions_["action_benchmark"], self)
        self.tabs = named(QTabWidget(self, documentMode=True), "tabs")
        self.tabs.addTab(self.layers_page, self.tr("Layers × bits"))
        self.tabs.addTab(self.distributions_page, self.tr("Distributions"))
        self.tabs.addTab(self.tradeoff_page, self.tr("Trade-off"))
        self.tabs.addTab(self.compare_page, self.tr("Compare"))
        self.tabs.addTab(self.benchmark_page, self.tr("Benchmark"))
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

    def _connect_actions(self) -> None:
        handlers: dict[str, Callable[[], None]] = {
            "action_open": self._ask_for_model,
            "action_open_sample": self.open_sample,
            "action_data": self.steps.choose_data,
            "action_analyse": self.steps.analyse,
            "action_auto_assign": lambda: self.steps.auto_assign(self.fronts),
            "action_latency": lambda: self.workflow.measure_latency(self.benchmark_page.threads),
            "action_measure_plan": self.workflow.measure_plan,
            "action_convert": self.steps.convert,
            "action_compare": self._compare,
            "action_benchmark": self._benchmark,
            "action_export": self.steps.export,
            "action_cancel": self.runner.cancel,
            "action_quit": self._quit,
            "action_filter": self._go_to_filter,
            "action_lock": self.layers_page.toggle_lock,
            "action_keys": self._show_keys,
            "action_about": self._show_about,
        }
        for bits in WEIGHT_BITS:
            handlers[f"action_bits_{bits}"] = partial(self.layers_page.assign, bits)
        for mode in ThemeMode:
            handlers[f"action_theme_{mode}"] = partial(self.theme.set_mode, mode)
        self.actions_.connect_all(handlers)
        self.actions_[f"action_theme_{self.theme.mode}"].setChecked(True)
        for name in ("action_lock", *(f"action_bits_{bits}" for bits in WEIGHT_BITS)):
            self.layers_page.addAction(self.actions_[name])

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
        self.start_page.model_requested.connect(self.workflow.open_model)
        self.workflow.converted.connect(lambda: self.tabs.setCurrentWidget(self.compare_page))
        self.layers_page.skipped_locked.connect(self._on_skipped_locked)

    # --- actions -------------------------------------------------------------------------------

    def open_model(self, path: str, data: str | None = None) -> None:
        """Open a model as the command line names it, with its data if some is given."""
        wanted = None
        if data is not None:
            rest = DataChoice(data, skip=SAMPLE_CALIBRATION)
            wanted = WantedData(DataChoice(data), rest, SAMPLE_CALIBRATION)
        self.workflow.open_model(path, wanted)

    def open_sample(self) -> None:
        """Open the bundled sample together with its data."""
        sample = load_sample()
        if sample is None:
            self.notifier.error(
                self.tr("The bundled sample is not installed. Install Bitsmith again, or open a model.")
            )
            return
        data = WantedData(DataChoice(sample.calibration_data), DataChoice(sample.test_data), SAMPLE_CALIBRATION)
        self.workflow.open_model(sample.model, data)

    def _ask_for_model(self) -> None:
        files = self.tr("Models (*.onnx *.pt2 *.pt *.pth *.torchscript);;All files (*)")
        dialog = QFileDialog(self, self.tr("Open a model"), self._settings.open_folder, files)
        dialog.setObjectName("open_dialog")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._on_model_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_model_chosen(self, path: str) -> None:
        self._settings.open_folder = str(Path(path).parent)
        self.workflow.open_model(path)

    def _compare(self) -> None:
        self.tabs.setCurrentWidget(self.compare_page)
        self.steps.compare()

    def _benchmark(self) -> None:
        self.tabs.setCurrentWidget(self.benchmark_page)
        self.workflow.benchmark(self.benchmark_page.threads)

    def _go_to_filter(self) -> None:
        self.tabs.setCurrentWidget(self.layers_page)
        self.layers_page.focus_filter()

    def _show_keys(self) -> None:
        KeysDialog(self.actions_.all(), self).open()

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
        self.setWindowTitle(self.tr("{name} – Bitsmith").format(name=Path(model.path).name))
        self.tabs.setCurrentWidget(self.layers_page)
        self.layers_page.filter.clear()
        self.layers_page.view.setFocus()
        for note in model.notes:
            self.log.add(note)

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

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        if self.runner.is_busy and not self._is_closing:
            event.ignore()
            text = self.tr("A job is still running. Closing ends it; what it has finished so far is lost.")
            self.notifier.ask(text, self.tr("End the job and close"), self._close_anyway)
            return
        self._settings.geometry = self.saveGeometry()
        self.steps.finish_exports()
        self.runner.close()
        super().closeEvent(event)

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _dropped_model(event) and not self.runner.is_busy:
            event.acceptProposedAction()

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        path = _dropped_model(event)
        if path and not self.runner.is_busy:
            event.acceptProposedAction()
            self.workflow.open_model(path)


def _dropped_model(event: QDropEvent) -> str:
    """The first model file that is dragged; "" if there is none."""
    paths = (url.toLocalFile() for url in event.mimeData().urls())
    return next((path for path in paths if path.lower().endswith(MODEL_SUFFIXES)), "")
