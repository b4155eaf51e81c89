"""Asks the worker for the drawing of the graph, without getting in the way of jobs."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from engine.graph_view.drawing import Drawing
from engine.requests.opening import GraphRequest
from gui.job_runner import JobRunner
from gui.session import Session

MAX_KEPT = 16


class GraphFeed(QObject):
    """Holds the drawing of the open model, and those of other states of its groups for as long as it is open.

    Signals:
        drawing_changed: `current` or `problem` is another one.
    """

    drawing_changed = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._kept: dict[GraphRequest, Drawing] = {}
        self._wanted: GraphRequest | None = None
        self._is_asked = False
        self.current: Drawing | None = None
        self.problem = ""
        """Why there is none."""
        session.model_changed.connect(self._forget)
        runner.job_finished.connect(self._request)

    def show_groups(self, expanded: frozenset[str] | None) -> None:
        """Ask for the drawing with these groups expanded; None leaves the choice to the size of the graph."""
        if self._session.model is not None:
            self._wanted, self._is_asked = GraphRequest(self._session.model.path, expanded), False
            self._request()

    def _forget(self) -> None:
        self._kept.clear()
        self._wanted = None
        self._show(None)

    def _request(self) -> None:
        """Ask now; while a job of the user runs this is skipped, and asked again when it has finished."""
        wanted = self._wanted
        if wanted is None or self._is_asked:
            return
        if wanted in self._kept:
            self._show(self._kept[wanted])
        elif not self._runner.is_busy:
            self._is_asked = True
            job = self._runner.create_internal(wanted)
            job.succeeded.connect(lambda drawing: self._keep(wanted, drawing))
            job.failed.connect(lambda text: self._on_failed(wanted, text))
            job.crashed.connect(lambda _report: self._on_failed(wanted, self.tr("The graph could not be laid out.")))
            job.cancelled.connect(lambda: self._on_cancelled(wanted))
            self._runner.start(job)

    def _keep(self, request: GraphRequest, drawing: Drawing) -> None:
        if request is self._wanted:
            if len(self._kept) >= MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[request] = drawing
            self._show(drawing)

    def _on_failed(self, request: GraphRequest, text: str) -> None:
        if request is self._wanted:
            self._show(None, text)

    def _on_cancelled(self, request: GraphRequest) -> None:
        """The user started a job; ask again when it has finished."""
        if request is self._wanted:
            self._is_asked = False

    def _show(self, drawing: Drawing | None, problem: str = "") -> None:
        if drawing is not self.current or problem != self.problem:
            self.current, self.problem = drawing, problem
            self.drawing_changed.emit()
