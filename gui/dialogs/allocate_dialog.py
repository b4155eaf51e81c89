"""Auto-assign: one target, one click."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSlider, QWidget

from engine.plan import build_plan
from engine.sizes import predict_file_bytes
from gui.dialogs.form_dialog import FormDialog
from gui.naming import named
from gui.session import Session
from gui.units import format_bytes, format_ratio

LOWEST_PERCENT = 10
START_PERCENT = 25


class AllocateDialog(FormDialog):
    """Asks for a target.

    Signals:
        budget_requested(ratio): choose bits for a file of this share of the float size, 0…1.
        uniform_requested(bits): the same bits for all layers that are not locked.
    """

    budget_requested = Signal(float)
    uniform_requested = Signal(int)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__("allocate_dialog", parent)
        self.set_texts(self.tr("Auto-assign"), self.tr("Assign bits"))
        self._session = session
        self._slider = named(QSlider(Qt.Orientation.Horizontal), "size_ratio")
        self._slider.setRange(LOWEST_PERCENT, 100)
        self._slider.setAccessibleName(self.tr("Size against the float file in percent"))
        self._slider.setToolTip(self.tr("Size of the converted file against the float file"))
        self._target = named(QLabel(), "size_target")
        self._target.setMinimumWidth(170)
        self._build_form()
        self._slider.valueChanged.connect(self._show)
        self._slider.setValue(START_PERCENT)
        self._show()

    def _build_form(self) -> None:
        self.add_note(
            self.tr(
                "Gives robust layers few bits and fragile ones many, so that the file is as small as asked for "
                "and loses as little as possible. Locked layers keep their bits."
            )
        )
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self._slider, 1)
        row.addWidget(self._target)
        self.form.addRow(self.tr("File size"), row)
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

    def _show(self) -> None:
        model = self._session.model
        if model is None:
            return
        wanted = model.file_bytes * self._slider.value() / 100
        text = self.tr("{percent} %: {size}, {ratio} smaller").format(
            percent=self._slider.value(),
            size=format_bytes(round(wanted)),
            ratio=format_ratio(100 / self._slider.value()),
        )
        self._target.setText(text)
        smallest = predict_file_bytes(model, build_plan(model, 2))
        is_measured = self._session.sensitivity() is not None
        self.accept_button.setEnabled(is_measured)
        if not is_measured:
            self.show_problem(self.tr("Run Analyse first: the sensitivity of every layer is needed to choose well."))
        elif wanted < smallest:
            text = self.tr("2 bits everywhere give {size}; less may be out of reach.")
            self.show_problem(text.format(size=format_bytes(smallest)))
        else:
            self.show_problem("")

    def _choose_uniform(self, bits: int) -> None:
        self.accept()
        self.uniform_requested.emit(bits)

    def submit(self) -> None:
        """Ask for the budget."""
        self.accept()
        self.budget_requested.emit(self._slider.value() / 100)
