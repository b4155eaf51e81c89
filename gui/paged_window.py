"""A window whose pages are built after it has been painted, so that it is there at once."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QMainWindow
from typing_extensions import override

from gui.job_runner import JobRunner

if TYPE_CHECKING:
    from engine.project.runs import Run
    from gui.benchmark_page import BenchmarkPage
    from gui.compare.page import ComparePage
    from gui.distributions.page import DistributionsPage
    from gui.graph.page import GraphPage
    from gui.inspector import Inspector
    from gui.late_tabs import LateTabs
    from gui.layers.page import LayersPage
    from gui.project.history_page import HistoryPage
    from gui.recover.page import RecoverPage
    from gui.tradeoff.page import TradeoffPage
    from gui.workbench import Workbench

START_SIZE = (1360, 860)
"""Of the window's first start, in pixels."""


class PagedWindow(QMainWindow):
    """Loads and builds the workbench right after the first paint, or when something of it is needed."""

    def __init__(self, runner: JobRunner) -> None:
        super().__init__()
        self.runner = runner
        self._is_painted = False
        self._workbench: Workbench | None = None

    @property
    def workbench(self) -> Workbench:
        """The pages and the inspector."""
        if self._workbench is None:
            self._workbench = self.build_workbench()
        return self._workbench

    def build_workbench(self) -> Workbench:
        """Make it and put it in its place, hidden."""
        raise NotImplementedError

    def forget_workbench(self) -> None:
        """Build another when one is needed."""
        self._workbench = None

    @property
    def tabs(self) -> LateTabs:
        """The pages."""
        return self.workbench.tabs

    @property
    def layers_page(self) -> LayersPage:
        """The table of all layers."""
        return self.workbench.layers_page

    @property
    def inspector(self) -> Inspector:
        """The selected layer."""
        return self.workbench.inspector

    @property
    def distributions_page(self) -> DistributionsPage:
        """Built when it is first needed."""
        return self.workbench.distributions.page

    @property
    def tradeoff_page(self) -> TradeoffPage:
        """Built when it is first needed."""
        return self.workbench.tradeoff.page

    @property
    def graph_page(self) -> GraphPage:
        """Built when it is first needed."""
        return self.workbench.graph.page

    @property
    def recover_page(self) -> RecoverPage:
        """Built when it is first needed."""
        return self.workbench.recover.page

    @property
    def compare_page(self) -> ComparePage:
        """Built when it is first needed."""
        return self.workbench.compare.page

    @property
    def benchmark_page(self) -> BenchmarkPage:
        """Built when it is first needed."""
        return self.workbench.benchmark.page

    @property
    def history_page(self) -> HistoryPage:
        """Built when it is first needed."""
        return self.workbench.history.page

    @property
    def selected_runs(self) -> list[Run]:
        """The runs that are selected on the History page."""
        return self._workbench.selected_runs if self._workbench is not None else []

    def show_page(self, at: int) -> None:
        """Go to the page of this number, from 0."""
        self.tabs.setCurrentIndex(at)

    def _prepare(self) -> None:
        """Load, then build, what an open model needs, in turns, so that the window answers in between."""
        import_module("gui.workbench")
        QTimer.singleShot(0, self, self._build_ahead)

    def _build_ahead(self) -> None:
        self._workbench = self.workbench
        if self.runner.is_at_rest:  # else a table is awaited, which plots need not keep waiting
            QTimer.singleShot(0, self, partial(import_module, "gui.histogram_plot"))

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self, self._prepare)
