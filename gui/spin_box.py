"""A spin box whose text does not stick to its frame."""

from __future__ import annotations

from PySide6.QtWidgets import QSpinBox, QWidget

TEXT_MARGIN = 7


class SpinBox(QSpinBox):
    """Style sheets cannot pad the text of a spin box on the left (seen in Qt 6.11), so this does."""

    def __init__(self, minimum: int, maximum: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(minimum, maximum)
        self.lineEdit().setTextMargins(TEXT_MARGIN, 0, 0, 0)
