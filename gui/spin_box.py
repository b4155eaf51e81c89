"""Spin boxes whose text does not stick to their frame."""

from __future__ import annotations

from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox, QWidget

TEXT_MARGIN = 7
DECIMAL_WIDTH = 170


class SpinBox(QSpinBox):
    """Style sheets cannot pad the text of a spin box on the left (seen in Qt 6.11), so this does."""

    def __init__(self, minimum: int, maximum: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(minimum, maximum)
        self.lineEdit().setTextMargins(TEXT_MARGIN, 0, 0, 0)


class DecimalSpinBox(QDoubleSpinBox):
    """The same for numbers with decimals; it is as wide as its text needs, whatever its range."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumWidth(DECIMAL_WIDTH)
        self.setMaximumWidth(DECIMAL_WIDTH)
        self.setCorrectionMode(QDoubleSpinBox.CorrectionMode.CorrectToNearestValue)
        self.lineEdit().setTextMargins(TEXT_MARGIN, 0, 0, 0)
