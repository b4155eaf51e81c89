"""The panel of the selected layer: what it is, how it is quantized, what its weights look like."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from engine.numerics.schemes import (
    WEIGHT_BITS,
    Granularity,
    Kernel,
    PerChannel,
    PerGroup,
    PerTensor,
    RangeMethod,
    Rounding,
)
from engine.plan import LayerPlan
from engine.stored_weights import stored_weight_bytes
from engine.summary import LayerSummary
from engine.units import format_bytes
from gui.diagnosis_box import DiagnosisBox
from gui.elided_label import ElidedLabel
from gui.engine_texts import translate_reason
from gui.histogram_feed import HistogramFeed
from gui.metrics import format_metric, metric_name
from gui.naming import named
from gui.plan_edits import (
    GROUP_SIZES,
    REASON,
    Candidate,
    candidate_for_bits,
    candidate_for_kernel,
    candidate_for_scheme,
    check,
    is_edited_since,
)
from gui.session import Session
from gui.theme import Theme
from gui.units import NOTHING, format_count

if TYPE_CHECKING:
    from gui.histogram_plot import HistogramPlot

WIDTH = 316
PLOT_HEIGHT = 150
Builder = Callable[[object], Candidate]


class Inspector(QScrollArea):
    """Shows one layer; every edit is one undoable change of the plan.

    Signals:
        rounding_requested(Rounding): for this layer and those that are selected with it.
    """

    rounding_requested = Signal(object)

    def __init__(
        self,
        session: Session,
        feed: HistogramFeed,
        diagnosis: DiagnosisBox,
        theme: Theme,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self.setAccessibleName(self.tr("Selected layer"))
        self._session = session
        self._feed = feed
        self._theme = theme
        self._diagnosis = diagnosis
        self._builders: dict[QComboBox, Builder] = {}
        self._title = self._label("inspector_title", "title")
        self._title.setWordWrap(True)
        self._empty = self._label("inspector_empty", "dim")
        self._empty.setText(self.tr("Select a layer to see and change how it is quantized."))
        self._empty.setWordWrap(True)
        self._weight = named(ElidedLabel(), "inspector_weight")
        self._parameters = self._label("inspector_parameters")
        self._macs = self._label("inspector_macs")
        self._loss = self._label("inspector_loss")
        self._reason = self._label("inspector_reason", "dim")
        self._reason.setWordWrap(True)
        self._reason_title = self._label("inspector_reason_title", "section")
        self._reason_title.setText(self.tr("Why these bits"))
        self._stored = self._label("inspector_stored")
        self._bits = self._box("inspector_bits", self.tr("Bits of the weights"), self._with_bits)
        self._kernel = self._box("inspector_kernel", self.tr("How the layer is computed"), self._with_kernel)
        self._granularity = self._box("inspector_granularity", self.tr("Who shares a scale"), self._with_granularity)
        self._group = self._box("inspector_group_size", self.tr("Weights that share a scale"), self._with_granularity)
        self._symmetric = self._box("inspector_symmetric", self.tr("Where the zero point is"), self._with_symmetric)
        self._range = self._box("inspector_range", self.tr("How the clipping range is chosen"), self._with_range)
        self._rounding = self._box("inspector_rounding", self.tr("How the codes are chosen"), self._with_rounding)
        self._plot_title = self._label("inspector_plot_title", "section")
        self._plot_place = named(QWidget(), "inspector_plot_place")
        self._plot_place.setFixedHeight(PLOT_HEIGHT)
        self._plot: HistogramPlot | None = None
        self._fill_boxes()
        self._build_layout()
        self._connect()
        self._show()
        self._show_histogram()

    # --- building ------------------------------------------------------------------------------

    def _label(self, name: str, role: str = "") -> QLabel:
        label = named(QLabel(), name)
        label.setProperty("role", role)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _box(self, name: str, tip: str, builder: Builder) -> QComboBox:
        box = named(QComboBox(), name)
        box.setAccessibleName(tip)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(10)
        box.setPlaceholderText(NOTHING)
        box.setToolTip(tip)
        box.activated.connect(lambda _index: self._edit(box))
        self._builders[box] = builder
        return box

    def _fill_boxes(self) -> None:
        for bits in WEIGHT_BITS:
            text = self.tr("{bits} bits, float") if bits > 8 else self.tr("{bits} bits")
            self._bits.addItem(text.format(bits=bits), bits)
        names = {
            Kernel.FLOAT: self.tr("float"),
            Kernel.QLINEAR: self.tr("qlinear: static INT8"),
            Kernel.DYNAMIC: self.tr("dynamic INT8"),
            Kernel.NBITS: self.tr("nbits: packed in memory"),
        }
        for kernel, text in names.items():
            self._kernel.addItem(text, kernel)
        self._granularity.addItem(self.tr("Per tensor"), PerTensor())
        self._granularity.addItem(self.tr("Per channel"), PerChannel())
        self._granularity.addItem(self.tr("Groups"), PerGroup())
        for size in GROUP_SIZES:
            self._group.addItem(self.tr("{size} weights").format(size=size), PerGroup(size))
        self._symmetric.addItem(self.tr("Symmetric"), True)
        self._symmetric.addItem(self.tr("Asymmetric"), False)
        self._range.setPlaceholderText(self.tr("Clipped by hand"))
        self._range.addItem(self.tr("Smallest error (MSE)"), RangeMethod.MSE)
        self._range.addItem(self.tr("Full range (min–max)"), RangeMethod.MINMAX)
        self._range.addItem(self.tr("Without tails (percentile)"), RangeMethod.PERCENTILE)
        self._rounding.addItem(self.tr("To the nearest code"), Rounding.NEAREST)
        self._rounding.addItem(self.tr("GPTQ: by what it reads"), Rounding.GPTQ)
        self._rounding.addItem(self.tr("AdaRound: learnt"), Rounding.ADAROUND)

    def _build_layout(self) -> None:
        content = named(QWidget(), "inspector_content")
        layout = QVBoxLayout(content)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(10)
        layout.addWidget(self._title)
        layout.addWidget(self._empty)
        self._details = named(QWidget(content), "inspector_details")
        form = QFormLayout(self._details)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(7)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, field in self._rows():
            label = QLabel(text)
            label.setProperty("role", "dim")
            label.setBuddy(field)
            form.addRow(label, field)
        layout.addWidget(self._details)
        layout.addWidget(self._diagnosis)
        layout.addWidget(self._reason_title)
        layout.addWidget(self._reason)
        layout.addWidget(self._plot_title)
        layout.addWidget(self._plot_place)
        layout.addStretch(1)
        self._column = layout
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(WIDTH)

    def add_below(self, widget: QWidget) -> None:
        """Put something under what is said of the layer."""
        self._column.insertWidget(self._column.count() - 1, widget)

    def _rows(self) -> Iterable[tuple[str, QWidget]]:
        return (
            (self.tr("Weight"), self._weight),
            (self.tr("Parameters"), self._parameters),
            (self.tr("MACs"), self._macs),
            (self.tr("Bits"), self._bits),
            (self.tr("Kernel"), self._kernel),
            (self.tr("Scales"), self._granularity),
            (self.tr("Group size"), self._group),
            (self.tr("Zero point"), self._symmetric),
            (self.tr("Range"), self._range),
            (self.tr("Rounding"), self._rounding),
            (self.tr("Loses"), self._loss),
            (self.tr("Stored"), self._stored),
        )

    def _connect(self) -> None:
        self._session.model_changed.connect(self._show)
        self._session.selection_changed.connect(self._show)
        self._session.plan_changed.connect(self._on_layers_changed)
        self._session.sensitivity_changed.connect(self._on_layers_changed)
        self._session.metric_changed.connect(self._show)
        self._feed.histogram_changed.connect(self._show_histogram)

    def _on_layers_changed(self, names: frozenset[str]) -> None:
        if self._session.selected in names:
            self._show()
        else:
            self._show_reason(self._layer())

    # --- showing -------------------------------------------------------------------------------

    def _show(self) -> None:
        layer = self._layer()
        for widget in (self._details, self._plot_place, self._plot_title):
            widget.setVisible(layer is not None)
        self._show_reason(layer)
        self._empty.setVisible(layer is None)
        self._title.setText(layer.title if layer else self.tr("No layer selected"))
        if layer is not None:
            self._show_layer(layer, self._choice(layer))

    def _show_layer(self, layer: LayerSummary, choice: LayerPlan) -> None:
        scheme = choice.weights
        self._weight.setText(f"{layer.detail}  [{', '.join(map(str, layer.weight_shape))}]")
        self._parameters.setText(f"{layer.parameters:,}")
        self._macs.setText(
            NOTHING if layer.macs is None else self.tr("{n} per sample").format(n=format_count(layer.macs))
        )
        self._loss.setText(self._describe_loss(layer, scheme.bits))
        sizes = self.tr("{size}  (float {float_size})").format(
            size=format_bytes(stored_weight_bytes(layer, choice)), float_size=format_bytes(layer.float_bytes)
        )
        self._stored.setText(sizes)
        self._select(self._bits, scheme.bits)
        self._select(self._kernel, choice.kernel)
        is_group = isinstance(scheme.granularity, PerGroup)
        self._select(self._granularity, PerGroup() if is_group else scheme.granularity)
        self._select(self._group, scheme.granularity)
        self._select(self._symmetric, scheme.symmetric)
        self._select(self._range, None if scheme.is_integer and scheme.clip is not None else scheme.range_method)
        self._select(self._rounding, choice.rounding if scheme.is_integer else None)
        for box in (self._granularity, self._symmetric, self._range, self._rounding):
            box.setEnabled(scheme.is_integer)
        self._group.setEnabled(scheme.is_integer and is_group)
        for box in self._builders:
            self._offer(box)
        self._plot_title.setText(self._plot_heading(scheme.bits))

    def _describe_loss(self, layer: LayerSummary, bits: int) -> str:
        """What the layer alone loses with these bits, in the metric of the cells."""
        row, metric = self._session.rows.get(layer.name), self._session.metric
        if bits == 32:
            return self.tr("nothing")
        value = row.value(bits, metric) if row else None
        if value is None:
            return self.tr("not measured")
        return self.tr("{name} {figure}").format(name=metric_name(metric), figure=format_metric(metric, value))

    def _show_reason(self, layer: LayerSummary | None) -> None:
        """Why the allocation gave the layer its bits, if it did, and whether its figures are those of this plan."""
        reason = str(self._choice(layer).extra.get(REASON, "")) if layer is not None else ""
        plan, text = self._session.plan, translate_reason(reason)
        if reason and plan is not None and is_edited_since(plan, self._session.rows):
            text += "\n" + self.tr("Figures of the plan as it was assigned; layers were changed by hand since.")
        self._reason.setText(text)
        for widget in (self._reason, self._reason_title):
            widget.setVisible(bool(reason))

    def _plot_heading(self, bits: int) -> str:
        return self.tr("Weights") if bits > 8 else self.tr("Weights and {bits}-bit grid").format(bits=bits)

    def _show_histogram(self) -> None:
        if self._plot is None:
            if self._feed.current is None:
                return
            self._plot = self._build_plot()
        self._plot.show_histogram(self._feed.current)

    def _build_plot(self) -> HistogramPlot:
        """With the first histogram: what plots need takes longer to load than all the rest of the panel."""
        from gui.histogram_plot import HistogramPlot

        plot = named(HistogramPlot(self._theme, is_small=True, parent=self._plot_place), "inspector_histogram")
        layout = QVBoxLayout(self._plot_place)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(plot)
        return plot

    def _select(self, box: QComboBox, value: object) -> None:
        found = next((at for at in range(box.count()) if box.itemData(at) == value), -1)
        box.setCurrentIndex(found)

    def _offer(self, box: QComboBox) -> None:
        """Enable the options that the layer can take; the others say why not."""
        items = box.model()
        assert isinstance(items, QStandardItemModel)
        for at in range(box.count()):
            candidate = self._builders[box](box.itemData(at))
            items.item(at).setEnabled(candidate.plan is not None)
            items.item(at).setToolTip(candidate.reason)

    # --- editing -------------------------------------------------------------------------------

    def _layer(self) -> LayerSummary | None:
        return self._session.layer(self._session.selected)

    def _choice(self, layer: LayerSummary) -> LayerPlan:
        assert self._session.plan is not None
        return self._session.plan.layer(layer.name)

    def _edit(self, box: QComboBox) -> None:
        candidate = self._builders[box](box.currentData())
        if candidate.plan is None:
            self._show()
        elif box is self._rounding:
            self.rounding_requested.emit(Rounding(str(box.currentData())))
            self._show()
        else:
            self._session.edit_layer(self._session.selected, candidate.plan, box.currentText())

    def _with_bits(self, bits: object) -> Candidate:
        layer, plan = self._layer(), self._session.plan
        assert layer is not None
        assert plan is not None
        assert isinstance(bits, int)
        if bits == plan.layer(layer.name).weights.bits:
            return check(layer, plan.layer(layer.name))
        return candidate_for_bits(layer, plan, bits)

    def _with_kernel(self, kernel: object) -> Candidate:
        layer, plan = self._layer(), self._session.plan
        assert layer is not None
        assert plan is not None
        return candidate_for_kernel(layer, plan, Kernel(str(kernel)))

    def _with_granularity(self, granularity: object) -> Candidate:
        assert isinstance(granularity, Granularity)
        return self._with_scheme("granularity", granularity)

    def _with_symmetric(self, symmetric: object) -> Candidate:
        return self._with_scheme("symmetric", symmetric)

    def _with_range(self, method: object) -> Candidate:
        return self._with_scheme("range_method", RangeMethod(str(method)), clip=None)

    def _with_rounding(self, rounding: object) -> Candidate:
        layer = self._layer()
        assert layer is not None
        return check(layer, dataclasses.replace(self._choice(layer), rounding=Rounding(str(rounding))))

    def _with_scheme(self, field: str, value: object, **others: object) -> Candidate:
        layer = self._layer()
        assert layer is not None
        choice = self._choice(layer)
        changes: dict[str, object] = {field: value, **others}
        return candidate_for_scheme(layer, choice, dataclasses.replace(choice.weights, **changes))  # type: ignore[arg-type]
