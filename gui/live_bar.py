"""The bar at the bottom: what the plan would give, after every click; the next undo on the right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from engine.prediction import leaves_activations_out
from engine.sensitivity.matrix import Metric
from engine.units import format_bytes
from gui.elided_label import ElidedLabel
from gui.figures import LiveFigures
from gui.measured_plans import describe_pair, format_error
from gui.metrics import format_metric, metric_name
from gui.naming import named
from gui.session import Session
from gui.units import NOTHING, format_ms, format_ratio

GAP = 18


class LiveBar(QWidget):
    """Shows `Session.figures`."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("live_bar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session = session
        self._titles: dict[QLabel, QLabel] = {}
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(14, 6, 14, 6)
        self._layout.setSpacing(6)
        self._size = self._add(self.tr("Size"), "live_size", self.tr("Predicted size of the converted file"))
        self._ratio = self._value("live_ratio", "good", self.tr("Against the float file"))
        self._bits = self._add(
            self.tr("Bits per weight"), "live_bits", self.tr("All stored bits, scales included, per weight")
        )
        self._sqnr = self._add(
            self.tr("Predicted SQNR"), "live_sqnr", self.tr("From the cells of all layers, as if their noises added up")
        )
        tip = self.tr("In the metric that the cells show, as if the layers' losses added up")
        self._metric = self._add("", "live_metric", tip)
        self._metric_title = self._titles[self._metric]
        self._prediction_tips = {label: label.toolTip() for label in (self._sqnr, self._metric)}
        tip = self.tr("The whole plan on the calibration data: weights quantized, activations in float")
        self._measured = self._add(self.tr("Measured"), "live_measured", tip)
        self._error = self._value("live_error", "dim", "")
        tip = self.tr("Per call on this computer, from measured layer times; ~ where some are estimates")
        self._latency = self._add(self.tr("Latency"), "live_latency", tip)
        self._speedup = self._value("live_speedup", "good", self.tr("Against the float model"))
        self._layout.addStretch(1)
        self._undo = named(ElidedLabel(), "undo_hint")
        self._undo.setProperty("role", "dim")
        self._layout.addWidget(self._undo)
        session.figures_changed.connect(self._show)
        session.measured_changed.connect(self._show_measured)
        session.undo_stack.undoTextChanged.connect(self._show_undo)
        self._show()
        self._show_undo(session.undo_stack.undoText())

    def _add(self, text: str, name: str, tip: str) -> QLabel:
        label = QLabel(text)
        label.setContentsMargins(GAP if self._layout.count() else 0, 0, 0, 0)
        label.setProperty("role", "dim")
        label.setToolTip(tip)
        self._layout.addWidget(label)
        value = self._value(name, "value", tip)
        self._titles[value] = label
        return value

    def _value(self, name: str, role: str, tip: str) -> QLabel:
        value = named(QLabel(), name)
        value.setProperty("role", role)
        value.setToolTip(tip)
        self._layout.addWidget(value)
        return value

    def _show(self) -> None:
        figures = self._session.figures
        if figures is None:
            for label in (self._size, self._bits, self._sqnr):
                label.setText(NOTHING)
            self._ratio.setText("")
            self._show_metric(None)
            self._show_latency(None)
            self._show_measured()
            return
        self._show_what_is_predicted()
        self._size.setText(format_bytes(figures.file_bytes))
        self._ratio.setText(self.tr("{ratio} smaller").format(ratio=format_ratio(figures.ratio)))
        self._bits.setText(f"{figures.bits_per_weight:.2f}")
        self._sqnr.setText(self._describe(Metric.SQNR, figures.sqnr_db))
        self._show_metric(figures)
        self._show_latency(figures)
        self._show_measured()

    def _show_what_is_predicted(self) -> None:
        """Whether the losses of quantized activations, which only quick analysis measures, are in the predictions."""
        model, plan = self._session.model, self._session.plan
        alone = self.tr("Of the weights alone: quantized activations were not measured and come on top")
        is_alone = model and plan and leaves_activations_out(model, plan, self._session.rows, self._session.metric)
        for value, tip in self._prediction_tips.items():
            for label in (value, self._titles[value]):
                label.setToolTip(f"{tip}\n{alone}" if is_alone else tip)

    def _show_metric(self, figures: LiveFigures | None) -> None:
        """The metric of the cells, if it is another one than SQNR."""
        is_other = figures is not None and figures.metric != Metric.SQNR
        self._metric.setVisible(is_other)
        self._metric_title.setVisible(is_other)
        if figures is not None and is_other:
            self._metric_title.setText(self.tr("Predicted {name}").format(name=metric_name(figures.metric)))
            self._metric.setText(self._describe(figures.metric, figures.value))

    def _show_measured(self) -> None:
        """What was measured of the whole plan and how far the prediction is off, while the plan stays as it is."""
        metric, measured = self._session.metric, self._session.measured_current
        value = measured.value(metric) if measured else None
        for label in (self._measured, self._titles[self._measured], self._error):
            label.setVisible(value is not None)
        if measured is None or value is None:
            return
        predicted = self._session.predicted_weights(measured.step.plan)
        self._measured.setText(format_metric(metric, value))
        self._error.setText(format_error(metric, predicted, value) if predicted is not None else "")
        tip = self.tr("{pair}: the prediction for the weights alone, as that is what was measured")
        self._error.setToolTip(tip.format(pair=describe_pair(metric, value, predicted)))

    def _show_latency(self, figures: LiveFigures | None) -> None:
        """The predicted latency, once layer times were measured."""
        latencies, latency_ms = self._session.latencies, figures.latency_ms if figures else None
        for label in (self._latency, self._titles[self._latency], self._speedup):
            label.setVisible(latency_ms is not None)
        if figures is None or latencies is None or latency_ms is None:
            return
        mark = "~" if figures.is_latency_estimated else ""
        self._latency.setText(f"{mark}{format_ms(latency_ms)} ms")
        speedup = latencies.float_us / 1000 / max(latency_ms, 1e-9)
        self._speedup.setText(self.tr("{ratio} faster").format(ratio=format_ratio(speedup)))

    def _describe(self, metric: Metric, value: float | None) -> str:
        return self.tr("not measured") if value is None else format_metric(metric, value)

    def _show_undo(self, text: str) -> None:
        self._undo.setText(self.tr("Undo: {text}   Ctrl+Z").format(text=text) if text else "")
