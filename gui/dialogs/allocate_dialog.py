"""Auto-assign: one budget, one click; what it buys is seen before."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from gui.dialogs.form_dialog import FormDialog
from gui.front_feed import FrontFeed
from gui.measured_plans import PolishChoice
from gui.naming import named
from gui.session import Session
from gui.spin_box import DecimalSpinBox, SpinBox
from gui.tradeoff.points import PlanPoint, Quantity, front_points
from gui.tradeoff.targets import Target, build_targets
from gui.tradeoff.texts import describe_point
from gui.units import NOTHING

START_PERCENT = 25.0
LONGEST_S = 86_400


class AllocateDialog(FormDialog):
    """Asks for a budget.

    Signals:
        budget_requested(Budget, PolishChoice): choose bits for it; the dialog waits for `accept` or `refuse`.
        uniform_requested(bits): the same bits for all layers that are not locked.
    """

    budget_requested = Signal(object, object)
    uniform_requested = Signal(int)

    def __init__(self, session: Session, fronts: FrontFeed, polish: PolishChoice, parent: QWidget) -> None:
        super().__init__("allocate_dialog", parent)
        self.set_texts(self.tr("Auto-assign"), self.tr("Assign bits"))
        assert session.model is not None
        self._session = session
        self._fronts = fronts
        self._points: tuple[PlanPoint, ...] = ()
        self._targets = build_targets(session.model, session.metric, has_latencies=session.latencies is not None)
        self._kind = named(QComboBox(), "budget_kind")
        self._kind.setAccessibleName(self.tr("What the budget limits"))
        self._kind.setToolTip(self.tr("What the budget limits"))
        for target in self._targets:
            self._kind.addItem(target.title)
        self._value = named(DecimalSpinBox(), "budget_value")
        self._value.setAccessibleName(self.tr("Budget"))
        self._value.setToolTip(self.tr("The budget itself; type it, or drag the slider along the front"))
        self._slider = named(QSlider(Qt.Orientation.Horizontal), "budget_slider")
        self._slider.setAccessibleName(self.tr("Position on the front"))
        self._slider.setToolTip(self.tr("Drag along the best plans, from the smallest file to the least loss"))
        self._preview = named(QLabel(wordWrap=True), "budget_preview")
        self._measures = named(QCheckBox(self.tr("Measure and improve on data, for")), "measure_on_data")
        self._seconds = named(SpinBox(5, LONGEST_S), "measure_seconds")
        self._build_form()
        self._offer_measuring(polish)
        self._connect()
        self._take_front()
        self._choose_target()

    def _build_form(self) -> None:
        self.add_note(
            self.tr(
                "Gives robust layers few bits and fragile ones many, so that the plan keeps to the budget and loses "
                "as little as possible. Locked layers keep their bits."
            )
        )
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._value)
        row.addWidget(self._slider, 1)
        self.form.addRow(self.tr("Budget"), self._kind)
        self.form.addRow("", row)
        self.form.addRow(self.tr("Buys about"), self._preview)
        measuring = QHBoxLayout()
        measuring.setSpacing(8)
        measuring.addWidget(self._measures)
        measuring.addWidget(self._seconds)
        measuring.addStretch(1)
        self.form.addRow(self.tr("Then"), measuring)
        uniform = QHBoxLayout()
        uniform.setSpacing(8)
        for bits in (8, 4):
            button = named(QPushButton(self.tr("All {bits} bits").format(bits=bits)), f"uniform_{bits}")
            button.setAutoDefault(False)
            button.setToolTip(self.tr("The same bits for all layers that are not locked"))
            button.clicked.connect(lambda _checked=False, bits=bits: self._choose_uniform(bits))
            uniform.addWidget(button)
        uniform.addStretch(1)
        self.form.addRow(self.tr("Or uniform"), uniform)

    def _offer_measuring(self, last: PolishChoice) -> None:
        """As it was wanted last, where there is data to measure on."""
        has_data = self._session.data is not None
        self._measures.setToolTip(
            self.tr("Runs whole plans on the calibration data and keeps what is really better; cancel keeps the best")
            if has_data
            else self.tr("Needs calibration data")
        )
        self._seconds.setSuffix(self.tr(" s"))
        self._seconds.setSingleStep(10)
        self._seconds.setAccessibleName(self.tr("Time for measuring plans"))
        self._seconds.setToolTip(self.tr("No plan is tried later than this"))
        self._seconds.setValue(last.seconds)
        self._measures.toggled.connect(self._seconds.setEnabled)
        self._measures.setEnabled(has_data)
        self._measures.setChecked(has_data and last.is_wanted)
        self._seconds.setEnabled(self._measures.isChecked())

    def _connect(self) -> None:
        self._kind.currentIndexChanged.connect(self._choose_target)
        self._value.valueChanged.connect(self._on_value_changed)
        self._slider.valueChanged.connect(self._on_slider_moved)
        self._fronts.front_changed.connect(self._take_front)

    @property
    def _target(self) -> Target:
        return self._targets[max(self._kind.currentIndex(), 0)]

    def _take_front(self) -> None:
        """Show what the front has; it may arrive while the dialog is open."""
        model, front = self._session.model, self._fronts.current
        self._points = front_points(model, front) if model is not None and front is not None else ()
        self._slider.setEnabled(bool(self._points))
        self._slider.setRange(0, max(len(self._points) - 1, 0))
        self._show()

    def _choose_target(self) -> None:
        """Ask in another unit for what the slider stands on; at first, for a share of the file."""
        target, at = self._target, self._slider.value()
        self._value.blockSignals(True)
        self._value.setDecimals(target.decimals)
        self._value.setRange(0, target.highest)
        self._value.setSingleStep(target.step)
        self._value.setSuffix(target.suffix)
        self._value.blockSignals(False)
        value = target.value_of(self._points[at]) if at and self._points else None
        if value is None and target.quantity == Quantity.FILE_BYTES:
            value = START_PERCENT
        if value is not None:
            self._value.setValue(value)
        self._on_value_changed()

    def _on_value_changed(self) -> None:
        """Bring the slider along."""
        at = self._target.best_point(self._points, self._value.value())
        self._slider.blockSignals(True)
        self._slider.setValue(max(at, 0))
        self._slider.blockSignals(False)
        self._show()

    def _on_slider_moved(self, at: int) -> None:
        value = self._target.value_of(self._points[at]) if self._points else None
        if value is not None:
            self._value.blockSignals(True)
            self._value.setValue(value)
            self._value.blockSignals(False)
        self._show()

    def _show(self) -> None:
        at = self._target.best_point(self._points, self._value.value())
        metric = self._session.metric
        self._preview.setText(describe_point(self._points[at], metric) if at >= 0 else NOTHING)
        is_measured = self._session.sensitivity() is not None
        self.accept_button.setEnabled(is_measured)
        if not is_measured:
            self.show_problem(self.tr("Run Analyse first: the sensitivity of every layer is needed to choose well."))
        elif self._points and at < 0:
            self.show_problem(self._describe_miss())
        else:
            self.show_problem("")

    def _describe_miss(self) -> str:
        """The front knows no plan within the budget; whether there is one is for the engine to say."""
        if self._target.is_quality:
            return self.tr("That is more than the front offers: some layers will need 16 or 32 bits.")
        return self.tr("That is less than the front offers, and may be out of reach.")

    def _choose_uniform(self, bits: int) -> None:
        self.accept()
        self.uniform_requested.emit(bits)

    def submit(self) -> None:
        """Ask for the budget; the dialog stays open until the plan is there."""
        self.show_problem("")
        self.accept_button.setEnabled(False)
        choice = PolishChoice(self._measures.isChecked(), self._seconds.value())
        self.budget_requested.emit(self._target.build(self._value.value()), choice)

    def refuse(self, reason: str) -> None:
        """The budget cannot be met; say why and let the user correct it."""
        self.accept_button.setEnabled(True)
        self.show_problem(reason)
