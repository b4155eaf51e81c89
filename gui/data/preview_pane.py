"""One sample before and after preprocessing, its figures, and what the float model makes of a few."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.requests.data import ChannelStatistics, DataCheck, DataPreview
from engine.requests.opening import PresetFits
from gui.data.texts import describe_check, describe_fits, describe_tensor, describe_warning
from gui.naming import named
from gui.units import MINUS, join_sentences

PICTURE_SIDE = 232
SHOWN_CHANNELS = 4
COLUMNS = 5


class PreviewPane(QWidget):
    """Shows a `DataPreview`.

    Signals:
        index_requested(int): another sample.
        check_requested, fits_requested: the buttons below.
    """

    index_requested = Signal(int)
    check_requested = Signal()
    fits_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._preview = DataPreview()
        self._before, self._after = self._picture("preview_before"), self._picture("preview_after")
        self._name = named(QLabel(), "preview_name")
        self._label = named(QLabel(), "preview_label")
        self._tensor = named(QLabel(wordWrap=True), "preview_tensor")
        self._warning = named(QLabel(wordWrap=True), "preview_warning")
        self._warning.setProperty("role", "problem")
        self._result = named(QLabel(wordWrap=True), "check_result")
        self._cells = [[QLabel() for _ in range(COLUMNS)] for _ in range(SHOWN_CHANNELS + 1)]
        self._previous = named(QPushButton("‹", autoDefault=False), "preview_previous")
        self._next = named(QPushButton("›", autoDefault=False), "preview_next")
        self._check = named(QPushButton(self.tr("Check on 64 samples"), autoDefault=False), "check_samples")
        self._fits = named(QPushButton(self.tr("Try all presets"), autoDefault=False), "try_presets")
        self._build()
        self.show_nothing("")

    def _picture(self, name: str) -> QLabel:
        label = named(QLabel(alignment=Qt.AlignmentFlag.AlignCenter), name)
        label.setFixedSize(PICTURE_SIDE, PICTURE_SIDE)
        label.setProperty("role", "dim")
        label.setWordWrap(True)
        return label

    def _build(self) -> None:
        pictures = QGridLayout()
        pictures.setHorizontalSpacing(10)
        captions = (QLabel(self.tr("In the file")), QLabel(self.tr("As the network gets it")))
        for column, (caption, picture) in enumerate(zip(captions, (self._before, self._after), strict=True)):
            caption.setProperty("role", "dim")
            pictures.addWidget(caption, 0, column)
            pictures.addWidget(picture, 1, column)
        steps = QHBoxLayout()
        steps.setSpacing(6)
        for button, tip in ((self._previous, self.tr("Previous sample")), (self._next, self.tr("Next sample"))):
            button.setToolTip(tip)
            button.setAccessibleName(tip)
            button.setFixedWidth(38)
            steps.addWidget(button)
        steps.addWidget(self._name, 1)
        figures = QGridLayout()
        figures.setHorizontalSpacing(18)
        figures.setVerticalSpacing(2)
        for row, cells in enumerate(self._cells):
            for column, cell in enumerate(cells):
                cell.setProperty("role", "dim" if row == 0 or column == 0 else "value")
                figures.addWidget(
                    cell, row, column, Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                )
        figures.setColumnStretch(COLUMNS, 1)
        buttons = QHBoxLayout()
        self._check.setToolTip(self.tr("Runs the float model: with the right preprocessing it gets most labels right"))
        self._fits.setToolTip(self.tr("Runs the float model with every preset and takes the best"))
        buttons.addWidget(self._check)
        buttons.addWidget(self._fits)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(pictures)
        layout.addLayout(steps)
        layout.addWidget(self._label)
        layout.addWidget(self._tensor)
        layout.addLayout(figures)
        layout.addWidget(self._warning)
        layout.addStretch(1)
        layout.addLayout(buttons)
        layout.addWidget(self._result)
        self._previous.clicked.connect(lambda: self.index_requested.emit(self._preview.index - 1))
        self._next.clicked.connect(lambda: self.index_requested.emit(self._preview.index + 1))
        self._check.clicked.connect(self.check_requested)
        self._fits.clicked.connect(self.fits_requested)

    def show_nothing(self, problem: str) -> None:
        """No sample can be shown; `problem` says why, "" before data are chosen."""
        self._preview = DataPreview()
        for picture in (self._before, self._after):
            picture.setPixmap(QPixmap())
        self._before.setText(self.tr("A sample is shown here."))
        self._after.setText("")
        for label in (self._name, self._label, self._tensor):
            label.setText("")
        self._show_channels(())
        self._warning.setText(problem)
        self._warning.setVisible(bool(problem))
        self._result.setText("")
        for button in (self._previous, self._next, self._check, self._fits):
            button.setEnabled(False)

    def show_preview(self, preview: DataPreview) -> None:
        """Show a sample."""
        if preview.problem:
            self.show_nothing(preview.problem)
            return
        self._preview = preview
        self._show_picture(self._before, preview.before, self.tr("no picture"))
        self._show_picture(self._after, preview.after, preview.text or self.tr("no picture"))
        text = self.tr("{number:,} of {samples:,}: {name}")
        self._name.setText(text.format(number=preview.index + 1, samples=preview.samples, name=preview.name))
        self._label.setText(
            self.tr("no label") if preview.label is None else self.tr("label {label}").format(label=preview.label)
        )
        self._label.setVisible(not preview.is_tokens)
        self._tensor.setText(describe_tensor(preview))
        self._show_channels(preview.channels)
        self._warning.setText(join_sentences(*(describe_warning(warning) for warning in preview.warnings)))
        self._warning.setVisible(bool(preview.warnings))
        self._previous.setEnabled(preview.index > 0)
        self._next.setEnabled(preview.index + 1 < preview.samples)
        self._check.setEnabled(preview.has_labels)
        self._fits.setEnabled(preview.has_labels and preview.is_image)
        self._fits.setVisible(preview.is_image)

    def _show_picture(self, label: QLabel, content: bytes | None, otherwise: str) -> None:
        picture = QPixmap()
        if content is None or not picture.loadFromData(content):
            label.setPixmap(QPixmap())
            label.setText(otherwise)
            return
        is_small = max(picture.width(), picture.height()) < PICTURE_SIDE // 2
        mode = Qt.TransformationMode.FastTransformation if is_small else Qt.TransformationMode.SmoothTransformation
        label.setPixmap(picture.scaled(PICTURE_SIDE, PICTURE_SIDE, Qt.AspectRatioMode.KeepAspectRatio, mode))

    def _show_channels(self, channels: tuple[ChannelStatistics, ...]) -> None:
        header = (self.tr("channel"), self.tr("min"), self.tr("max"), self.tr("mean"), self.tr("std"))
        rows = [
            (
                str(number),
                *(f"{value:.4g}".replace("-", MINUS) for value in (item.minimum, item.maximum, item.mean, item.std)),
            )
            for number, item in enumerate(channels[:SHOWN_CHANNELS])
        ]
        texts = [header, *rows] if rows else []
        for number, cells in enumerate(self._cells):
            for column, cell in enumerate(cells):
                cell.setText(texts[number][column] if number < len(texts) else "")

    def show_checking(self, done: int, total: int) -> None:
        """A check is on its way."""
        self._check.setEnabled(False)
        self._fits.setEnabled(False)
        share = f"{done / total:.0%}" if total else ""
        self._result.setText(self.tr("Running the float model… {share}").format(share=share))

    def show_check(self, check: DataCheck) -> None:
        """How many were right."""
        self._show_result(describe_check(check))

    def show_fits(self, fits: PresetFits) -> None:
        """Which preset was best."""
        self._show_result(describe_fits(fits))

    def show_problem(self, sentence: str) -> None:
        """A check was not possible."""
        self._show_result(sentence)

    def clear_result(self) -> None:
        """What was checked is not what the fields say any more."""
        self._show_result("")

    def _show_result(self, text: str) -> None:
        self._result.setText(text)
        # A form gives wrapped text no more height than it had before.
        self._result.setMinimumHeight(max(self._result.heightForWidth(self._result.width()), 0))
        self._check.setEnabled(self._preview.has_labels)
        self._fits.setEnabled(self._preview.has_labels and self._preview.is_image)
