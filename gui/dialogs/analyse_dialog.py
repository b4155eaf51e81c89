"""Analyse: how the layers are measured, and what that costs."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from engine.requests.analysis import AnalysisMethod, Forecast
from gui.analysis_choice import AnalysisChoice
from gui.dialogs.form_dialog import FormDialog
from gui.naming import named
from gui.spin_box import SpinBox
from gui.units import format_duration


class AnalyseDialog(FormDialog):
    """Asks for method and samples.

    Signals:
        analysis_requested(AnalysisChoice): start it.
        forecast_requested(AnalysisChoice): say how long it would take; the dialog waits for `show_forecast`
            or `refuse_forecast`.
    """

    analysis_requested = Signal(object)
    forecast_requested = Signal(object)

    def __init__(self, last: AnalysisChoice, available_samples: int, parent: QWidget) -> None:
        super().__init__("analyse_dialog", parent)
        self.set_texts(self.tr("Analyse"), self.tr("Analyse"))
        self._methods = QButtonGroup(self)
        self._buttons_of: dict[AnalysisMethod, QRadioButton] = {}
        self._samples = named(SpinBox(1, available_samples), "analysis_samples")
        self._samples.setSuffix(self.tr(" samples"))
        self._samples.setToolTip(self.tr("How many calibration samples, from the first on, the layers are measured on"))
        self._racing = named(QCheckBox(self.tr("Racing: stop a cell as soon as its place is decided")), "is_racing")
        self._racing.setToolTip(self.tr("Several times faster; figures get rougher, the order of the layers stays"))
        self._fresh = named(QCheckBox(self.tr("Measure anew what an earlier run has measured")), "is_fresh")
        self._fresh.setToolTip(self.tr("Otherwise a cancelled exact analysis goes on where it was"))
        self._estimate = named(QPushButton(self.tr("Estimate time")), "estimate_time")
        self._estimate.setAutoDefault(False)
        self._estimate.setToolTip(self.tr("Time a short trial on this computer"))
        self._forecast = named(QLabel(), "forecast")
        self._forecast.setProperty("role", "dim")
        self._build_form()
        self._connect()
        self._fill(last)

    def _build_form(self) -> None:
        self.add_note(
            self.tr("Measures what the model loses when one layer gets fewer bits and the others stay float.")
        )
        methods = QVBoxLayout()
        methods.setSpacing(2)
        for method, title, text in self._describe_methods():
            button = named(QRadioButton(title), f"method_{method}")
            button.setToolTip(text)
            note = QLabel(text, wordWrap=True)
            note.setProperty("role", "dim")
            note.setContentsMargins(21, 0, 0, 6)
            note.setBuddy(button)
            self._methods.addButton(button)
            self._buttons_of[method] = button
            methods.addWidget(button)
            methods.addWidget(note)
        self.form.addRow(self.tr("Method"), methods)
        self.form.addRow(self.tr("Measure on"), self._samples)
        self.form.addRow(self.tr("Exact only"), self._racing)
        self.form.addRow("", self._fresh)
        cost = QHBoxLayout()
        cost.setSpacing(12)
        cost.addWidget(self._estimate)
        cost.addWidget(self._forecast, 1)
        self.form.addRow("", cost)

    def _describe_methods(self) -> tuple[tuple[AnalysisMethod, str, str], ...]:
        return (
            (
                AnalysisMethod.QUICK,
                self.tr("Quick (seconds)"),
                self.tr("SQNR of each layer's own output, from one pass over the samples."),
            ),
            (
                AnalysisMethod.LOSS,
                self.tr("Loss-aware (gradients)"),
                self.tr("How much the loss is expected to rise, from one pass forward and backward."),
            ),
            (
                AnalysisMethod.EXACT,
                self.tr("Exact (end to end)"),
                self.tr("Runs every candidate through to the network's outputs: KL, SQNR and top-1. Takes longest."),
            ),
        )

    def _connect(self) -> None:
        self._methods.buttonToggled.connect(lambda _button, is_on: self._on_changed() if is_on else None)
        self._samples.valueChanged.connect(self._on_changed)
        self._racing.toggled.connect(self._on_changed)
        self._fresh.toggled.connect(self._on_changed)
        self._estimate.clicked.connect(self._request_forecast)

    def _fill(self, last: AnalysisChoice) -> None:
        self._buttons_of[last.method].setChecked(True)
        self._samples.setValue(last.samples)
        self._racing.setChecked(last.is_racing)

    def _on_changed(self) -> None:
        """A forecast holds for what it was asked for, only."""
        is_exact = self.choice().method == AnalysisMethod.EXACT
        for widget in (self._racing, self._fresh, self._estimate):
            widget.setEnabled(is_exact)
        self._forecast.setText("")

    def choice(self) -> AnalysisChoice:
        """What the form says."""
        method = next(method for method, button in self._buttons_of.items() if button.isChecked())
        return AnalysisChoice(method, self._samples.value(), self._racing.isChecked(), self._fresh.isChecked())

    def _request_forecast(self) -> None:
        self.show_problem("")
        self._estimate.setEnabled(False)
        self._forecast.setText(self.tr("Timing a trial…"))
        self.forecast_requested.emit(self.choice())

    def show_forecast(self, choice: AnalysisChoice, forecast: Forecast) -> None:
        """Say what was found, if the form still asks for it."""
        if choice != self.choice():
            return
        self._estimate.setEnabled(True)
        text = self.tr("about {time}, cells to measure: {cells}").format(
            time=format_duration(forecast.seconds), cells=forecast.cells - forecast.done_cells
        )
        if forecast.done_cells:
            text = self.tr("{text}; {n} found from an earlier run").format(text=text, n=forecast.done_cells)
        self._forecast.setText(text)

    def refuse_forecast(self, reason: str) -> None:
        """It could not be timed; say why."""
        self._on_changed()
        self.show_problem(reason)

    def submit(self) -> None:
        """Start."""
        self.accept()
        self.analysis_requested.emit(self.choice())
