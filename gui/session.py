"""The one place where the window's state lives; widgets show it and ask it to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from engine.latency.figures import Latencies
from engine.numerics.schemes import ActivationMode, ActivationType
from engine.plan import LayerPlan, Plan, build_plan
from engine.project.project import CalibrationFile, LoadedData, Project
from engine.requests.allocation import PolishStep
from engine.requests.data import DataChoice
from engine.sensitivity.matrix import Metric, Sensitivity, SensitivityRow
from engine.summary import LayerSummary, ModelSummary
from gui.figures import Ledger, LiveFigures
from gui.layer_edits import EditEffect, LayerEdit, plan_edit
from gui.measured_plans import MeasuredPlan, predict_weights, weights_of
from gui.measurements import AnalysisOrigin, Measurements
from gui.metrics import MetricScale
from gui.plan_edits import changed_layers, common_bits, forget_reason, with_activations
from gui.run_history import RunHistory

STARTING_BITS = 8


class Session(RunHistory):
    """State of one opened model.

    Signals:
        model_changed: another model is open; everything else was reset before.
        data_changed: calibration or evaluation data is another one.
        plan_changed(frozenset[str]): the plan is another one; the names of the layers that differ.
        sensitivity_changed(frozenset[str]): layers whose cells were measured or dropped.
        metric_changed: the cells show another metric, its colours span another range, or there are others to choose.
        latencies_changed: layer times were measured or dropped.
        measured_changed: a whole plan was measured, or such measurements were dropped.
        selection_changed(str): the selected layer's name, "" for none.
        figures_changed: the live figures were computed anew.
        calibration_changed: statistics of activations were collected.
    """

    model_changed = Signal()
    data_changed = Signal()
    plan_changed = Signal(object)
    sensitivity_changed = Signal(object)
    metric_changed = Signal()
    latencies_changed = Signal()
    measured_changed = Signal()
    selection_changed = Signal(str)
    figures_changed = Signal()
    calibration_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.undo_stack = QUndoStack(self)
        self.plan: Plan | None = None
        self.calibration: CalibrationFile | None = None
        self.measured: tuple[MeasuredPlan, ...] = ()
        self.figures: LiveFigures | None = None
        self.latencies: Latencies | None = None
        self.selected = ""
        self._measurements = Measurements()
        self._ledger: Ledger | None = None

    @property
    def layers(self) -> tuple[LayerSummary, ...]:
        """The layers of the open model, in graph order."""
        return self.model.layers if self.model else ()

    def layer(self, name: str) -> LayerSummary | None:
        """One layer; None if the open model has none of that name."""
        return self.model.layer_by_name.get(name) if self.model else None

    def set_model(self, model: ModelSummary) -> None:
        """Show another model: a fresh plan, no data, no measurements."""
        self._reset(model)
        self._announce_model()

    def restore(self, model: ModelSummary, project: Project, text: str) -> None:
        """Show a model with all that a project holds of it; undo leads back to the project's first plan.

        Args:
            text: what the undo menu calls the step from the first plan to the last one.
        """
        self._reset(model)
        self.data = project.data
        self.calibration = project.calibration
        if project.sensitivity is not None:
            self._measurements.restore(project.sensitivity, project.window.metric, is_finished=project.is_analysed)
        if project.latencies is not None and self._ledger is not None:
            self.latencies = self._ledger.latencies = project.latencies
        self.measured = tuple(MeasuredPlan(step, weights_of(model, step.plan)) for step in project.measured)
        self.baseline = project.float_benchmark
        self._take_history(project.runs)
        self.runs_made = project.runs_made
        self.plan = project.baseline
        self._announce_model()
        if self.rows:
            self.sensitivity_changed.emit(frozenset(self.rows))
        self.change_plan(project.plan, text, project.origin)
        self.origin = project.origin
        if self.layer(project.window.selected) is not None:
            self.select(project.window.selected)

    def _reset(self, model: ModelSummary) -> None:
        self.model = model
        self.plan = build_plan(model, STARTING_BITS)
        self.data = None
        self._measurements = Measurements()
        self._ledger = Ledger(model)
        self.latencies = None
        self._forget_runs()
        self.calibration = None
        self.measured = ()
        self.selected = model.layers[0].name if model.layers else ""
        self.undo_stack.clear()

    def _announce_model(self) -> None:
        self._compute_figures()
        self.model_changed.emit()
        self.metric_changed.emit()
        self.latencies_changed.emit()
        self.data_changed.emit()
        self.calibration_changed.emit()
        self.results_changed.emit()
        self.measured_changed.emit()
        self.selection_changed.emit(self.selected)

    def set_data(self, data: LoadedData | None) -> None:
        """Use other data; what was measured on the old data is dropped."""
        if data == self.data:
            return
        is_same = _calibration_of(data) == _calibration_of(self.data)
        self.data = data
        self._set_history(self.history)
        if not is_same:
            self.calibration = None
            self.clear_sensitivity()
            self.measured = ()
            self.measured_changed.emit()
        self.data_changed.emit()

    def select(self, name: str) -> None:
        """Select one layer, "" for none."""
        if name != self.selected:
            self.selected = name
            self.selection_changed.emit(name)

    # --- plan ---------------------------------------------------------------------------------

    def change_plan(self, plan: Plan, text: str, origin: str | None = None) -> None:
        """Replace the plan as one undoable step; a plan that is equal changes nothing.

        Args:
            origin: the run that the plan is that of; by default it is derived from what the old one was.
        """
        if self.plan is None or plan == self.plan:
            return
        after = self.origin if origin is None else origin
        self.undo_stack.push(_PlanCommand(self, (self.plan, self.origin), (plan, after), text))

    def assign_bits(self, names: Sequence[str], bits: int) -> int:
        """Give the unlocked ones of these layers `bits`; returns how many were locked."""
        if self.plan is None:
            return 0
        layers = [layer for name in names if (layer := self.layer(name))]
        choices = self.plan.choices(layers)
        changing = [
            layer
            for layer, choice in zip(layers, choices, strict=True)
            if not choice.is_locked and choice.weights.bits != bits
        ]
        if changing:
            old = common_bits(self.plan, changing)
            what = changing[0].title if len(changing) == 1 else self.tr("%n layers", "", len(changing))
            was = str(old) if old is not None else self.tr("mixed")
            text = self.tr("{what} {old} → {new} bits").format(what=what, old=was, new=bits)
            self.change_plan(self.plan.with_bits(changing, bits), text)
        return sum(choice.is_locked for choice in choices)

    def toggle_lock(self, names: Sequence[str]) -> None:
        """Lock these layers, or free them if all of them are locked."""
        if self.plan is None or not names:
            return
        locking = not all(self.plan.layer(name).is_locked for name in names)
        first = self.layer(names[0])
        what = first.title if len(names) == 1 and first else self.tr("%n layers", "", len(names))
        text = self.tr("lock {what}") if locking else self.tr("unlock {what}")
        self.change_plan(self.plan.with_lock(names, locked=locking), text.format(what=what))

    def edit_layers(self, names: Sequence[str], edit: LayerEdit, what: str) -> EditEffect:
        """Give those of these layers other choices that are free and can take them; `what` says which, for undo."""
        assert self.plan is not None
        layers = [layer for name in names if (layer := self.layer(name))]
        effect = plan_edit(self.plan, layers, edit)
        changed = [layer for layer in layers if layer.name in effect.changes]
        if changed:
            who = changed[0].title if len(changed) == 1 else self.tr("%n layers", "", len(changed))
            text = self.tr("{who}: {what}").format(who=who, what=what)
            self.change_plan(self.plan.with_layers(effect.changes), text)
        return effect

    def edit_layer(self, name: str, choice: LayerPlan, what: str) -> None:
        """Replace one layer's choices; `what` says which, for the undo menu."""
        layer = self.layer(name)
        if self.plan is not None and layer is not None:
            choice = forget_reason(self.plan.layer(name), choice)
            self.change_plan(self.plan.with_layers({name: choice}), f"{layer.title} {what}")

    def set_activations(self, mode: ActivationMode, stored: ActivationType = ActivationType.UINT8) -> None:
        """Change how activations are treated, in all unlocked integer layers; `stored` counts for static ones."""
        if self.plan is None or self.model is None:
            return
        plan, defaults = self.plan, self.plan.defaults
        if mode != defaults.activations:
            plan = with_activations(plan, self.model, mode)
        plan = dataclasses.replace(plan, defaults=dataclasses.replace(plan.defaults, activation_type=stored))
        what = str(mode) if stored == ActivationType.UINT8 else f"{mode} {stored}"
        self.change_plan(plan, self.tr("activations {mode}").format(mode=what))

    def show_plan(self, plan: Plan, origin: str) -> None:
        """Called by the undo stack only: make `plan` the current one and tell everybody."""
        assert self.plan is not None
        changed = changed_layers(self.plan, plan)
        self.plan, self.origin = plan, origin
        self._compute_figures()
        self.plan_changed.emit(changed)

    # --- measurements --------------------------------------------------------------------------

    @property
    def rows(self) -> dict[str, SensitivityRow]:
        """The measured layers' cells; read only."""
        return self._measurements.rows

    @property
    def metric(self) -> Metric:
        """The metric that the cells show."""
        return self._measurements.metric

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What was measured, the metric to rank by first."""
        return self._measurements.metrics

    @property
    def scale(self) -> MetricScale:
        """The colours of the cells."""
        return self._measurements.scale

    @property
    def measured_fraction(self) -> float:
        """Share of the layers with measured cells, 0…1."""
        return len(self.rows) / len(self.layers) if self.layers else 0.0

    @property
    def is_analysed(self) -> bool:
        """Whether an analysis was finished, not only begun."""
        return self._measurements.finished is not None

    @property
    def measurement_revision(self) -> int:
        """Another number whenever cells were measured or dropped."""
        return self._measurements.revision

    def set_metric(self, metric: Metric) -> None:
        """Show another metric."""
        if metric != self.metric:
            self._measurements.choose(metric)
            self._compute_figures()
            self.metric_changed.emit()

    def begin_analysis(self, origin: AnalysisOrigin) -> None:
        """Rows of another analysis will come; the old ones stay until the first of them is there."""
        self._measurements.begin(origin)

    def clear_sensitivity(self) -> None:
        """Drop all cells, because the data is another one."""
        before = self._metric_state
        self._announce_cells(self._measurements.clear(), before)

    def add_rows(self, rows: Iterable[SensitivityRow]) -> None:
        """Show the cells of layers that have just been measured."""
        before = self._metric_state
        self._announce_cells(self._measurements.add(rows), before)

    def set_sensitivity(self, sensitivity: Sensitivity) -> None:
        """Take over a finished analysis."""
        before = self._metric_state
        self._announce_cells(self._measurements.finish(sensitivity), before)

    def sensitivity(self) -> Sensitivity | None:
        """The matrix, of a cancelled analysis with the rows that it left; None while there is none."""
        return self._measurements.sensitivity(self.model) if self.model is not None else None

    @property
    def _metric_state(self) -> tuple[MetricScale, tuple[Metric, ...]]:
        return self.scale, self.metrics

    def _announce_cells(self, names: frozenset[str], before: tuple[MetricScale, tuple[Metric, ...]]) -> None:
        if not names or self.model is None:
            return
        self._compute_figures()
        if self._metric_state != before:
            self.metric_changed.emit()
        self.sensitivity_changed.emit(names)

    def set_calibration(self, calibration: CalibrationFile) -> None:
        """Keep statistics of activations, for the next conversion and to be looked at."""
        self.calibration = calibration
        self.calibration_changed.emit()

    def set_latencies(self, latencies: Latencies) -> None:
        """Take over measured layer times."""
        assert self._ledger is not None
        self.latencies = self._ledger.latencies = latencies
        self._compute_figures()
        self.latencies_changed.emit()

    # --- measured plans ------------------------------------------------------------------------

    def add_measured(self, step: PolishStep) -> MeasuredPlan:
        """Keep what was measured of a whole plan; a plan that was measured before is measured better now."""
        assert self.model is not None
        found = MeasuredPlan(step, weights_of(self.model, step.plan))
        self.measured = (*(known for known in self.measured if known.weights != found.weights), found)
        self.measured_changed.emit()
        return found

    @property
    def measured_current(self) -> MeasuredPlan | None:
        """What was measured of the current plan; None if it was not, or was changed since."""
        if self.model is None or self.plan is None or not self.measured:
            return None
        weights = weights_of(self.model, self.plan)
        return next((known for known in self.measured if known.weights == weights), None)

    def predicted_weights(self, plan: Plan) -> float | None:
        """The metric that the cells show, as it is predicted of what `MeasuredPlan` measures."""
        return predict_weights(self.model, plan, self.rows, self.metric) if self.model is not None else None

    def _compute_figures(self) -> None:
        if self.model is not None and self.plan is not None:
            assert self._ledger is not None
            self.figures = self._ledger.count(self.plan, self.rows, self.metric)
        self.figures_changed.emit()


def _calibration_of(data: LoadedData | None) -> tuple[DataChoice, str] | None:
    return (data.calibration, data.calibration_summary.digest) if data is not None else None


class _PlanCommand(QUndoCommand):
    """One change of the plan, and of the run that it was derived from."""

    def __init__(self, session: Session, before: tuple[Plan, str], after: tuple[Plan, str], text: str) -> None:
        super().__init__(text)
        self._session = session
        self._before = before
        self._after = after

    def undo(self) -> None:
        self._session.show_plan(*self._before)

    def redo(self) -> None:
        self._session.show_plan(*self._after)
