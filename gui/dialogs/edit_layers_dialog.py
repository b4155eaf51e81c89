"""Edits many layers at once: which ones, what they get, and whom that reaches."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from enum import StrEnum

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QWidget

from engine.plan import Plan
from engine.summary import LayerSummary
from gui.dialogs.form_dialog import FormDialog
from gui.layer_edits import FULL_CLIP, EditEffect, LayerEdit, match_layers, plan_edit
from gui.layers.choices import (
    Options,
    bits_options,
    describe_effect,
    kernel_options,
    rounding_options,
    scales_options,
)
from gui.naming import named

CLIP_SHARES = (FULL_CLIP, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
MERGED_FIELDS = ("bits", "kernel", "granularity", "rounding", "clip", "is_locked")


class Scope(StrEnum):
    """How the layers are named."""

    SELECTION = "selection"
    OPERATOR = "operator"
    PATTERN = "pattern"
    ALL = "all"


class EditLayersDialog(FormDialog):
    """A form over a sentence that says, with every change of it, whom it reaches.

    Signals:
        edit_requested(names, LayerEdit): do it.
    """

    edit_requested = Signal(object, object)

    def __init__(self, plan: Plan, layers: Sequence[LayerSummary], selected: Sequence[str], parent: QWidget) -> None:
        super().__init__("edit_layers_dialog", parent)
        self.set_texts(self.tr("Edit layers"), self.tr("Edit layers"))
        self._plan, self._layers = plan, layers
        self._selected = [layer for layer in layers if layer.name in set(selected)]
        self._boxes: list[QComboBox] = []
        self._scope = named(QComboBox(), "edit_scope")
        self._operator = named(QComboBox(), "edit_operator")
        self._pattern = named(QLineEdit(placeholderText=self.tr("layer1, or layer*.conv?")), "edit_pattern")
        self._sentence = named(QLabel(wordWrap=True), "edit_sentence")
        self._why = named(QLabel(wordWrap=True), "edit_why")
        self._why.setProperty("role", "dim")
        self._add_scope()
        self._add("edit_bits", self.tr("Bits"), bits_options())
        self._add("edit_kernel", self.tr("Kernel"), kernel_options())
        self._add("edit_scales", self.tr("Scales"), scales_options())
        self._add("edit_rounding", self.tr("Rounding"), rounding_options())
        self._add("edit_clip", self.tr("Clip the weights"), self._clip_options())
        locks = ((self.tr("Lock"), LayerEdit(is_locked=True)), (self.tr("Free"), LayerEdit(is_locked=False)))
        self._add("edit_lock", self.tr("Lock"), locks)
        self.form.addRow(self._sentence)
        self.form.addRow(self._why)
        self._scope.setFocus()
        self._update()

    def _add_scope(self) -> None:
        count = len(self._selected)
        self._scope.addItem(self.tr("Selected layers ({count})").format(count=count), Scope.SELECTION)
        self._scope.addItem(self.tr("Layers of one operator"), Scope.OPERATOR)
        self._scope.addItem(self.tr("Layers by a part of their name"), Scope.PATTERN)
        self._scope.addItem(self.tr("All layers ({count})").format(count=len(self._layers)), Scope.ALL)
        found = collections.Counter(layer.op for layer in self._layers)
        found.update(layer.detail for layer in self._layers if layer.detail != layer.op)
        for name, times in sorted(found.items()):
            self._operator.addItem(self.tr("{name} ({count})").format(name=name, count=times), name)
        self._pattern.setToolTip(self.tr("A part of the name in any case, or all of it with * and ?"))
        self.form.addRow(self.tr("&Which layers"), self._scope)
        self.form.addRow(self.tr("&Operator"), self._operator)
        self.form.addRow(self.tr("&Name"), self._pattern)
        self._scope.currentIndexChanged.connect(self._update)
        self._operator.currentIndexChanged.connect(self._update)
        self._pattern.textChanged.connect(self._update)

    def _add(self, name: str, label: str, options: Options) -> None:
        box = named(QComboBox(), name)
        box.addItem(self.tr("Leave as it is"), LayerEdit())
        for text, edit in options:
            box.addItem(text, edit)
        box.currentIndexChanged.connect(self._update)
        self._boxes.append(box)
        self.form.addRow(label, box)

    def _clip_options(self) -> Options:
        text = self.tr("Keep {percent:.0f} % of the range")
        shares = ((text.format(percent=100 * share), LayerEdit(clip=share)) for share in CLIP_SHARES[1:])
        return ((self.tr("By the range method"), LayerEdit(clip=FULL_CLIP)), *shares)

    @property
    def edit(self) -> LayerEdit:
        """What was chosen in all lists together."""
        chosen: dict[str, object] = {}
        for box in self._boxes:
            part = box.currentData()
            chosen |= {name: value for name in MERGED_FIELDS if (value := getattr(part, name)) is not None}
        return LayerEdit(**chosen)  # type: ignore[arg-type]

    def _named(self) -> Sequence[LayerSummary]:
        """The layers that are meant."""
        scope = Scope(self._scope.currentData())
        if scope == Scope.SELECTION:
            return self._selected
        if scope == Scope.OPERATOR:
            wanted = self._operator.currentData()
            return [layer for layer in self._layers if wanted in (layer.op, layer.detail)]
        return self._layers if scope == Scope.ALL else match_layers(self._layers, self._pattern.text())

    def _update(self) -> None:
        scope = Scope(self._scope.currentData())
        self.form.setRowVisible(self._operator, scope == Scope.OPERATOR)
        self.form.setRowVisible(self._pattern, scope == Scope.PATTERN)
        effect = plan_edit(self._plan, self._named(), self.edit)
        self._sentence.setText(self._describe(effect))
        reason = effect.refused[0][1] if effect.refused and not self.edit.is_empty else ""
        self._why.setText(reason)
        self.form.setRowVisible(self._why, bool(reason))
        self.accept_button.setEnabled(bool(effect.changes))
        self._make_room()

    def _describe(self, effect: EditEffect) -> str:
        meant = len(self._named())
        if not meant:
            return self.tr("No layer is meant yet.")
        if self.edit.is_empty:
            return self.tr("%n layers are meant. Choose what they get.", "", meant)
        return self.tr("{effect}.").format(effect=describe_effect(effect))

    def submit(self) -> None:
        self.edit_requested.emit([layer.name for layer in self._named()], self.edit)
        self.accept()
