"""The bar at the bottom: what the plan would give, after every click; the next undo on the right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gui.elided_label import ElidedLabel
from gui.naming import named
from gui.session import Session
from gui.units import NOTHING, format_bytes, format_db, format_ratio


class LiveBar(QWidget):
    """Shows `Session.figures`."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("live_bar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session = session
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(14, 6, 14, 6)
        self._layout.setSpacing(6)
        self._size = self._add(self.tr("Size"), "live_size", self.tr("Predicted size of the converted file"))
        self._ratio = self._value("live_ratio", "good", self.tr("Against the float file"))
        self._bits = self._add(
            self.tr("Bits per weight"), "live_bits", self.tr("All stored bits, scales included, per weight")
        )
        self._sqnr = self._add(
            self.tr("Predicted SQNR"), "live_sqnr", self.tr("Of the outputs, from the cells; weights only")
        )
        self._layout.addStretch(1)
        self._undo = named(ElidedLabel(), "undo_hint")
        self._undo.setProperty("role", "dim")
        self._layout.addWidget(self._undo)
        session.figures_changed.connect(self._show)
        session.undo_stack.undoTextChanged.connect(self._show_undo)
        self._show()

    def _add(self, text: str, name: str, tip: str) -> QLabel:
        if self._layout.count():
            self._layout.addSpacing(18)
        label = QLabel(text)
        label.setProperty("role", "dim")
        label.setToolTip(tip)
        self._layout.addWidget(label)
        return self._value(name, "value", tip)

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
            return
        self._size.setText(format_bytes(figures.file_bytes))
        self._ratio.setText(self.tr("{ratio} smaller").format(ratio=format_ratio(figures.ratio)))
        self._bits.setText(f"{figures.bits_per_weight:.2f}")
        is_known = figures.sqnr_db is not None
        text = self.tr("{db} dB").format(db=format_db(figures.sqnr_db)) if is_known else self.tr("not measured")
        self._sqnr.setText(text)

    def _show_undo(self, text: str) -> None:
        self._undo.setText(self.tr("Undo: {text}   Ctrl+Z").format(text=text) if text else "")
