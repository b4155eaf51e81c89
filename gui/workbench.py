"""What the window shows of an open model: the pages in tabs, and the inspector of the selected layer beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QWidget

from engine.numerics.schemes import WEIGHT_BITS, Rounding
from gui.actions import Actions
from gui.compare.jobs import CompareJobs
from gui.compare.store import Comparisons
from gui.diagnosis_box import DiagnosisBox
from gui.diagnosis_feed import DiagnosisFeed
from gui.front_feed import FrontFeed
from gui.graph.feed import GraphFeed
from gui.histogram_feed import HistogramFeed
from gui.inspector import WIDTH as INSPECTOR_WIDTH
from gui.inspector import Inspector
from gui.late_tabs import LatePage, LateTabs
from gui.layer_edits import LayerEdit
from gui.layers.page import LayersPage
from gui.naming import named
from gui.notify import Notifier
from gui.paged_window import START_SIZE
from gui.recover.forecast_feed import RecoverForecastFeed
from gui.recover.store import Recovery
from gui.session import Session
from gui.settings import Settings
from gui.steps import Steps
from gui.theme import Theme
from gui.tradeoff.thumbnail import TradeoffThumbnail
from gui.workflow import Workflow

if TYPE_CHECKING:
    from engine.project.runs import Run
    from gui.benchmark_page import BenchmarkPage
    from gui.compare.page import ComparePage
    from gui.distributions.page import DistributionsPage
    from gui.graph.page import GraphPage
    from gui.project.history_page import HistoryPage
    from gui.recover.page import RecoverPage
    from gui.tradeoff.page import TradeoffPage

PageT = TypeVar("PageT", bound=QWidget)


@dataclass(frozen=True)
class Parts:
    """What the pages show and use; all of it outlives them, as when they are built anew in another language.

    Attributes:
        project_folder: gives the folder of the project's file, None while it has none.
    """

    session: Session
    theme: Theme
    settings: Settings
    notifier: Notifier
    steps: Steps
    workflow: Workflow
    histograms: HistogramFeed
    fronts: FrontFeed
    diagnoses: DiagnosisFeed
    drawings: GraphFeed
    comparisons: Comparisons
    comparing: CompareJobs
    recovery: Recovery
    recover_forecasts: RecoverForecastFeed
    project_folder: Callable[[], Path | None]


class Workbench(QSplitter):
    """All pages but the first are built when they are first shown or asked for.

    They are children of the tabs from the beginning: a splitter shows children of its own side by side.

    Args:
        titles: of the tabs, by the object names of the pages, from left to right.

    Signals:
        skipped_locked(count): that many layers kept their bits because they are locked.
        runs_selected: other runs are selected on the History page, or none.
    """

    skipped_locked = Signal(int)
    runs_selected = Signal()

    def __init__(self, parts: Parts, actions: Actions, titles: Mapping[str, str], parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent, childrenCollapsible=False)
        self.setObjectName("splitter")
        self._parts = parts
        self._actions = actions
        self._history_page: HistoryPage | None = None
        self.layers_page = self._build_layers()
        self.tabs = named(LateTabs(self, documentMode=True), "tabs")
        self.tabs.addTab(self.layers_page, titles["layers_page"])
        self.distributions = self._add(self._build_distributions, "distributions_page", titles)
        self.tradeoff = self._add(self._build_tradeoff, "tradeoff_page", titles)
        self.graph = self._add(self._build_graph, "graph_page", titles)
        self.recover = self._add(self._build_recover, "recover_page", titles)
        self.compare = self._add(self._build_compare, "compare_page", titles)
        self.benchmark = self._add(self._build_benchmark, "benchmark_page", titles)
        self.history = self._add(self._build_history, "history_page", titles)
        self.inspector = self._build_inspector()
        self.addWidget(self.tabs)
        self.addWidget(self.inspector)
        self.setStretchFactor(0, 1)
        self.setSizes([START_SIZE[0] - INSPECTOR_WIDTH, INSPECTOR_WIDTH])
        self.setHandleWidth(1)
        self._connect_actions()

    def go_to_layer(self, name: str) -> None:
        """Where the layers can be seen: stay on the page if it shows one."""
        if self.tabs.currentWidget().objectName() not in ("graph_page", "distributions_page"):
            self.tabs.setCurrentWidget(self.layers_page)
        self._parts.session.select(name)

    @property
    def layers_in_sight(self) -> LayersPage | GraphPage:
        """The page whose selected layers the keys act on."""
        is_graph = self.tabs.currentWidget().objectName() == "graph_page"
        return self.graph.page if is_graph else self.layers_page

    @property
    def selected_runs(self) -> list[Run]:
        """The runs that are selected on the History page."""
        return self._history_page.selected_runs if self._history_page is not None else []

    def _add(self, build: Callable[[], PageT], name: str, titles: Mapping[str, str]) -> LatePage[PageT]:
        return self.tabs.add_late(build, name, titles[name])

    def _build_layers(self) -> LayersPage:
        made = LayersPage(self._parts.session, self._parts.theme, self)
        made.skipped_locked.connect(self.skipped_locked)
        self._add_layer_actions(made)
        made.view.addAction(self._actions["action_copy_rows"])
        made.hide_columns(self._parts.settings.hidden_columns)
        made.columns_menu.hidden_changed.connect(partial(setattr, self._parts.settings, "hidden_columns"))
        return made

    def _add_layer_actions(self, page: QWidget) -> None:
        """Keys that work on a page where layers are selected."""
        for name in ("action_lock", *(f"action_bits_{bits}" for bits in WEIGHT_BITS)):
            page.addAction(self._actions[name])

    def _build_inspector(self) -> Inspector:
        parts = self._parts
        diagnosis = DiagnosisBox(parts.session, parts.diagnoses, self)
        made = Inspector(parts.session, parts.histograms, diagnosis, parts.theme, self)
        made.rounding_requested.connect(self._round_selected)
        thumbnail = TradeoffThumbnail(parts.session, parts.fronts, parts.theme, made)
        thumbnail.clicked.connect(lambda: self.tabs.setCurrentWidget(self.tradeoff.page))
        made.add_below(thumbnail)
        return made

    def _build_distributions(self) -> DistributionsPage:
        from gui.distributions.page import DistributionsPage

        parts = self._parts
        return DistributionsPage(parts.session, parts.histograms, parts.theme, self._actions, self.tabs)

    def _build_tradeoff(self) -> TradeoffPage:
        from gui.tradeoff.page import TradeoffPage

        parts = self._parts
        return TradeoffPage(parts.session, parts.fronts, parts.theme, self._actions, self.tabs)

    def _build_graph(self) -> GraphPage:
        from gui.graph.page import GraphPage

        made = GraphPage(self._parts.session, self._parts.drawings, self._parts.theme, self.tabs)
        made.skipped_locked.connect(self.skipped_locked)
        self._add_layer_actions(made)
        return made

    def _build_recover(self) -> RecoverPage:
        from gui.recover.page import RecoverPage

        parts = self._parts
        made = RecoverPage(
            parts.session,
            parts.recovery,
            parts.recover_forecasts,
            parts.theme,
            parts.settings,
            self._actions,
            parts.notifier,
            self.tabs,
        )
        made.data_requested.connect(parts.steps.ask_for_recovery_data)
        return made

    def _build_compare(self) -> ComparePage:
        from gui.compare.page import ComparePage

        parts = self._parts
        made = ComparePage(
            parts.session,
            parts.comparisons,
            parts.comparing,
            parts.theme,
            parts.settings,
            self._actions,
            parts.notifier,
            self.tabs,
        )
        made.why_tab.threads_requested.connect(self._set_benchmark_threads)
        return made

    def _build_benchmark(self) -> BenchmarkPage:
        from gui.benchmark_page import BenchmarkPage

        parts = self._parts
        action = self._actions["action_benchmark"]
        made = BenchmarkPage(parts.session, parts.comparisons, parts.theme, action, self.tabs)
        made.threads_changed.connect(self._set_why_threads)
        return made

    def _build_history(self) -> HistoryPage:
        from gui.project.history_page import HistoryPage

        parts = self._parts
        made = HistoryPage(
            parts.session, parts.theme, self._actions, parts.notifier, folder=parts.project_folder, parent=self.tabs
        )
        made.selection_changed.connect(self.runs_selected)
        self._history_page = made
        return made

    def _set_benchmark_threads(self, threads: int) -> None:
        self.benchmark.page.set_threads(threads)

    def _set_why_threads(self, threads: int) -> None:
        self.compare.page.why_tab.set_threads(threads)

    # --- actions -------------------------------------------------------------------------------

    def _connect_actions(self) -> None:
        """What is done on a page, or starts from what a page is set to."""
        handlers: dict[str, Callable[[], None]] = {
            "action_latency": self._measure_latency,
            "action_recover": self._recover,
            "action_compare": self._compare,
            "action_add_result": self._add_result,
            "action_thresholds": self._ask_for_thresholds,
            "action_save_table": self._save_table,
            "action_benchmark": self._benchmark,
            "action_filter": self._go_to_filter,
            "action_lock": self._toggle_lock,
            "action_edit_layers": self._edit_layers,
            "action_copy_rows": self.layers_page.copy_rows,
        }
        for bits in WEIGHT_BITS:
            handlers[f"action_bits_{bits}"] = partial(self._assign, bits)
        self._actions.connect_all(handlers)

    def _measure_latency(self) -> None:
        self._parts.workflow.measure_latency(self.benchmark.page.threads)

    def _recover(self) -> None:
        """Start it from its page; from elsewhere show first what would be done."""
        if self.tabs.currentWidget() is self.recover.page:
            self.recover.page.start()
        else:
            self.tabs.setCurrentWidget(self.recover.page)
            self.recover.page.focus_start()

    def _compare(self) -> None:
        self.tabs.setCurrentWidget(self.compare.page)
        self._parts.steps.compare()

    def _benchmark(self) -> None:
        page = self.benchmark.page
        self.tabs.setCurrentWidget(page)
        more = [subject.path for subject in self._parts.comparisons.added]
        self._parts.workflow.benchmark(page.threads, more, page.sweep)

    def _add_result(self) -> None:
        self.tabs.setCurrentWidget(self.compare.page)
        self.compare.page.ask_for_file()

    def _ask_for_thresholds(self) -> None:
        self.compare.page.ask_for_thresholds()

    def _save_table(self) -> None:
        self.compare.page.ask_for_table_file()

    def _assign(self, bits: int) -> None:
        self.layers_in_sight.assign(bits)

    def _toggle_lock(self) -> None:
        self.layers_in_sight.toggle_lock()

    def _go_to_filter(self) -> None:
        page = self.layers_in_sight
        if page is not self.layers_page:
            self.graph.page.focus_find()
            return
        self.tabs.setCurrentWidget(self.layers_page)
        self.layers_page.focus_filter()

    def _edit_layers(self) -> None:
        self._parts.steps.edit_layers(self.layers_in_sight.selected_names(), self.layers_page.edit_layers)

    def _round_selected(self, rounding: Rounding) -> None:
        """The layer that the inspector shows, and those that are selected with it."""
        names, shown = self.layers_in_sight.selected_names(), self._parts.session.selected
        self.layers_page.edit_layers(names if shown in names else [shown], LayerEdit(rounding=rounding))
