"""The fields of the Data dialog: where samples come from, which of them do what, how images become inputs."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFormLayout, QHBoxLayout, QLabel, QRadioButton, QVBoxLayout, QWidget

from engine.data.guessing import PreprocessPreset, load_presets
from engine.errors import BitsmithError
from engine.project.project import LoadedData
from engine.requests.data import DEFAULT_CALIBRATION_SAMPLES, DataChoice, EvaluationSource
from engine.summary import ModelSummary
from gui.data.preprocess_form import PreprocessForm
from gui.dialogs.path_edit import PathEdit
from gui.naming import named
from gui.spin_box import SpinBox

MAX_SAMPLES = 100_000
WIDTH = 600
LABEL_WIDTH = 96


class DataFields(QWidget):
    """What the user fills in, and what is said about it.

    Signals:
        source_changed: other calibration data, labels or tokenizer.
        division_changed: other samples calibrate or evaluate.

    Attributes:
        preprocess: None for models that take no images.
        preset_problem: why there are no presets of preprocessing, "" if there are.
    """

    source_changed = Signal()
    division_changed = Signal()

    def __init__(self, model: ModelSummary, recent: list[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self._build_sources(recent)
        self._build_division()
        self.statement = named(QLabel(wordWrap=True), "split_statement")
        self._preprocess_title = _section(self.tr("Images"))
        self._guess = named(QLabel(wordWrap=True), "preprocess_guess")
        self._guess.setProperty("role", "dim")
        presets, self.preset_problem = _read_presets()
        spec = model.inputs[0] if len(model.inputs) == 1 else None
        is_possible = spec is not None and len(spec.shape) == 4
        self.preprocess = PreprocessForm(presets, spec, self) if spec is not None and is_possible else None
        self._rows = QFormLayout()
        self._build_layout()
        self._connect()

    # --- building ------------------------------------------------------------------------------

    def _build_sources(self, recent: list[str]) -> None:
        data_files = self.tr("Data (*.npz *.npy *.txt);;All files (*)")
        self.calibration = PathEdit("calibration_path", self.tr("Calibration data"), data_files, self)
        self.evaluation = PathEdit("evaluation_path", self.tr("Evaluation data"), data_files, self)
        for edit in (self.calibration, self.evaluation):
            edit.add_open_button()
            edit.add_folder_button()
            edit.add_recent_button(recent)
        self._labels = PathEdit("labels_path", self.tr("Labels"), self.tr("Tables (*.csv);;All files (*)"), self)
        self._labels.add_open_button()
        self._labels.line.setPlaceholderText(self.tr("class folders, or a CSV file in the folder"))
        self._tokenizer = PathEdit(
            "tokenizer_path", self.tr("Tokenizer"), self.tr("JSON (*.json);;All files (*)"), self
        )
        self._tokenizer.add_open_button()
        self._tokenizer.line.setPlaceholderText(self.tr("the tokenizer JSON beside the text"))

    def _build_division(self) -> None:
        self._samples = named(SpinBox(1, MAX_SAMPLES), "calibration_samples")
        self._samples.setValue(DEFAULT_CALIBRATION_SAMPLES)
        self._samples.setSuffix(self.tr(" samples"))
        self._samples.setToolTip(self.tr("How many samples are used to calibrate; at most half if the rest evaluates"))
        self._rest = named(QRadioButton(self.tr("The rest of the same data")), "evaluate_rest")
        self._other = named(QRadioButton(self.tr("Other data")), "evaluate_other")
        self._none = named(QRadioButton(self.tr("None")), "evaluate_none")
        self._rest.setChecked(True)
        self._group = QButtonGroup(self)
        for button in (self._rest, self._other, self._none):
            self._group.addButton(button)

    def _build_layout(self) -> None:
        self._rows.setVerticalSpacing(8)
        self._rows.setHorizontalSpacing(14)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows.addRow(_section(self.tr("Calibration")))
        self._rows.addRow(self.tr("Data"), self.calibration)
        self._rows.addRow(self.tr("Labels"), self._labels)
        self._rows.addRow(self.tr("Tokenizer"), self._tokenizer)
        self._rows.addRow(self.tr("Calibrate with"), self._samples)
        self._rows.addRow(_section(self.tr("Evaluation")))
        choices = QHBoxLayout()
        choices.setSpacing(16)
        for button in (self._rest, self._other, self._none):
            choices.addWidget(button)
        choices.addStretch(1)
        self._rows.addRow(self.tr("Evaluate on"), choices)
        self._rows.addRow(self.tr("Data"), self.evaluation)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(self._rows)
        column.addWidget(self.statement)
        column.addWidget(self._preprocess_title)
        column.addWidget(self._guess)
        if self.preprocess is not None:
            column.addWidget(self.preprocess)
        column.addStretch(1)
        for form in (self._rows, self.preprocess.rows if self.preprocess is not None else self._rows):
            _align_labels(form)

    def _connect(self) -> None:
        for edit in (self.calibration, self._labels, self._tokenizer):
            edit.changed.connect(self.source_changed)
        self.evaluation.changed.connect(self.division_changed)
        self._samples.valueChanged.connect(self.division_changed)
        self._group.buttonToggled.connect(self.division_changed)

    # --- what they say -------------------------------------------------------------------------

    def fill(self, data: LoadedData) -> None:
        """Show what is in use, its preprocessing aside."""
        chosen = data.calibration
        self.calibration.set_path(chosen.path)
        self._labels.set_path(chosen.label_file or "")
        self._tokenizer.set_path(chosen.tokenizer or "")
        self._samples.setValue(data.samples)
        if data.evaluation is None:
            self._none.setChecked(True)
        elif data.evaluation.path != chosen.path:
            self._other.setChecked(True)
            self.evaluation.set_path(data.evaluation.path)

    @property
    def samples(self) -> int:
        """How many calibrate."""
        return self._samples.value()

    @property
    def source(self) -> EvaluationSource:
        """What evaluates."""
        if self._rest.isChecked():
            return EvaluationSource.REST
        return EvaluationSource.OTHER if self._other.isChecked() else EvaluationSource.NONE

    def choice(self, path: str, preprocessing: str) -> DataChoice:
        """The data at `path`, read as the fields and `preprocessing`, JSON text, say."""
        return DataChoice(
            path,
            preprocessing=preprocessing,
            label_file=self._labels.path or None,
            tokenizer=self._tokenizer.path or None,
        )

    # --- what is said --------------------------------------------------------------------------

    def show_guess(self, sentence: str) -> None:
        """Say how preprocessing was found, "" for not at all."""
        self._guess.setText(sentence)
        if not sentence:
            self._guess.hide()

    def show_rows(self, *, is_image: bool) -> None:
        """Only what belongs to this kind of data."""
        path = Path(self.calibration.path)
        self._rows.setRowVisible(self._labels, bool(self.calibration.path) and path.is_dir())
        self._rows.setRowVisible(self._tokenizer, path.suffix.lower() == ".txt")
        self._rows.setRowVisible(self.evaluation, self._other.isChecked())
        self._preprocess_title.setVisible(is_image)
        self._guess.setVisible(is_image and bool(self._guess.text()))
        if self.preprocess is not None:
            self.preprocess.setVisible(is_image)
        if not self.calibration.path:
            self.statement.setText(
                self.tr(
                    "Drop data here or choose them: a folder of images (with class sub-folders or a CSV file of "
                    "labels), a .npz or .npy with arrays named as the model's inputs, or a text for a language model."
                )
            )


def _section(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "section")
    return label


def _align_labels(form: QFormLayout) -> None:
    """One width for the labels of forms that stand below each other."""
    for row in range(form.rowCount()):
        item = form.itemAt(row, QFormLayout.ItemRole.LabelRole)
        label = item.widget() if item is not None else None
        if label is not None:
            label.setMinimumWidth(LABEL_WIDTH)


def _read_presets() -> tuple[tuple[PreprocessPreset, ...], str]:
    """The presets, or why there are none."""
    try:
        return load_presets(), ""
    except BitsmithError as error:
        return (), str(error)
