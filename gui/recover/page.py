"""The Recover page: a target, the methods that may be tried, and what they bring, live."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.recovery.targets import Target, TargetKind
from engine.requests.conversion import DEFAULT_EVALUATION_SAMPLES
from engine.requests.recovery import RecoverRequest
from gui.actions import Actions, plain_text
from gui.elided_label import ElidedLabel
from gui.naming import named
from gui.notify import Notifier
from gui.output_names import create_folder, find_existing, suggest_output
from gui.recover.figures import Training
from gui.recover.forecast_feed import RecoverForecastFeed
from gui.recover.form import RecoverForm
from gui.recover.layers_panel import LayersPanel
from gui.recover.network_plot import NetworkPlot
from gui.recover.steps_table import StepsTable
from gui.recover.store import Recovery
from gui.recover.texts import describe_ending, format_reached, step_title
from gui.recover.training_plot import TrainingPlot
from gui.recover.training_texts import describe_training
from gui.session import Session
from gui.settings import Settings
from gui.theme import Theme
from gui.units import join_sentences

CLOCK_MS = 500
EMPTY_WIDTH = 420
SPLIT = (230, 170, 190)
ANY_TARGET = Target(TargetKind.SQNR, 0.0)


class RecoverPage(QWidget):
    """The form on the left, what a climb has found on the right.

    Signals:
        data_requested: it cannot start without data.
    """

    data_requested = Signal()

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the window that it needs
        self,
        session: Session,
        recovery: Recovery,
        forecasts: RecoverForecastFeed,
        theme: Theme,
        settings: Settings,
        actions: Actions,
        notifier: Notifier,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("recover_page")
        self._session, self._recovery, self._forecasts = session, recovery, forecasts
        self._settings, self._notifier, self._theme = settings, notifier, theme
        self._action = actions["action_recover"]
        self._start = named(QPushButton(plain_text(self._action)), "recover_button")
        self._start.setProperty("primary", True)
        self._start.setToolTip(self._action.toolTip())
        self.form = RecoverForm(settings.recovery, self._start, self)
        self.network_plot = NetworkPlot(theme, self)
        self.training_plot = TrainingPlot(session, theme, self)
        self.steps = StepsTable(session, recovery, theme, self)
        self._layers = LayersPanel(session, recovery, self.steps, theme, self)
        self._status = named(QLabel(wordWrap=True), "recover_status")
        self._training_title = named(ElidedLabel(), "recover_training_title")
        self._training_state = named(ElidedLabel(), "recover_training_state")
        self._take = named(QPushButton(self.tr("Take this plan")), "recover_take")
        self._empty = named(QLabel(wordWrap=True), "recover_empty")
        self._stack = QStackedWidget(self)
        self._clock = QTimer(self, interval=CLOCK_MS)
        self._build_layout()
        self._connect()
        self._suggest()
        self._show_training()
        self._show_forecast()
        self._show_steps()

    # --- building ------------------------------------------------------------------------------

    def _build_layout(self) -> None:
        self._empty.setProperty("role", "dim")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setFixedWidth(EMPTY_WIDTH)
        self._empty.setText(
            self.tr(
                "Recover brings back what few bits lose. Bits and sizes stay as the plan says; how the codes are found "
                "gets better, method by method. Every plan is converted and measured on samples that were not learnt "
                "from, until the target is met or time is up. The best so far is kept at any time."
            )
        )
        self._stack.addWidget(_centred(self._empty))
        self._stack.addWidget(self._build_results())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 8)
        layout.setSpacing(16)
        layout.addWidget(self.form)
        layout.addWidget(self._stack, 1)

    def _build_results(self) -> QWidget:
        self._training_state.setProperty("role", "dim")
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for label in (self._status, self._training_title, self._training_state):
            texts.addWidget(label)
        plots = QSplitter(Qt.Orientation.Horizontal, childrenCollapsible=False)
        plots.addWidget(self.network_plot)
        plots.addWidget(self.training_plot)
        title = QLabel(self.tr("Plans measured"))
        title.setProperty("role", "section")
        heading = QHBoxLayout()
        heading.addWidget(title, 1)
        heading.addWidget(self._take)
        splitter = QSplitter(Qt.Orientation.Vertical, childrenCollapsible=False)
        splitter.addWidget(plots)
        splitter.addWidget(_stacked(heading, self.steps))
        splitter.addWidget(self._layers)
        splitter.setSizes(SPLIT)
        splitter.setStretchFactor(2, 1)
        return _stacked(texts, splitter)

    def _connect(self) -> None:
        session, recovery = self._session, self._recovery
        session.model_changed.connect(self._on_model_changed)
        session.plan_changed.connect(self._on_plan_changed)
        session.data_changed.connect(self._show_form)
        self._start.clicked.connect(self._action.trigger)
        self._action.enabledChanged.connect(self._show_form)
        self._forecasts.forecast_changed.connect(self._show_forecast)
        self.form.choice_changed.connect(self._on_choice_changed)
        self.form.output_changed.connect(self._show_form)
        self.form.data_requested.connect(self.data_requested)
        recovery.changed.connect(self._show_steps)
        recovery.training_changed.connect(self._show_training)
        recovery.finished.connect(self._suggest)
        self._clock.timeout.connect(self._show_network)
        self.steps.view.selectionModel().currentRowChanged.connect(self._on_step_selected)
        self._take.clicked.connect(self._take_plan)
        self._theme.changed.connect(self._show_plots)

    # --- what the actions do -------------------------------------------------------------------

    def focus_start(self) -> None:
        """Go to the button that starts."""
        self._start.setFocus()

    def start(self) -> None:
        """Climb, or ask for what is missing."""
        if self._lacks_data:
            self.data_requested.emit()
            return
        choice = self.form.choice
        request = self._build_request(self.form.output, choice.target)
        if request is None or self._find_problem():
            return
        request = dataclasses.replace(request, seconds=choice.seconds, rungs=choice.rungs)
        output = Path(request.output)
        problem = create_folder(output.parent)
        if problem:
            self._notifier.error(problem)
            return
        self._settings.results_folder = output.parent
        self._recovery.start(request)

    def _build_request(self, output: str = "", target: Target = ANY_TARGET) -> RecoverRequest | None:
        """All methods; None without data."""
        session = self._session
        data = session.data
        if session.model is None or session.plan is None or data is None or data.evaluation is None:
            return None
        path, plan = session.model.path, session.plan
        return RecoverRequest(path, plan, data.calibration, data.evaluation, output, target, samples=data.samples)

    def _take_plan(self) -> None:
        step = self.steps.selected
        if step is not None:
            self._recovery.take_plan(step)

    # --- the form ------------------------------------------------------------------------------

    def _on_model_changed(self) -> None:
        self._suggest()
        self._show_form()

    def _on_plan_changed(self) -> None:
        if self.isVisible():
            self._suggest()
            self._show_form()
            self._update_take()

    def _on_choice_changed(self) -> None:
        self._settings.recovery = self.form.choice
        self._show_form()
        self._show_forecast()

    def _suggest(self) -> None:
        """Another name for every run, because results are never overwritten."""
        model, plan = self._session.model, self._session.plan
        if model is not None and plan is not None and not self._recovery.is_running:
            self.form.suggest_output(suggest_output(self._settings.results_folder, model, plan, "_recovered"))

    def _show_form(self) -> None:
        self._show_data()
        problem = self._find_problem()
        self.form.show_problem("" if self._recovery.is_running else problem)
        self._start.setEnabled(self._action.isEnabled() and (self._lacks_data or not problem))
        self._ask_forecast()

    @property
    def _lacks_data(self) -> bool:
        return self._session.model is not None and self._session.evaluation_data is None

    def _show_data(self) -> None:
        data = self._session.data
        if data is None:
            text = self.tr("Needs samples to learn from, and others to measure on.")
        elif data.evaluation_summary is None:
            text = self.tr("Needs evaluation data: what it learns from cannot tell how good it is.")
        else:
            others = min(data.evaluation_summary.samples, DEFAULT_EVALUATION_SAMPLES)
            text = self.tr("Learns from {n} samples, measures on {others} others.")
            text = text.format(n=min(data.samples, data.calibration_summary.samples), others=others)
        self.form.show_data(text, is_missing=self._lacks_data)

    def _find_problem(self) -> str:
        session = self._session
        if session.plan is None or session.model is None:
            return ""
        if not self._has_codes:
            return self.tr("No layer has 8, 4 or 2 bits and is free, so there is nothing to recover.")
        tokens = session.data.evaluation_summary if session.data else None
        if self.form.choice.kind == TargetKind.PERPLEXITY and tokens is not None and not tokens.is_tokens:
            return self.tr("Perplexity is measured on tokens only. Choose another target, or such data.")
        return self._refuse_output(Path(session.model.path))

    @property
    def _has_codes(self) -> bool:
        plan = self._session.plan
        return plan is not None and any(x.weights.is_integer and not x.is_locked for x in plan.layers.values())

    def _refuse_output(self, model: Path) -> str:
        path = Path(self.form.output)
        if path.suffix != ".onnx":
            return self.tr("The name of the recovered model must end in .onnx.")
        if path.resolve() == model.resolve():
            return self.tr("This is the float model itself. Choose another name.")
        existing = find_existing(path)
        if existing is not None:
            text = self.tr("{name} exists already, and results are never overwritten. Choose another name.")
            return text.format(name=existing.name)
        return ""

    def _ask_forecast(self) -> None:
        """Of all methods, so that ticking one asks for nothing."""
        if self.isVisible():
            self._forecasts.ask(self._build_request() if self._has_codes else None)

    def _show_forecast(self) -> None:
        self.form.show_forecast(self._forecasts.seconds)

    # --- what was found ------------------------------------------------------------------------

    def _show_steps(self) -> None:
        recovery = self._recovery
        self._stack.setCurrentIndex(1 if recovery.request is not None else 0)
        if recovery.is_running != self._clock.isActive():
            (self._clock.start if recovery.is_running else self._clock.stop)()
        self.steps.refresh()
        self._status.setText(self._describe())
        self._show_form()
        self._show_network()
        self._update_take()
        self._show_training()

    def _describe(self) -> str:
        recovery, best = self._recovery, self._recovery.best
        if recovery.request is None:
            return ""
        if best is None:
            running = self.tr("Converting and measuring the plan as it is…")
            return running if recovery.is_running else self.tr("Stopped before a plan was measured.")
        target = recovery.request.target
        text = (
            self.tr("Best so far: {reached} by {method}.")
            if recovery.is_running
            else self.tr("Best: {reached} by {method}.")
        )
        text = text.format(reached=format_reached(target, best.found), method=step_title(best, self._session))
        if recovery.is_running:
            return text
        written = Path(recovery.request.output)
        place = self.tr("It is in {file}.").format(file=written.name) if written.exists() else ""
        return join_sentences(text, describe_ending(recovery.ending), place)

    def _show_plots(self) -> None:
        self._show_network()
        self._show_training()

    def _show_network(self) -> None:
        recovery = self._recovery
        if recovery.request is not None:
            self.network_plot.show_steps(recovery.steps, recovery.request.target, recovery.elapsed)

    def _show_training(self) -> None:
        training = self._find_training()
        self.training_plot.setVisible(bool(training))
        self.training_plot.show_training(training)
        texts = describe_training(training, self._session)
        for label, text in zip((self._training_title, self._training_state), texts, strict=True):
            label.setText(text)
            label.setVisible(bool(text))

    def _find_training(self) -> Training:
        """That of the conversion that is running, else of the selected step; the last one if none is selected."""
        recovery, step = self._recovery, self.steps.selected
        if recovery.training or step is None:
            return recovery.training
        found = recovery.training_of(step)
        return found if found or self.steps.is_selected else recovery.last_training

    def _on_step_selected(self) -> None:
        self._update_take()
        self._show_training()

    def _update_take(self) -> None:
        step, plan = self.steps.selected, self._session.plan
        is_other = False
        if step is not None and plan is not None:
            is_other = (step.plan.layers, step.plan.defaults) != (plan.layers, plan.defaults)
        self._take.setEnabled(is_other)
        undo = self.tr("Make the plan of the selected step the plan; Ctrl+Z takes it back")
        self._take.setToolTip(undo if is_other or step is None else self.tr("The plan is that of this step"))

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._suggest()
        self._show_form()
        self._update_take()

    @override
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._forecasts.ask(None)


def _stacked(first: QBoxLayout, second: QWidget) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 4, 0, 0)
    layout.setSpacing(6)
    layout.addLayout(first)
    layout.addWidget(second, 1)
    return holder


def _centred(widget: QWidget) -> QWidget:
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.addStretch(1)
    layout.addWidget(widget)
    layout.addStretch(1)
    return holder
