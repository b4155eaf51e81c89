"""The fields of image preprocessing, and the presets that fill them."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton, QWidget

from engine.data.guessing import PreprocessPreset, fit_to_input
from engine.data.preprocessing import COLORS, LAYOUTS, Preprocessing, parse_preprocessing
from engine.errors import DataError
from engine.summary import TensorSpec
from gui.engine_texts import translate_name
from gui.naming import named
from gui.spin_box import SpinBox

LARGEST_SIDE = 8192
LARGEST_OFFSET = 100_000
RESIZES = ("none", "resize_short", "resize", "letterbox")
NUMBER_WIDTH = 88


class PreprocessForm(QWidget):
    """Fields for one `Preprocessing`.

    Signals:
        changed: the user changed something; `read` says what it is now.
        load_requested, save_requested: the buttons beside the presets.
    """

    changed = Signal()
    load_requested = Signal()
    save_requested = Signal()

    def __init__(self, presets: tuple[PreprocessPreset, ...], spec: TensorSpec, parent: QWidget) -> None:
        super().__init__(parent)
        self._presets = presets
        self._spec = spec
        self._input: str | None = None
        self.image_size: tuple[int, int] | None = None
        self._is_filling = False
        self._preset = named(QComboBox(), "preprocess_preset")
        self._preset.addItem(self.tr("Own values"))
        for preset in presets:
            self._preset.addItem(translate_name(preset.title), preset.name)
            self._preset.setItemData(self._preset.count() - 1, translate_name(preset.description), 3)  # Qt.ToolTipRole
        self._resize = named(QComboBox(), "preprocess_resize")
        for text in (self.tr("As it is"), self.tr("Shorter side to"), self.tr("Stretch to"), self.tr("Letterbox to")):
            self._resize.addItem(text)
        self._height, self._width = self._side("resize_height"), self._side("resize_width")
        self._crop_height, self._crop_width = self._side("crop_height"), self._side("crop_width")
        self._color = self._choices("preprocess_color", COLORS)
        self._layout = self._choices("preprocess_layout", LAYOUTS)
        self._scale = named(QLineEdit(), "preprocess_scale")
        self._mean = named(QLineEdit(), "preprocess_mean")
        self._std = named(QLineEdit(), "preprocess_std")
        self._offset = named(SpinBox(-LARGEST_OFFSET, LARGEST_OFFSET), "label_offset")
        self._build()
        self._connect()
        self.fill(Preprocessing())

    def _side(self, name: str) -> SpinBox:
        box = named(SpinBox(0, LARGEST_SIDE), name)
        box.setSpecialValueText(self.tr("none"))
        box.setMinimumWidth(NUMBER_WIDTH)
        return box

    def _choices(self, name: str, texts: tuple[str, ...]) -> QComboBox:
        box = named(QComboBox(), name)
        box.addItems(texts)
        return box

    def _build(self) -> None:
        self.rows = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(6)
        form.setHorizontalSpacing(14)
        load = named(QPushButton(self.tr("Load…"), autoDefault=False), "preprocess_load")
        load.setToolTip(self.tr("Read a preprocessing file"))
        load.clicked.connect(self.load_requested)
        save = named(QPushButton(self.tr("Save…"), autoDefault=False), "preprocess_save")
        save.setToolTip(self.tr("Write these values as preprocess.json, which the command line takes"))
        save.clicked.connect(self.save_requested)
        form.addRow(self.tr("Preset"), self._row((self._preset, 1), (load, 0), (save, 0)))
        times = (QLabel("×"), QLabel("×"))
        size = self._row((self._resize, 1), (self._height, 0), (times[0], 0), (self._width, 0))
        form.addRow(self.tr("Resize"), size)
        crop = self._row((self._crop_height, 0), (times[1], 0), (self._crop_width, 0), (QLabel(self.tr("pixels")), 1))
        form.addRow(self.tr("Centre crop"), crop)
        form.addRow(self.tr("Channels"), self._row((self._color, 1), (self._layout, 1)))
        form.addRow(self.tr("Scale"), self._scale)
        form.addRow(self.tr("Mean"), self._mean)
        form.addRow(self.tr("Std"), self._std)
        form.addRow(self.tr("Label offset"), self._offset)
        self._describe()

    def _row(self, *widgets: tuple[QWidget, int]) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        for widget, stretch in widgets:
            row.addWidget(widget, stretch)
        return row

    def _describe(self) -> None:
        """Tool tips, and names for screen readers where a row has no label of its own."""
        tips = {
            self._preset: self.tr("Values of common networks, fitted to this model's input"),
            self._resize: self.tr("How the image is resized before the crop"),
            self._height: self.tr("Height, or the shorter side, in pixels"),
            self._width: self.tr("Width in pixels"),
            self._crop_height: self.tr("Height of the centre crop in pixels; 0 for none"),
            self._crop_width: self.tr("Width of the centre crop in pixels; 0 for none"),
            self._color: self.tr("Order of the colour channels that the model expects"),
            self._layout: self.tr("Order of the axes that the model expects"),
            self._scale: self.tr("Pixels 0…255 are multiplied by this first, such as 1/255"),
            self._mean: self.tr("Subtracted after scaling: one number, or one per channel"),
            self._std: self.tr("Divided by at last: one number, or one per channel"),
            self._offset: self.tr("Added to every label; 1 if the model has a background class first"),
        }
        for widget, tip in tips.items():
            widget.setToolTip(tip)
            widget.setAccessibleName(tip)

    def _connect(self) -> None:
        self._preset.activated.connect(self._on_preset_chosen)
        for box in (self._resize, self._color, self._layout):
            box.currentIndexChanged.connect(self._on_edited)
        for side in (self._height, self._width, self._crop_height, self._crop_width, self._offset):
            side.valueChanged.connect(self._on_edited)
        for line in (self._scale, self._mean, self._std):
            line.textChanged.connect(self._on_edited)

    def fill(self, values: Preprocessing, preset: str = "") -> None:
        """Show other values, named after a preset if they are one's."""
        self._is_filling = True
        kind = next((kind for kind in RESIZES[1:] if getattr(values, kind) is not None), "none")
        size = getattr(values, kind) if kind != "none" else (0, 0)
        height, width = (size, 0) if isinstance(size, int) else size
        self._resize.setCurrentIndex(RESIZES.index(kind))
        self._height.setValue(height)
        self._width.setValue(width)
        self._crop_height.setValue(values.crop[0] if values.crop else 0)
        self._crop_width.setValue(values.crop[1] if values.crop else 0)
        self._color.setCurrentText(values.color)
        self._layout.setCurrentText(values.layout)
        self._scale.setText(_format_number(values.scale))
        self._mean.setText(", ".join(map(_format_number, values.mean)))
        self._std.setText(", ".join(map(_format_number, values.std)))
        self._offset.setValue(values.label_offset)
        self._input = values.input
        self._preset.setCurrentIndex(max(0, self._preset.findData(preset)) if preset else 0)
        self._show_sizes()
        self._is_filling = False

    def read(self) -> Preprocessing:
        """What the fields say.

        Raises:
            DataError: a number that is none, or entries that do not fit the channels.
        """
        values = Preprocessing(
            resize_short=self._height.value() or None if self._kind == "resize_short" else None,
            resize=self._size() if self._kind == "resize" else None,
            letterbox=self._size() if self._kind == "letterbox" else None,
            crop=(self._crop_height.value(), self._crop_width.value())
            if self._crop_height.value() and self._crop_width.value()
            else None,
            color=self._color.currentText(),
            layout=self._layout.currentText(),
            scale=_read_number(self._scale.text(), self.tr("Scale")),
            mean=tuple(_read_number(text, self.tr("Mean")) for text in self._mean.text().split(",")),
            std=tuple(_read_number(text, self.tr("Std")) for text in self._std.text().split(",")),
            label_offset=self._offset.value(),
            input=self._input,
        )
        return parse_preprocessing(values.to_json(), self.tr("Preprocessing"))

    @property
    def _kind(self) -> str:
        return RESIZES[self._resize.currentIndex()]

    def _size(self) -> tuple[int, int] | None:
        return (self._height.value(), self._width.value()) if self._height.value() and self._width.value() else None

    def _show_sizes(self) -> None:
        """Only the fields that the way of resizing has."""
        self._height.setEnabled(self._kind != "none")
        self._width.setEnabled(self._kind in ("resize", "letterbox"))

    def _on_edited(self) -> None:
        self._show_sizes()
        if not self._is_filling:
            self._preset.setCurrentIndex(0)
            self.changed.emit()

    def _on_preset_chosen(self, index: int) -> None:
        """The values of the preset at this model's size and layout; the labels keep their offset."""
        chosen = next((preset for preset in self._presets if preset.name == self._preset.itemData(index)), None)
        if chosen is None:
            return
        values = fit_to_input(chosen.preprocessing, self._spec, self.image_size)
        self.fill(dataclasses.replace(values, label_offset=self._offset.value()), chosen.name)
        self.changed.emit()


def _format_number(value: float) -> str:
    """As people write it: 1/255 and 2/255 for the usual scales."""
    for top in (1, 2):
        if abs(value - top / 255) < 1e-12:
            return f"{top}/255"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _read_number(text: str, what: str) -> float:
    try:
        return float(Fraction(text.strip().replace(" ", "")))
    except (ValueError, ZeroDivisionError) as error:
        raise DataError(f"{what}: '{text.strip()}' is no number. Give one such as 0.5 or 1/255.") from error
