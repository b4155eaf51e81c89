"""Which samples calibrate and which evaluate."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QRadioButton, QVBoxLayout, QWidget

from engine.jobs.requests import DEFAULT_CALIBRATION_SAMPLES, DataChoice
from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import PathEdit
from gui.naming import named
from gui.preprocess_files import find_preprocess
from gui.results import LoadedData, WantedData
from gui.spin_box import SpinBox

MAX_SAMPLES = 100_000


class DataDialog(FormDialog):
    """Asks for data.

    Signals:
        data_requested(WantedData): check this data; the dialog waits for `accept` or `show_problem`.
    """

    data_requested = Signal(object)

    def __init__(self, model: str, data: LoadedData | None, parent: QWidget) -> None:
        super().__init__("data_dialog", parent)
        self.set_texts(self.tr("Data"), self.tr("Check and use"))
        self._model = Path(model)
        data_files = self.tr("Arrays (*.npz *.npy);;All files (*)")
        preprocess_files = self.tr("Preprocessing (*.json);;All files (*)")
        self._calibration = PathEdit("calibration_path", self.tr("Calibration data"), data_files, self)
        self._evaluation = PathEdit("evaluation_path", self.tr("Evaluation data"), data_files, self)
        self._preprocess = PathEdit("preprocess_path", self.tr("Preprocessing of images"), preprocess_files, self)
        self._samples = named(SpinBox(1, MAX_SAMPLES), "calibration_samples")
        self._samples.setValue(DEFAULT_CALIBRATION_SAMPLES)
        self._rest = named(QRadioButton(self.tr("The rest of the same data")), "evaluate_rest")
        self._other = named(QRadioButton(self.tr("Other data")), "evaluate_other")
        self._none = named(QRadioButton(self.tr("None")), "evaluate_none")
        self._build_form()
        self._connect()
        self._fill(data)

    def _build_form(self) -> None:
        for edit in (self._calibration, self._evaluation):
            edit.add_open_button()
            edit.add_folder_button()
        self._preprocess.add_open_button()
        self._preprocess.line.setPlaceholderText(self.tr("only for images; found by name where possible"))
        self._samples.setToolTip(self.tr("How many samples, from the first on, are used to calibrate"))
        self.add_note(
            self.tr(
                "A .npz with arrays named as the model's inputs (and labels), a .npy, or an image folder. "
                "Calibration and evaluation never share a sample."
            )
        )
        self.form.addRow(self.tr("Calibration data"), self._calibration)
        self.form.addRow(self.tr("Calibrate with"), self._samples)
        self.form.addRow(self.tr("Preprocessing"), self._preprocess)
        choices = QVBoxLayout()
        choices.setSpacing(6)
        self._group = QButtonGroup(self)
        for button in (self._rest, self._other, self._none):
            self._group.addButton(button)
            choices.addWidget(button)
        self.form.addRow(self.tr("Evaluate on"), choices)
        self.form.addRow(self.tr("Evaluation data"), self._evaluation)
        self._samples.setSuffix(self.tr(" samples"))
        self._rest.setChecked(True)

    def _connect(self) -> None:
        self._calibration.changed.connect(self._on_calibration_changed)
        self._group.buttonToggled.connect(lambda: self._evaluation.setEnabled(self._other.isChecked()))
        self._evaluation.setEnabled(False)

    def _fill(self, data: LoadedData | None) -> None:
        if data is None:
            self._on_calibration_changed("")
            return
        self._calibration.set_path(data.calibration.path)
        self._preprocess.set_path(data.calibration.preprocess or "")
        self._samples.setValue(data.samples)
        if data.evaluation is None:
            self._none.setChecked(True)
        elif data.evaluation.path != data.calibration.path:
            self._other.setChecked(True)
            self._evaluation.set_path(data.evaluation.path)

    def _on_calibration_changed(self, path: str) -> None:
        self.accept_button.setEnabled(bool(path.strip()))
        found = find_preprocess(Path(path.strip()), self._model) if path.strip() else None
        if found is not None:
            self._preprocess.set_path(str(found))

    def wanted(self) -> WantedData:
        """What the form says."""
        preprocess = self._preprocess.path or None
        calibration = DataChoice(self._calibration.path, preprocess)
        evaluation: DataChoice | None = None
        if self._rest.isChecked():
            evaluation = DataChoice(self._calibration.path, preprocess, skip=self._samples.value())
        elif self._other.isChecked():
            evaluation = DataChoice(self._evaluation.path, preprocess)
        return WantedData(calibration, evaluation, self._samples.value())

    def submit(self) -> None:
        """Ask for the check; the dialog stays open until the answer is there."""
        wanted = self.wanted()
        if wanted.evaluation is not None and not wanted.evaluation.path:
            self.show_problem(self.tr("Give the evaluation data, or choose None."))
            return
        self.show_problem("")
        self.accept_button.setEnabled(False)
        self.data_requested.emit(wanted)

    def refuse(self, reason: str) -> None:
        """The data does not fit; say why and let the user correct it."""
        self.accept_button.setEnabled(True)
        self.show_problem(reason)
