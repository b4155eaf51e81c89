"""The menu of presets for targets: read when it is about to be seen, so that users' own files are in it."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from engine.errors import BitsmithError
from engine.presets import Preset, apply_preset, load_presets
from gui.engine_texts import translate_name
from gui.naming import named
from gui.notify import Notifier
from gui.session import Session


class PresetMenu(QMenu):
    """One action per preset; it changes the plan's defaults and all layers that are not locked, in one step."""

    def __init__(self, session: Session, notifier: Notifier, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("menu_presets")
        self.setTitle(self.tr("&Preset"))
        self.setToolTipsVisible(True)
        self._session = session
        self._notifier = notifier
        self._actions: list[QAction] = []
        self.aboutToShow.connect(self._fill)
        session.model_changed.connect(self._update)
        self._fill()

    def _fill(self) -> None:
        self.clear()
        self._actions = []
        try:
            presets = load_presets()
        except BitsmithError as error:
            action = named(QAction(self.tr("A preset is malformed…"), self), "preset_problem")
            action.setToolTip(str(error))
            sentence = str(error)
            action.triggered.connect(lambda _checked=False: self._notifier.error(sentence))
            self._add(action)
            return
        for preset in presets:
            action = named(QAction(translate_name(preset.title).replace("&", "&&"), self), f"preset_{preset.name}")
            action.setToolTip(translate_name(preset.description))
            action.setStatusTip(action.toolTip())
            action.triggered.connect(lambda _checked=False, preset=preset: self.apply(preset))
            self._add(action)
        self._update()

    def _add(self, action: QAction) -> None:
        self._actions.append(action)
        self.addAction(action)

    def _update(self) -> None:
        for action in self._actions:
            action.setEnabled(self._session.model is not None or action.objectName() == "preset_problem")

    def apply(self, preset: Preset) -> None:
        """Change the plan, and say in the log what became of it."""
        model, plan = self._session.model, self._session.plan
        if model is None or plan is None:
            return
        changed = apply_preset(plan, model, preset)
        self._session.change_plan(changed, self.tr("preset {title}").format(title=translate_name(preset.title)))
        layers = sum(changed.layer(layer.name) != plan.layer(layer.name) for layer in model.layers)
        locked = sum(plan.layer(layer.name).is_locked for layer in model.layers)
        text = self.tr(
            "Preset {title}: {bits} bits, {activations} activations; layers changed: {changed}, locked ones kept: "
            "{locked}. It wants {samples} samples for calibration."
        )
        self._notifier.note(
            text.format(
                title=translate_name(preset.title),
                bits=preset.bits,
                activations=changed.defaults.activations,
                changed=layers,
                locked=locked,
                samples=preset.samples,
            )
        )
