"""The Trade-off page: what every budget buys, where the current plan stands, and what was measured so far."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QShowEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget
from typing_extensions import override

from engine.prediction import leaves_activations_out
from engine.summary import ModelSummary
from engine.units import format_bytes
from gui.actions import Actions
from gui.elided_label import ElidedLabel
from gui.figures import Ledger
from gui.front_feed import FrontFeed
from gui.measured_plans import describe_pair
from gui.naming import named
from gui.saving import PlotSaver
from gui.session import Session
from gui.theme import Theme
from gui.tradeoff.axes import build_axis
from gui.tradeoff.key import Key
from gui.tradeoff.plot import TradeoffPlot
from gui.tradeoff.points import (
    COSTS,
    QUALITIES,
    PlanPoint,
    Quantity,
    Series,
    apply_point,
    front_points,
    measured_point,
    nearest,
    plan_point,
    result_point,
)
from gui.tradeoff.texts import describe_origin, describe_point, quantity_title
from gui.turns import Piece

UNIFORM_BITS = (8, 4, 2)


class TradeoffPage(QWidget):
    """Front, current plan, uniform plans and results over `Session` and `FrontFeed`."""

    def __init__(
        self, session: Session, fronts: FrontFeed, theme: Theme, actions: Actions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("tradeoff_page")
        self._session = session
        self._fronts = fronts
        self._theme = theme
        self.points: tuple[PlanPoint, ...] = ()
        """The front as it is drawn, cheapest first."""
        self._uniform: tuple[PlanPoint, ...] = ()
        self._counted: list[PlanPoint] = []
        self._is_stale = True
        self._counting = Piece(self._count_in_turns, self)
        self._drawing = Piece(self._build_points, self)
        self.plot = TradeoffPlot(theme, self)
        self._hint = named(QLabel(wordWrap=True), "tradeoff_hint")
        self._hint.setProperty("role", "dim")
        self._cost = self._build_box("tradeoff_x", self.tr("Horizontal axis"))
        self._quality = self._build_box("tradeoff_y", self.tr("Vertical axis"))
        self._slider = named(QSlider(Qt.Orientation.Horizontal), "tradeoff_budget")
        self._slider.setAccessibleName(self.tr("Budget: position on the front"))
        self._slider.setToolTip(self.tr("Drag along the front to see what a budget buys"))
        self._preview = named(ElidedLabel(), "tradeoff_preview")
        self._assign = named(QPushButton(self.tr("Assign")), "tradeoff_assign")
        self._assign.setProperty("primary", True)
        self._assign.setToolTip(self.tr("Give the layers the bits of this point; locked layers keep theirs"))
        self._analyse = named(QPushButton(self.tr("Analyse…")), "tradeoff_analyse")
        self._measure = named(QPushButton(self.tr("Measure")), "tradeoff_measure")
        self._current_text = named(ElidedLabel(), "tradeoff_current")
        for action, button in (("action_analyse", self._analyse), ("action_measure_plan", self._measure)):
            _press_with(actions[action], button)
        self._build_layout()
        PlotSaver(self.plot)
        self._connect()
        self._on_hovered(None)

    # --- building ------------------------------------------------------------------------------

    def _build_box(self, name: str, tip: str) -> QComboBox:
        box = named(QComboBox(), name)
        box.setAccessibleName(tip)
        box.setToolTip(tip)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        box.activated.connect(lambda _index: self._on_axis_chosen())
        return box

    def _build_layout(self) -> None:
        self._analyse.setProperty("primary", True)
        top = QHBoxLayout()
        top.addWidget(self._quality)
        against = QLabel(self.tr("against"))
        against.setProperty("role", "dim")
        top.addWidget(against)
        top.addWidget(self._cost)
        top.addStretch(1)
        top.addWidget(Key(self._theme, self))
        ask = QHBoxLayout()
        ask.addWidget(self._hint, 1)
        ask.addWidget(self._analyse)
        title = QLabel(self.tr("Budget"))
        title.setBuddy(self._slider)
        bottom = QHBoxLayout()
        bottom.setSpacing(12)
        bottom.addWidget(title)
        bottom.addWidget(self._slider, 1)
        bottom.addWidget(self._assign)
        current = QHBoxLayout()
        current.setSpacing(12)
        current.addWidget(self._current_text, 1)
        current.addWidget(self._measure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addLayout(top)
        layout.addLayout(ask)
        layout.addWidget(self.plot, 1)
        layout.addLayout(current)
        layout.addWidget(self._preview)
        layout.addLayout(bottom)

    def _connect(self) -> None:
        session = self._session
        for changed in (session.model_changed, session.metric_changed, session.results_changed):
            changed.connect(self._refresh)
        session.latencies_changed.connect(self._refresh)
        session.measured_changed.connect(self._on_measured)
        self._fronts.front_changed.connect(self._refresh)
        session.figures_changed.connect(self._show_current)
        self._slider.valueChanged.connect(self._show_preview)
        self._assign.clicked.connect(self._apply_preview)
        self.plot.point_hovered.connect(self._on_hovered)
        self.plot.point_chosen.connect(self._apply)
        self.plot.step_requested.connect(lambda step: self._slider.setValue(self._slider.value() + step))
        self.plot.apply_requested.connect(self._apply_preview)

    # --- how the user looks at it --------------------------------------------------------------

    def read_view(self) -> tuple[Quantity, Quantity] | None:
        """The quantities of the axes, the horizontal one first; None until it was looked at."""
        return (self._cost.currentData(), self._quality.currentData()) if self._cost.count() else None

    def restore_view(self, view: tuple[Quantity, Quantity]) -> None:
        """Choose these axes, as far as they are offered."""
        self._build_points()
        for box, quantity in zip((self._cost, self._quality), view, strict=True):
            box.setCurrentIndex(max(box.findData(quantity), 0))
        self._on_axis_chosen()

    # --- showing -------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Build the points anew, in turns of their own; a page that nobody sees waits until it is shown."""
        self._is_stale = True
        self._counted.clear()
        if self.isVisible():
            self._counting.run_later()

    def _on_measured(self) -> None:
        """Another measured plan; the slider stays where it is."""
        if self.isVisible() and not self._is_stale:
            self._fill_boxes()
            self._draw()
        else:
            self._refresh()

    def _count_in_turns(self) -> None:
        """Count one uniform plan in each turn, and draw in the next one."""
        is_missing = self._count_uniform()
        (self._counting if is_missing else self._drawing).run_later()

    def _build_points(self) -> None:
        if not self._is_stale:
            return
        while self._count_uniform():
            pass
        self._is_stale = False
        model, front = self._session.model, self._fronts.current
        self.points = front_points(model, front) if model is not None and front is not None else ()
        self._uniform = tuple(self._counted)
        self._fill_boxes()
        self._draw()
        self._reset_slider()

    def _count_uniform(self) -> bool:
        """Count the next of 8, 4 and 2 bits for all layers that are not locked; returns whether more are missing."""
        model, plan, at = self._session.model, self._session.plan, len(self._counted)
        if model is None or plan is None or at == len(UNIFORM_BITS):
            return False
        uniform = plan.with_bits(model.layers, UNIFORM_BITS[at])
        ledger = Ledger(model, self._session.latencies)
        figures = ledger.count(uniform, self._session.rows, self._session.metric)
        name = self.tr("all {bits} bits").format(bits=UNIFORM_BITS[at])
        self._counted.append(plan_point(Series.UNIFORM, name, model, uniform, figures))
        return at + 1 < len(UNIFORM_BITS)

    def all_points(self) -> tuple[PlanPoint, ...]:
        """Everything in the plot but the current plan."""
        model = self._session.model
        if model is None:
            return ()
        results = (result_point(model, entry, self._session.metric) for entry in self._session.results)
        return (*self.points, *self._uniform, *results, *self._build_measured(model))

    def _build_measured(self, model: ModelSummary) -> list[PlanPoint]:
        session, name = self._session, self.tr("measured plan")
        return [
            measured_point(name, model, entry, session.metric, session.predicted_weights(entry.step.plan))
            for entry in session.measured
        ]

    def _fill_boxes(self) -> None:
        """Offer what at least one point can say."""
        known = {quantity for point in self.all_points() for quantity in point.figures}
        always = {Quantity.FILE_BYTES, Quantity.QUALITY}
        for box, all_of_them in ((self._cost, COSTS), (self._quality, QUALITIES)):
            offered = [quantity for quantity in all_of_them if quantity in known | always]
            titles = [quantity_title(quantity, self._session.metric) for quantity in offered]
            if titles == [box.itemText(at) for at in range(box.count())]:
                continue
            chosen = box.currentData()
            box.clear()
            for title, quantity in zip(titles, offered, strict=True):
                box.addItem(title, quantity)
            box.setCurrentIndex(max(box.findData(chosen), 0))

    def _draw(self) -> None:
        points, metric = self.all_points(), self._session.metric
        cost, quality = Quantity(self._cost.currentData()), Quantity(self._quality.currentData())
        self.plot.show_points((build_axis(cost, metric, points), build_axis(quality, metric, points)), points)
        self._show_current()
        self._show_hint()

    def _on_axis_chosen(self) -> None:
        """The best plans for latency are others than those for size."""
        self._fronts.trade_latency(is_wanted=self._cost.currentData() == Quantity.LATENCY_MS)
        self._draw()
        self._reset_slider()

    def _show_current(self) -> None:
        if not self._is_stale:
            current = self._current()
            self.plot.show_current(current)
            self._current_text.setText(self._describe_current(current) if current else "")

    def _describe_current(self, current: PlanPoint) -> str:
        """The current plan, with what was measured of it."""
        session, measured = self._session, self._session.measured_current
        value = measured.value(session.metric) if measured else None
        if measured is not None and value is not None:
            pair = describe_pair(session.metric, value, session.predicted_weights(measured.step.plan))
            current = dataclasses.replace(current, name=f"{current.name} · {pair}")
        return describe_point(current, session.metric)

    def _current(self) -> PlanPoint | None:
        session = self._session
        if session.model is None or session.plan is None or session.figures is None:
            return None
        return plan_point(Series.CURRENT, self.tr("current plan"), session.model, session.plan, session.figures)

    def _show_hint(self) -> None:
        hint = self._fronts.problem
        if not hint and not self.points:
            hint = self.tr("Analyse measures what every layer can bear; then the best plans for every size stand here.")
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._analyse.setVisible(self._session.sensitivity() is None)

    def _on_hovered(self, point: PlanPoint | None) -> None:
        advice = self.tr("Click a point to take its plan. Predictions rank plans; measure the one you take.")
        model, plan, rows = self._session.model, self._session.plan, self._session.rows
        if model and plan and leaves_activations_out(model, plan, rows, self._session.metric):
            alone = self.tr("They are of the weights alone: quantized activations come on top.")
            advice = f"{advice} {alone}"
        self.plot.setToolTip(describe_point(point, self._session.metric) if point else advice)

    # --- choosing ------------------------------------------------------------------------------

    def _reset_slider(self) -> None:
        """To where the current plan is."""
        current, cost = self._current(), Quantity(self._cost.currentData())
        self._slider.setRange(0, max(len(self.points) - 1, 0))
        self._slider.setEnabled(bool(self.points))
        self._assign.setEnabled(bool(self.points))
        if current is not None and cost in current.figures:
            self._slider.setValue(max(nearest(self.points, cost, current.figures[cost]), 0))
        self._show_preview()

    def _previewed(self) -> PlanPoint | None:
        return self.points[self._slider.value()] if self.points else None

    def _show_preview(self) -> None:
        point = self._previewed()
        self.plot.show_preview(point)
        self._preview.setText(describe_point(point, self._session.metric) if point else "")

    def _apply_preview(self) -> None:
        point = self._previewed()
        if point is not None:
            self._apply(point)

    def _apply(self, point: PlanPoint) -> None:
        """Take the plan of a point; one undoable step."""
        session = self._session
        if session.model is None or session.plan is None:
            return
        origin = describe_origin(point, session.metric)
        plan = apply_point(point, session.model, session.plan, session.rows, origin)
        what = point.name or format_bytes(round(point.figures[Quantity.FILE_BYTES]))
        session.change_plan(plan, self.tr("trade-off {what}").format(what=what))
        if point in self.points:
            self._slider.setValue(self.points.index(point))

    @override
    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._build_points()


def _press_with(action: QAction, button: QPushButton) -> None:
    """Let the button do what the action does, and when."""
    button.setToolTip(action.toolTip())
    button.clicked.connect(action.trigger)
    button.setEnabled(action.isEnabled())
    action.enabledChanged.connect(button.setEnabled)
