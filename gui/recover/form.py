"""What recovery is to reach, by which methods, and where the best model goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.recovery.targets import Rung, TargetKind
from gui.dialogs.path_edit import PathEdit
from gui.naming import named
from gui.recover.choice import RecoverChoice
from gui.recover.texts import rung_sentence, rung_title, target_sentence, target_suffix, target_title
from gui.spin_box import DecimalSpinBox, SpinBox
from gui.units import NOTHING, format_duration

WIDTH = 344
INDENT = 21
SECONDS = (5, 86_400)
HIGHEST = {TargetKind.DROP: 100.0, TargetKind.SQNR: 200.0, TargetKind.PERPLEXITY: 100_000.0}


class RecoverForm(QWidget):
    """The choices over the button that starts.

    Signals:
        choice_changed: target, time or methods are others.
        output_changed: another file is to be written.
        data_requested: data is to be added.
    """

    choice_changed = Signal()
    output_changed = Signal()
    data_requested = Signal()

    def __init__(self, choice: RecoverChoice, start: QPushButton, parent: QWidget) -> None:
        super().__init__(parent)
        self._targets = dict(choice.targets)
        self._kind = named(QComboBox(), "recover_kind")
        self._value = named(DecimalSpinBox(), "recover_value")
        self._seconds = named(SpinBox(*SECONDS), "recover_seconds")
        self._boxes: dict[Rung, QCheckBox] = {}
        self._forecasts: dict[Rung, QLabel] = {}
        self._total = named(QLabel(), "recover_total")
        self._data = named(QLabel(wordWrap=True), "recover_data")
        self._data_button = named(QPushButton(self.tr("Data…")), "recover_data_button")
        self._output = PathEdit("recover_output", self.tr("Recovered model"), self.tr("ONNX models (*.onnx)"), self)
        self._problem = named(QLabel(wordWrap=True), "recover_problem")
        self._fill(choice)
        self._build_layout(choice, start)
        self._connect()

    # --- building ------------------------------------------------------------------------------

    def _fill(self, choice: RecoverChoice) -> None:
        for kind in TargetKind:
            self._kind.addItem(target_title(kind), kind)
            self._kind.setItemData(self._kind.count() - 1, target_sentence(kind), Qt.ItemDataRole.ToolTipRole)
        self._kind.setCurrentIndex(self._kind.findData(choice.kind))
        self._kind.setAccessibleName(self.tr("What is to be reached"))
        self._kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._value.setAccessibleName(self.tr("Target"))
        self._value.setFixedWidth(120)
        self._seconds.setValue(round(choice.seconds))
        self._seconds.setSuffix(self.tr(" s"))
        self._seconds.setSingleStep(60)
        self._seconds.setToolTip(self.tr("Stops then, whatever was reached; the best so far is kept"))
        self._output.line.setToolTip(self.tr("The best model so far lies here at any time, with its plan"))
        self._output.line.setMinimumWidth(60)
        self._output.add_save_button()
        self._problem.setProperty("role", "problem")
        self._problem.hide()
        self._show_target()

    def _build_layout(self, choice: RecoverChoice, start: QPushButton) -> None:
        self.setFixedWidth(WIDTH)
        content = named(QWidget(), "recover_methods")
        methods = QVBoxLayout(content)
        methods.setContentsMargins(0, 0, 8, 0)
        methods.setSpacing(3)
        for rung in Rung:
            self._add_rung(methods, rung, is_checked=rung in choice.rungs)
        methods.addStretch(1)
        area = named(QScrollArea(), "recover_area")
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(7)
        layout.addLayout(_row(self._kind, self._value))
        layout.addLayout(self._labelled(self.tr("Time limit"), self._seconds))
        layout.addLayout(self._build_heading())
        layout.addWidget(area, 1)
        layout.addLayout(_row(self._data, self._data_button))
        layout.addLayout(self._labelled(self.tr("Save as"), self._output))
        layout.addWidget(self._problem)
        layout.addWidget(start)

    def _build_heading(self) -> QHBoxLayout:
        title = QLabel(self.tr("Methods, quickest first"))
        title.setProperty("role", "section")
        self._total.setProperty("role", "dim")
        self._total.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._total.setToolTip(self.tr("Of the ticked methods, as foreseen from a short trial on this computer"))
        row = _row(title, self._total)
        row.setContentsMargins(0, 4, 19, 0)
        return row

    def _labelled(self, text: str, field: QWidget) -> QHBoxLayout:
        label = QLabel(text)
        label.setProperty("role", "dim")
        label.setBuddy(field)
        label.setFixedWidth(70)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(field, 1)
        return row

    def _add_rung(self, layout: QVBoxLayout, rung: Rung, *, is_checked: bool) -> None:
        box = named(QCheckBox(rung_title(rung)), f"rung_{rung}")
        sentence = rung_sentence(rung)
        box.setAccessibleDescription(sentence)
        box.setChecked(is_checked or rung == Rung.START)
        if rung == Rung.START:
            box.setEnabled(False)
            box.setToolTip(self.tr("Always measured first"))
        forecast = named(QLabel(NOTHING), f"forecast_{rung}")
        forecast.setProperty("role", "dim")
        forecast.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._boxes[rung], self._forecasts[rung] = box, forecast
        text = QLabel(sentence, wordWrap=True)
        text.setProperty("role", "dim")
        text.setContentsMargins(INDENT, 0, 0, 7)
        layout.addLayout(_row(box, forecast))
        layout.addWidget(text)

    def _connect(self) -> None:
        self._kind.currentIndexChanged.connect(self._on_kind_changed)
        self._value.valueChanged.connect(self._on_value_changed)
        self._seconds.valueChanged.connect(self.choice_changed)
        for box in self._boxes.values():
            box.toggled.connect(self.choice_changed)
        self._data_button.clicked.connect(self.data_requested)
        self._output.changed.connect(self.output_changed)

    # --- what was chosen -----------------------------------------------------------------------

    @property
    def choice(self) -> RecoverChoice:
        """What stands in the form."""
        rungs = tuple(rung for rung, box in self._boxes.items() if box.isChecked())
        kind = TargetKind(self._kind.currentData())
        return RecoverChoice(kind, dict(self._targets), float(self._seconds.value()), rungs)

    @property
    def output(self) -> str:
        """The file to write; "" if none is named."""
        return self._output.path

    def suggest_output(self, path: Path) -> None:
        """Fill in another name, unless the user has typed one that can be used."""
        if not self.output or not self._output.line.isModified() or Path(self.output).exists():
            self._output.set_path(str(path))

    def _on_kind_changed(self) -> None:
        self._show_target()
        self.choice_changed.emit()

    def _on_value_changed(self, value: float) -> None:
        self._targets[TargetKind(self._kind.currentData())] = value
        self.choice_changed.emit()

    def _show_target(self) -> None:
        kind = TargetKind(self._kind.currentData())
        with QSignalBlocker(self._value):
            self._value.setRange(0.0, HIGHEST[kind])
            self._value.setSuffix(target_suffix(kind))
            self._value.setValue(self._targets[kind])
        self._kind.setToolTip(target_sentence(kind))
        self._value.setToolTip(target_sentence(kind))

    # --- showing -------------------------------------------------------------------------------

    def show_forecast(self, seconds: Mapping[Rung, float]) -> None:
        """How long every method would take, as far as that is known."""
        for rung, label in self._forecasts.items():
            if rung in seconds:
                label.setText(self.tr("about {time}").format(time=format_duration(seconds[rung])))
            else:
                label.setText(self.tr("time left") if rung == Rung.MIX and seconds else NOTHING)
        total = sum(seconds[rung] for rung, box in self._boxes.items() if box.isChecked() and rung in seconds)
        self._total.setText(self.tr("about {time}").format(time=format_duration(total)) if seconds else "")

    def show_data(self, text: str, *, is_missing: bool) -> None:
        """Which samples are learnt from and measured on; with a button where there are none."""
        self._data.setText(text)
        self._data.setProperty("role", "problem" if is_missing else "dim")
        self._data.style().unpolish(self._data)
        self._data.style().polish(self._data)
        self._data_button.setVisible(is_missing)

    def show_problem(self, text: str) -> None:
        """Why it cannot start, "" if it can."""
        self._problem.setText(text)
        self._problem.setVisible(bool(text))


def _row(first: QWidget, second: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(first, 1)
    row.addWidget(second)
    return row
