"""Which samples calibrate and which evaluate, and how images become inputs, with one sample in sight."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.data.guessing import PreprocessPreset, load_presets
from engine.data.preprocessing import format_preprocessing, load_preprocessing, parse_preprocessing
from engine.errors import BitsmithError
from engine.project.project import LoadedData
from engine.requests.data import (
    DEFAULT_CALIBRATION_SAMPLES,
    DataChoice,
    DataPreview,
    DataSplit,
    EvaluationSource,
    SplitRequest,
)
from engine.requests.opening import PresetFits
from engine.summary import ModelSummary
from gui.data.feed import DataFeed
from gui.data.preprocess_form import PreprocessForm
from gui.data.preview_pane import PreviewPane
from gui.data.texts import describe_guess, describe_split
from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import PathEdit, dropped_path
from gui.naming import named
from gui.results import WantedData
from gui.spin_box import SpinBox

MAX_SAMPLES = 100_000
DEBOUNCE_MS = 250
LEFT_WIDTH = 600
LABEL_WIDTH = 96


class DataDialog(FormDialog):
    """Asks for data.

    Signals:
        data_requested(WantedData): check this data; the dialog waits for `accept` or `refuse`.
    """

    data_requested = Signal(object)

    def __init__(
        self, model: ModelSummary, data: LoadedData | None, feed: DataFeed, recent: list[str], parent: QWidget
    ) -> None:
        super().__init__("data_dialog", parent)
        self.set_texts(self.tr("Data"), self.tr("Check and use"))
        self.setAcceptDrops(True)
        self._model = model
        self._feed = feed
        feed.setParent(self)
        self._data = data
        self._index = 0
        self._given = ""
        self._form_problem = ""
        self._is_touched = data is None
        self._is_submitting = False
        self._split: DataSplit | None = None
        self._preview: DataPreview | None = None
        self._look_timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._split_timer = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._build_fields(recent)
        self._build_form()
        self._connect()
        self._fill(data)

    # --- building ------------------------------------------------------------------------------

    def _build_fields(self, recent: list[str]) -> None:
        data_files = self.tr("Data (*.npz *.npy *.txt);;All files (*)")
        self._calibration = PathEdit("calibration_path", self.tr("Calibration data"), data_files, self)
        self._evaluation = PathEdit("evaluation_path", self.tr("Evaluation data"), data_files, self)
        for edit in (self._calibration, self._evaluation):
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
        self._samples = named(SpinBox(1, MAX_SAMPLES), "calibration_samples")
        self._samples.setValue(DEFAULT_CALIBRATION_SAMPLES)
        self._samples.setSuffix(self.tr(" samples"))
        self._samples.setToolTip(self.tr("How many samples are used to calibrate; at most half if the rest evaluates"))
        self._rest = named(QRadioButton(self.tr("The rest of the same data")), "evaluate_rest")
        self._other = named(QRadioButton(self.tr("Other data")), "evaluate_other")
        self._none = named(QRadioButton(self.tr("None")), "evaluate_none")
        self._rest.setChecked(True)
        self._statement = named(QLabel(wordWrap=True), "split_statement")
        self._guess = named(QLabel(wordWrap=True), "preprocess_guess")
        self._guess.setProperty("role", "dim")
        self._presets, self._preset_problem = _read_presets()
        self._pane = PreviewPane(self)
        self._preprocess_title = self._section(self.tr("Images"))
        spec = self._model.inputs[0] if len(self._model.inputs) == 1 else None
        is_possible = spec is not None and len(spec.shape) == 4
        self._form = PreprocessForm(self._presets, spec, self) if spec is not None and is_possible else None

    def _section(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setProperty("role", "section")
        return label

    def _build_form(self) -> None:
        left = QWidget(self)
        left.setFixedWidth(LEFT_WIDTH)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        self._rows = QFormLayout()
        self._rows.setVerticalSpacing(8)
        self._rows.setHorizontalSpacing(14)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._rows.addRow(self._section(self.tr("Calibration")))
        self._rows.addRow(self.tr("Data"), self._calibration)
        self._rows.addRow(self.tr("Labels"), self._labels)
        self._rows.addRow(self.tr("Tokenizer"), self._tokenizer)
        self._rows.addRow(self.tr("Calibrate with"), self._samples)
        self._rows.addRow(self._section(self.tr("Evaluation")))
        choices = QHBoxLayout()
        choices.setSpacing(16)
        self._group = QButtonGroup(self)
        for button in (self._rest, self._other, self._none):
            self._group.addButton(button)
            choices.addWidget(button)
        choices.addStretch(1)
        self._rows.addRow(self.tr("Evaluate on"), choices)
        self._rows.addRow(self.tr("Data"), self._evaluation)
        column.addLayout(self._rows)
        column.addWidget(self._statement)
        column.addWidget(self._preprocess_title)
        column.addWidget(self._guess)
        if self._form is not None:
            column.addWidget(self._form)
        column.addStretch(1)
        for form in (self._rows, self._form.rows if self._form is not None else self._rows):
            _align_labels(form)
        both = QHBoxLayout()
        both.setSpacing(24)
        both.addWidget(left)
        both.addWidget(self._pane, 1)
        self.form.addRow(both)
        self._show_rows()
        self._calibration.setFocus()

    def _connect(self) -> None:
        self._calibration.changed.connect(self._on_source_changed)
        for edit in (self._labels, self._tokenizer):
            edit.changed.connect(self._on_source_changed)
        self._evaluation.changed.connect(self._on_division_changed)
        self._samples.valueChanged.connect(self._on_division_changed)
        self._group.buttonToggled.connect(self._on_division_changed)
        self.finished.connect(self._feed.stop)
        self._look_timer.timeout.connect(self._look)
        self._split_timer.timeout.connect(self._divide)
        if self._form is not None:
            self._form.changed.connect(self._on_preprocessing_changed)
            self._form.load_requested.connect(self._load_preprocessing)
            self._form.save_requested.connect(self._save_preprocessing)
        self._pane.index_requested.connect(self._go_to)
        self._pane.check_requested.connect(self._check)
        self._pane.fits_requested.connect(self._try_presets)
        self._feed.preview_ready.connect(self._on_preview)
        self._feed.preview_failed.connect(self._on_preview_failed)
        self._feed.split_ready.connect(self._on_split)
        self._feed.split_failed.connect(self._on_split_failed)
        self._feed.check_progressed.connect(self._pane.show_checking)
        self._feed.check_ready.connect(self._pane.show_check)
        self._feed.fits_ready.connect(self._on_fits)
        self._feed.check_failed.connect(self._pane.show_problem)

    def _fill(self, data: LoadedData | None) -> None:
        self.accept_button.setEnabled(data is not None)
        if self._preset_problem:
            self.show_problem(self._preset_problem)
        if data is None:
            return
        chosen = data.calibration
        self._calibration.set_path(chosen.path)
        self._labels.set_path(chosen.label_file or "")
        self._tokenizer.set_path(chosen.tokenizer or "")
        self._samples.setValue(data.samples)
        if data.evaluation is None:
            self._none.setChecked(True)
        elif data.evaluation.path != chosen.path:
            self._other.setChecked(True)
            self._evaluation.set_path(data.evaluation.path)
        self._given = _preprocessing_of(chosen)  # last: a path that is set asks for a new guess
        if self._given and self._form is not None:
            self._form.fill(parse_preprocessing(self._given, self.tr("Preprocessing")))
        self._is_touched = False

    # --- what the form says --------------------------------------------------------------------

    def _choice(self, path: str) -> DataChoice:
        return DataChoice(
            path,
            preprocessing=self._given,
            label_file=self._labels.path or None,
            tokenizer=self._tokenizer.path or None,
        )

    @property
    def _source(self) -> EvaluationSource:
        if self._rest.isChecked():
            return EvaluationSource.REST
        return EvaluationSource.OTHER if self._other.isChecked() else EvaluationSource.NONE

    def _on_source_changed(self) -> None:
        """Other data: its preprocessing is found or guessed anew."""
        self._given = self._form_problem = ""
        self._index = 0
        self.accept_button.setEnabled(bool(self._calibration.path))
        self._on_division_changed()
        self._look_timer.start()

    def _on_division_changed(self) -> None:
        self._is_touched = True
        self._split = None
        self.show_problem("")
        self._show_rows()
        self._split_timer.start()

    def _on_preprocessing_changed(self) -> None:
        assert self._form is not None
        self._is_touched = True
        self._split = None
        try:
            self._given = self._form.read().to_json()
        except BitsmithError as error:
            self._form_problem = str(error)
            self._look_timer.stop()
            self._split_timer.stop()
            self._pane.show_nothing(self._form_problem)
            return
        self._form_problem = ""
        self.show_problem("")
        self._guess.setText("")
        self._guess.hide()
        self._pane.clear_result()
        self._feed.stop_checks()
        self._look_timer.start()
        self._split_timer.start()

    def _show_rows(self) -> None:
        """Only what belongs to this kind of data."""
        path = Path(self._calibration.path)
        self._rows.setRowVisible(self._labels, bool(self._calibration.path) and path.is_dir())
        self._rows.setRowVisible(self._tokenizer, path.suffix.lower() == ".txt")
        self._rows.setRowVisible(self._evaluation, self._other.isChecked())
        is_image = self._preview is not None and self._preview.is_image
        self._preprocess_title.setVisible(is_image)
        self._guess.setVisible(is_image and bool(self._guess.text()))
        if self._form is not None:
            self._form.setVisible(is_image)
        if not self._calibration.path:
            self._statement.setText(
                self.tr(
                    "Drop data here or choose them: a folder of images (with class sub-folders or a CSV file of "
                    "labels), a .npz or .npy with arrays named as the model's inputs, or a text for a language model."
                )
            )
        self._make_room()

    # --- asking --------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._calibration.path:
            self._feed.ask_preview(self._choice(self._calibration.path), self._index)
        else:
            self._pane.show_nothing("")

    def _divide(self) -> None:
        if not self._calibration.path:
            return
        if self._needs_guess or (self._source == EvaluationSource.OTHER and not self._evaluation.path):
            return  # asked again when the preview, or the path, is there
        other = self._choice(self._evaluation.path) if self._source == EvaluationSource.OTHER else None
        calibration = self._choice(self._calibration.path)
        request = SplitRequest(self._model.path, calibration, other, self._source, self._samples.value())
        self._feed.ask_split(request)

    @property
    def _needs_guess(self) -> bool:
        """Whether it is not known yet if the data are images that need preprocessing."""
        return not self._given and (self._preview is None or self._look_timer.isActive())

    def _go_to(self, index: int) -> None:
        self._index = index
        self._look()

    def _check(self) -> None:
        self._pane.show_checking(0, 0)
        self._feed.ask_check(self._shuffled_choice)

    def _try_presets(self) -> None:
        self._pane.show_checking(0, 0)
        self._feed.ask_fits(self._shuffled_choice)

    @property
    def _shuffled_choice(self) -> DataChoice:
        return dataclasses.replace(self._choice(self._calibration.path), seed=0)

    # --- answers -------------------------------------------------------------------------------

    def _on_preview(self, preview: DataPreview) -> None:
        self._preview = preview
        if self._form is not None and preview.is_image:
            self._form.image_size = preview.before_size or self._form.image_size
        if preview.guess is not None and self._form is not None:
            self._given = preview.guess.preprocessing
            self._form.fill(parse_preprocessing(self._given, self.tr("Preprocessing")), preview.guess.preset)
            self._guess.setText(describe_guess(preview.guess, self._model.inputs[0]))
        self._pane.show_preview(preview)
        self._show_rows()
        if self._split is None:
            self._divide()

    def _on_preview_failed(self, sentence: str) -> None:
        self._preview = None
        self._pane.show_nothing(sentence)
        self._statement.setText("")
        if self._is_submitting:
            self.refuse(sentence)

    def _on_split(self, split: DataSplit) -> None:
        self._split = split
        is_tokens = self._preview is not None and self._preview.is_tokens
        self._statement.setText(describe_split(split, is_tokens=is_tokens))
        self._make_room()
        if self._is_submitting:
            self._request()

    def _on_split_failed(self, sentence: str) -> None:
        self._split = None
        self._statement.setText("")
        if self._is_submitting or self._preview is not None:
            self.refuse(sentence)

    def _on_fits(self, fits: PresetFits) -> None:
        """Take the best preset, unless none got anything right."""
        best = fits.fits[0]
        if best.right and self._form is not None:
            self._form.fill(parse_preprocessing(best.preprocessing, best.title), best.preset)
            self._on_preprocessing_changed()
        self._pane.show_fits(fits)

    # --- preprocessing files -------------------------------------------------------------------

    def _load_preprocessing(self) -> None:
        dialog = QFileDialog(self, self.tr("Load preprocessing"), self._calibration.path, self.tr("JSON (*.json)"))
        dialog.setObjectName("load_preprocessing")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._on_preprocessing_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_preprocessing_chosen(self, path: str) -> None:
        assert self._form is not None
        try:
            self._form.fill(load_preprocessing(Path(path)))
        except BitsmithError as error:
            self.show_problem(str(error))
            return
        self._on_preprocessing_changed()

    def _save_preprocessing(self) -> None:
        dialog = QFileDialog(self, self.tr("Save preprocessing"), self._calibration.path, self.tr("JSON (*.json)"))
        dialog.setObjectName("save_preprocessing")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.setDefaultSuffix("json")
        dialog.selectFile("preprocess.json")
        dialog.fileSelected.connect(self._on_saving_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_saving_chosen(self, path: str) -> None:
        assert self._form is not None
        target = Path(path)
        temporary = target.with_name(f".{target.name}.bitsmith-tmp")
        try:
            temporary.write_text(format_preprocessing(self._form.read()), "utf-8")
            temporary.replace(target)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            text = self.tr("Cannot write {path}: {reason}. Choose another folder.")
            self.show_problem(text.format(path=path, reason=error.strerror))
        except BitsmithError as error:
            self.show_problem(str(error))

    # --- ending --------------------------------------------------------------------------------

    def submit(self) -> None:
        """Ask for the check; the dialog stays open until the answer is there."""
        if self._data is not None and not self._is_touched:  # their content may have changed all the same
            self.accept_button.setEnabled(False)
            self.data_requested.emit(WantedData(self._data.calibration, self._data.evaluation, self._data.samples))
            return
        if self._form_problem:
            self.show_problem(self._form_problem)
            return
        if self._source == EvaluationSource.OTHER and not self._evaluation.path:
            self.show_problem(self.tr("Give the evaluation data, or choose None."))
            return
        self.show_problem("")
        self.accept_button.setEnabled(False)
        self._is_submitting = True
        if self._split is not None:
            self._request()
        elif self._needs_guess:
            self._look_timer.stop()
            self._look()
        else:
            self._divide()

    def _request(self) -> None:
        """Everything is known: which samples, and how they are prepared."""
        assert self._split is not None
        self._is_submitting = False
        self._feed.stop_checks()
        self._pane.clear_result()
        self.data_requested.emit(WantedData(self._split.calibration, self._split.evaluation, self._split.samples))

    def refuse(self, reason: str) -> None:
        """The data does not fit; say why and let the user correct it."""
        self._is_submitting = False
        self.accept_button.setEnabled(True)
        self.show_problem(reason)

    @override
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event):
            event.acceptProposedAction()

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self._calibration.set_path(dropped_path(event))


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


def _preprocessing_of(choice: DataChoice) -> str:
    """The preprocessing of data that are in use, as JSON text; "" if there is none or its file is gone."""
    if choice.preprocessing or choice.preprocess is None:
        return choice.preprocessing
    try:
        return load_preprocessing(Path(choice.preprocess)).to_json()
    except BitsmithError:
        return ""
