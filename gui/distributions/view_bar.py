"""What of a layer is looked at on the Distributions page, and how it is drawn."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QWidget

from gui.naming import named
from gui.spin_box import SpinBox


class Subject(StrEnum):
    """Whose values are shown."""

    WEIGHTS = "weights"
    INPUTS = "inputs"


class ViewBar(QWidget):
    """The row of switches above the plot.

    Signals:
        view_changed: other values are asked for: weights or inputs, all channels or one.
        log_toggled(bool), quantized_toggled(bool): how they are drawn.
        reset_requested: back to the automatic range.
    """

    view_changed = Signal()
    log_toggled = Signal(bool)
    quantized_toggled = Signal(bool)
    reset_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._subject = named(QComboBox(), "distribution_subject")
        self._subject.setAccessibleName(self.tr("Values to show"))
        self._subject.setToolTip(self.tr("Show the layer's weights, or what it reads"))
        self._subject.addItem(self.tr("Weights"), Subject.WEIGHTS)
        self._subject.addItem(self.tr("Input activations"), Subject.INPUTS)
        self._extent = named(QComboBox(), "distribution_extent")
        self._extent.setAccessibleName(self.tr("Part of the weight"))
        self._extent.setToolTip(self.tr("Show the whole weight or one output channel"))
        self._extent.addItem(self.tr("Whole tensor"))
        self._extent.addItem(self.tr("One channel"))
        self._channel = named(SpinBox(0, 0), "distribution_channel")
        self._channel.setAccessibleName(self.tr("Output channel"))
        self._channel.setToolTip(self.tr("The output channel to show; a click on the strip below picks one, too"))
        self._channel.setPrefix(self.tr("channel "))
        self._channel.setKeyboardTracking(False)
        self._automatic = named(QPushButton(self.tr("Automatic")), "distribution_automatic")
        self._automatic.setToolTip(self.tr("Take the clip range back to what is found without you (Home)"))
        self._automatic.setEnabled(False)
        self._build_layout()
        self._subject.currentIndexChanged.connect(self.view_changed)
        self._extent.currentIndexChanged.connect(self._on_extent_changed)
        self._channel.valueChanged.connect(self.view_changed)
        self._automatic.clicked.connect(self.reset_requested)

    def _build_layout(self) -> None:
        log = named(QCheckBox(self.tr("Log scale")), "log_scale")
        log.setToolTip(self.tr("Show log10(1 + values per bin), so that the tails can be seen"))
        log.toggled.connect(self.log_toggled)
        quantized = named(QCheckBox(self.tr("Quantized")), "quantized_overlay")
        quantized.setToolTip(self.tr("Draw where the values end up; heights are lowered where few levels pile up"))
        quantized.setChecked(True)
        quantized.toggled.connect(self.quantized_toggled)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        widgets: tuple[QWidget, ...] = (self._subject, self._extent, self._channel)
        for widget in widgets:
            layout.addWidget(widget)
        layout.addStretch(1)
        widgets = (quantized, log, self._automatic)
        for widget in widgets:
            layout.addWidget(widget)

    @property
    def subject(self) -> Subject:
        """Whose values are shown."""
        return Subject(self._subject.currentData())

    @property
    def channel(self) -> int | None:
        """The output channel; None for the whole weight."""
        return self._channel.value() if self._extent.currentIndex() == 1 else None

    def show_channel(self, channel: int) -> None:
        """Look at one channel."""
        self._channel.setValue(channel)
        self._extent.setCurrentIndex(1)

    def set_channels(self, channels: int) -> None:
        """Another layer, with so many channels; it is shown as a whole."""
        for box in (self._channel, self._extent):
            box.blockSignals(True)
        self._channel.setRange(0, max(channels - 1, 0))
        self._channel.setValue(0)
        self._extent.setCurrentIndex(0)
        self._channel.setEnabled(False)
        for box in (self._channel, self._extent):
            box.blockSignals(False)

    def set_channels_shown(self, is_shown: bool) -> None:  # noqa: FBT001 - as setVisible
        """Weights have channels; inputs share one range."""
        self._extent.setVisible(is_shown)
        self._channel.setVisible(is_shown)

    def set_automatic(self, is_possible: bool) -> None:  # noqa: FBT001 - as setEnabled
        """Whether there is a range to take back."""
        self._automatic.setEnabled(is_possible)

    def _on_extent_changed(self) -> None:
        self._channel.setEnabled(self._extent.currentIndex() == 1)
        self.view_changed.emit()
