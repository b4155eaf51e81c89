"""The limits of the alerts."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.compare.thresholds import Thresholds
from gui.dialogs.form_dialog import FormDialog
from gui.naming import named
from gui.spin_box import DecimalSpinBox

WIDTH = 200


class ThresholdDialog(FormDialog):
    """Asks for limits; 0 switches one off.

    Signals:
        thresholds_requested(Thresholds): use these from now on.
    """

    thresholds_requested = Signal(object)

    def __init__(self, current: Thresholds, parent: QWidget) -> None:
        super().__init__("threshold_dialog", parent)
        self.set_texts(self.tr("Alert thresholds"), self.tr("Use these"))
        self._p99 = self._add("p99_ms", self.tr("P99 latency above"), self.tr("{unit} ms"), (current.p99_ms, 1e6, 3))
        self._loss = self._add(
            "loss_percent", self.tr("Loss of the metric above"), self.tr("{unit} %"), (current.loss_percent, 100, 2)
        )
        self._memory = self._add(
            "memory_percent", self.tr("Memory above"), self.tr("{unit} %"), (current.memory_percent, 100, 1)
        )
        self._limit = self._add(
            "memory_limit_mb", self.tr("of"), self.tr("{unit} MB"), (current.memory_limit_mb, 1e7, 0)
        )
        self._limit.setSpecialValueText(self.tr("this computer's memory"))
        self.add_note(
            self.tr(
                "0 switches a limit off. The metric is top-1 where there are labels, perplexity for language models, "
                "agreement with float otherwise; memory is the resident memory of a process that runs the model alone."
            )
        )

    def _add(self, name: str, label: str, unit: str, value: tuple[float, float, int]) -> DecimalSpinBox:
        current, most, digits = value
        box = named(DecimalSpinBox(), name)
        box.setRange(0, most)
        box.setDecimals(digits)
        box.setSuffix(unit.format(unit=""))
        box.setAccessibleName(label)
        box.setValue(current)
        box.setFixedWidth(WIDTH)
        self.form.addRow(label, box)
        return box

    def submit(self) -> None:
        self.thresholds_requested.emit(
            Thresholds(self._memory.value(), self._limit.value(), self._p99.value(), self._loss.value())
        )
        self.accept()
