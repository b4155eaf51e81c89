"""The box in the inspector that says why the layer loses what it loses, with a button per remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.diagnosis.report import HARMLESS, LayerDiagnosis, Remedy
from engine.numerics.schemes import ActivationMode
from gui.diagnosis_feed import DiagnosisFeed
from gui.diagnosis_texts import describe_finding, describe_gain, explain_remedy, name_remedy
from gui.naming import named
from gui.session import Session
from gui.units import format_db

SPACING = 5
# What the narrowest inspector leaves inside the box, its scroll bar shown.
BUTTONS_WIDTH = 250


class DiagnosisBox(QFrame):
    """Shows what the feed knows of the selected layer; a button applies its remedy as one undoable change."""

    def __init__(self, session: Session, feed: DiagnosisFeed, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("diagnosis_box")
        self.setAccessibleName(self.tr("Diagnosis of the layer"))
        self._session = session
        self._feed = feed
        self._shown: LayerDiagnosis | None = None
        self._text = named(QLabel(self), "diagnosis_text")
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons: QWidget | None = None
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(10, 8, 10, 8)
        self._layout.setSpacing(SPACING + 2)
        self._layout.addWidget(self._text)
        feed.diagnosis_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        found = self._feed.current
        self.setVisible(found is not None or self._feed.is_waiting)
        self._text.setText(self._describe(found))
        if found is not self._shown or found is None:
            self._replace_buttons(found.remedies if found is not None else ())
        self._shown = found
        is_quiet = found is None or all(finding.kind in HARMLESS for finding in found.findings)
        if self.property("quiet") != is_quiet:
            self.setProperty("quiet", is_quiet)
            for widget in (self, self._text):
                widget.style().unpolish(widget)
                widget.style().polish(widget)

    def _describe(self, found: LayerDiagnosis | None) -> str:
        if found is None:
            return self.tr("Not diagnosed yet.")
        if found.findings:
            return "\n".join(describe_finding(finding) for finding in found.findings)
        if found.sqnr_db is None:
            return self.tr("No tensor of the graph shows this layer's input, so nothing can be said of it.")
        if math.isinf(found.sqnr_db):
            return self.tr("Nothing is lost here.")
        plan = self._session.plan
        has_float_input = plan is None or plan.layer(self._session.selected).activations == ActivationMode.FLOAT
        text = (
            self.tr("Nothing unusual: the output is {figure} dB from float.")
            if has_float_input
            else self.tr("Nothing unusual: with weights and input quantized, the output is {figure} dB from float.")
        )
        return text.format(figure=format_db(found.sqnr_db))

    def _replace_buttons(self, remedies: Sequence[Remedy]) -> None:
        if self._buttons is not None:
            self._layout.removeWidget(self._buttons)
            self._buttons.hide()
            self._buttons.deleteLater()
            self._buttons = None
        if not remedies:
            return
        self._buttons = named(QWidget(self), "diagnosis_remedies")
        rows = QVBoxLayout(self._buttons)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(SPACING)
        used = BUTTONS_WIDTH + 1
        row = QHBoxLayout()
        for remedy in remedies:
            button = self._build_button(remedy)
            width = button.sizeHint().width()
            if used + SPACING + width > BUTTONS_WIDTH:
                row, used = QHBoxLayout(), -SPACING
                row.setSpacing(SPACING)
                row.setAlignment(Qt.AlignmentFlag.AlignLeft)
                rows.addLayout(row)
            row.addWidget(button)
            used += SPACING + width
        self._layout.addWidget(self._buttons)

    def _build_button(self, remedy: Remedy) -> QPushButton:
        name, gain = name_remedy(remedy), describe_gain(remedy)
        button = named(
            QPushButton(f"{name}  {gain}", self._buttons), f"remedy_{remedy.kind}_{remedy.choice.weights.bits}"
        )
        button.setAccessibleName(f"{name}, {gain}")
        button.setToolTip(explain_remedy(remedy))
        layer = self._session.selected
        button.clicked.connect(lambda: self._session.edit_layer(layer, remedy.choice, name))
        button.ensurePolished()
        return button
