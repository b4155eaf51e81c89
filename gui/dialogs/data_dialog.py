"""Which samples calibrate and which evaluate, and how images become inputs, with one sample in sight."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.data.preprocessing import format_preprocessing, load_preprocessing, parse_preprocessing
from engine.errors import BitsmithError
from engine.project.project import LoadedData
from engine.requests.data import (
    DataChoice,
    DataPreview,
    DataSplit,
    EvaluationSource,
    SplitRequest,
)
from engine.requests.opening import PresetFits
from engine.summary import ModelSummary
from gui.data.data_fields import DataFields
from gui.data.feed import DataFeed
from gui.data.preview_pane import PreviewPane
from gui.data.texts import describe_guess, describe_split
from gui.dialogs.form_dialog import FormDialog
from gui.dialogs.path_edit import dropped_path
from gui.results import WantedData

DEBOUNCE_MS = 250


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
        self._fields = DataFields(model, recent, self)
        self._form = self._fields.preprocess
        self._pane = PreviewPane(self)
        self._build_layout()
        self._connect()
        self._fill(data)

    # --- building ------------------------------------------------------------------------------

    def _build_layout(self) -> None:
        both = QHBoxLayout()
        both.setSpacing(24)
        both.addWidget(self._fields)
        both.addWidget(self._pane, 1)
        self.form.addRow(both)
        self._show_rows()
        self._fields.calibration.setFocus()

    def _connect(self) -> None:
        self._fields.source_changed.connect(self._on_source_changed)
        self._fields.division_changed.connect(self._on_division_changed)
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
        if self._fields.preset_problem:
            self.show_problem(self._fields.preset_problem)
        if data is None:
            return
        self._fields.fill(data)
        self._given = _preprocessing_of(data.calibration)  # last: a path that is set asks for a new guess
        if self._given and self._form is not None:
            self._form.fill(parse_preprocessing(self._given, self.tr("Preprocessing")))
        self._is_touched = False

    # --- what the form says --------------------------------------------------------------------

    def _choice(self, path: str) -> DataChoice:
        return self._fields.choice(path, self._given)

    def _on_source_changed(self) -> None:
        """Other data: its preprocessing is found or guessed anew."""
        self._given = self._form_problem = ""
        self._index = 0
        self.accept_button.setEnabled(bool(self._fields.calibration.path))
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
        self._fields.show_guess("")
        self._pane.clear_result()
        self._feed.stop_checks()
        self._look_timer.start()
        self._split_timer.start()

    def _show_rows(self) -> None:
        self._fields.show_rows(is_image=self._preview is not None and self._preview.is_image)
        self._make_room()

    # --- asking --------------------------------------------------------------------------------

    def _look(self) -> None:
        if self._fields.calibration.path:
            self._feed.ask_preview(self._choice(self._fields.calibration.path), self._index)
        else:
            self._pane.show_nothing("")

    def _divide(self) -> None:
        if not self._fields.calibration.path:
            return
        if self._needs_guess or (self._fields.source == EvaluationSource.OTHER and not self._fields.evaluation.path):
            return  # asked again when the preview, or the path, is there
        other = self._choice(self._fields.evaluation.path) if self._fields.source == EvaluationSource.OTHER else None
        calibration = self._choice(self._fields.calibration.path)
        request = SplitRequest(self._model.path, calibration, other, self._fields.source, self._fields.samples)
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
        return dataclasses.replace(self._choice(self._fields.calibration.path), seed=0)

    # --- answers -------------------------------------------------------------------------------

    def _on_preview(self, preview: DataPreview) -> None:
        self._preview = preview
        if self._form is not None and preview.is_image:
            self._form.image_size = preview.before_size or self._form.image_size
        if preview.guess is not None and self._form is not None:
            self._given = preview.guess.preprocessing
            self._form.fill(parse_preprocessing(self._given, self.tr("Preprocessing")), preview.guess.preset)
            self._fields.show_guess(describe_guess(preview.guess, self._model.inputs[0]))
        self._pane.show_preview(preview)
        self._show_rows()
        if self._split is None:
            self._divide()

    def _on_preview_failed(self, sentence: str) -> None:
        self._preview = None
        self._pane.show_nothing("" if self._is_submitting else sentence)
        self._fields.statement.setText("")
        if self._is_submitting:
            self.refuse(sentence)

    def _on_split(self, split: DataSplit) -> None:
        self._split = split
        is_tokens = self._preview is not None and self._preview.is_tokens
        self._fields.statement.setText(describe_split(split, is_tokens=is_tokens))
        self._make_room()
        if self._is_submitting:
            self._request()

    def _on_split_failed(self, sentence: str) -> None:
        self._split = None
        self._fields.statement.setText("")
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
        dialog = QFileDialog(
            self, self.tr("Load preprocessing"), self._fields.calibration.path, self.tr("JSON (*.json)")
        )
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
        dialog = QFileDialog(
            self, self.tr("Save preprocessing"), self._fields.calibration.path, self.tr("JSON (*.json)")
        )
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
        if self._fields.source == EvaluationSource.OTHER and not self._fields.evaluation.path:
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
        self._fields.calibration.set_path(dropped_path(event))


def _preprocessing_of(choice: DataChoice) -> str:
    """The preprocessing of data that are in use, as JSON text; "" if there is none or its file is gone."""
    if choice.preprocessing or choice.preprocess is None:
        return choice.preprocessing
    try:
        return load_preprocessing(Path(choice.preprocess)).to_json()
    except BitsmithError:
        return ""
