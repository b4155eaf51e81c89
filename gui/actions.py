"""Everything the user can do, as data: name, text, key, tip, and when it is possible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Flag, auto

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QUndoStack

from engine.numerics.schemes import WEIGHT_BITS
from gui.naming import named
from gui.theme import ThemeMode
from gui.translation import Language

RUN_ACTIONS = ("action_run_plan", "action_run_compare", "action_run_pin", "action_run_note", "action_run_delete")
"""What can be done with the runs that are selected on the History page."""


class Needs(Flag):
    """What must be there before an action can be used."""

    NOTHING = 0
    MODEL = auto()
    RESULTS = auto()
    CELLS = auto()
    IDLE = auto()
    RUN = auto()


@dataclass(frozen=True)
class ActionSpec:
    """One action."""

    name: str
    text: str
    tip: str
    keys: str = ""
    needs: Needs = Needs.NOTHING


class Actions(QObject):
    """Creates the actions; the window connects them."""

    def __init__(self, undo_stack: QUndoStack, parent: QObject) -> None:
        super().__init__(parent)
        self._owner = parent
        self._needs: dict[str, Needs] = {}
        self._tips: dict[str, str] = {}
        self._actions: dict[str, QAction] = {}
        self._available = Needs.NOTHING
        for spec in (*self._step_specs(), *self._project_specs(), *self._run_specs(), *self._other_specs()):
            self._add(spec)
        self._add_undo(undo_stack)
        self._add_bits()
        self._add_themes()
        self._add_languages()
        for name in RUN_ACTIONS:
            self._actions[name].setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def all(self) -> Iterable[QAction]:
        """Every action, in the order of creation."""
        return self._actions.values()

    def connect_all(self, handlers: dict[str, Callable[[], None]]) -> None:
        """Connect each named action with what it does."""
        for name, handler in handlers.items():
            self._actions[name].triggered.connect(lambda _checked=False, handler=handler: handler())

    def update(self, available: Needs) -> None:
        """Enable what is possible now; the tool tips of the others say what they wait for."""
        self._available = available
        for name, needs in self._needs.items():
            self._actions[name].setEnabled(needs in available)
            why_not = "" if needs in available else self.why_not(name)
            self._actions[name].setToolTip(f"{self._tips[name]}\n{why_not}".rstrip())

    def why_not(self, name: str) -> str:
        """What an action that is disabled waits for, in a sentence; "" if nothing is known to be missing."""
        if name == "action_cancel":
            return self.tr("No job is running")
        missing = self._needs.get(name, Needs.NOTHING) & ~self._available
        reasons = {
            Needs.MODEL: self.tr("Open a model first"),
            Needs.IDLE: self.tr("Wait until the job is done, or cancel it"),
            Needs.RESULTS: self.tr("Convert the model first"),
            Needs.CELLS: self.tr("Analyse the layers first"),
            Needs.RUN: self.tr("Select a run on the History page first"),
        }
        return next((text for need, text in reasons.items() if need in missing), "")

    def _add(self, spec: ActionSpec) -> QAction:
        action = named(QAction(spec.text, self._owner), spec.name)
        action.setIconText(plain_text(action).rstrip("…"))
        action.setShortcut(QKeySequence(spec.keys))
        keys = f" ({spec.keys})" if spec.keys else ""
        self._tips[spec.name] = spec.tip + keys
        action.setToolTip(self._tips[spec.name])
        action.setStatusTip(spec.tip)
        self._actions[spec.name] = action
        self._needs[spec.name] = spec.needs
        return action

    def _step_specs(self) -> tuple[ActionSpec, ...]:
        model, idle = Needs.MODEL | Needs.IDLE, Needs.IDLE
        results = Needs.MODEL | Needs.RESULTS | Needs.IDLE
        tr = self.tr
        return (
            ActionSpec("action_open", tr("&Open…"), tr("Open an ONNX model"), "Ctrl+O", idle),
            ActionSpec("action_data", tr("&Data…"), tr("Choose calibration and evaluation data"), "Ctrl+D", model),
            ActionSpec("action_analyse", tr("&Analyse…"), tr("Measure what every layer can bear"), "Ctrl+R", model),
            ActionSpec("action_auto_assign", tr("Auto-a&ssign…"), tr("Choose bits for a budget"), "Ctrl+B", model),
            ActionSpec("action_convert", tr("&Convert…"), tr("Write the quantized model"), "Ctrl+Return", model),
            ActionSpec(
                "action_recover",
                tr("&Recover"),
                tr("Try better and better ways to round, until a target is met"),
                "Ctrl+Shift+R",
                model,
            ),
            ActionSpec("action_benchmark", tr("&Benchmark"), tr("Time float and results in turn"), "Ctrl+T", model),
            ActionSpec("action_compare", tr("Co&mpare"), tr("Evaluate the results against float"), "Ctrl+M", results),
            ActionSpec("action_export", tr("&Export…"), tr("Copy a result, or bundle it"), "Ctrl+E", results),
            ActionSpec("action_report", tr("Re&port…"), tr("Write one page that shows everything"), "Ctrl+P", model),
        )

    def _project_specs(self) -> tuple[ActionSpec, ...]:
        tr = self.tr
        return (
            ActionSpec(
                "action_open_project",
                tr("Open &project…"),
                tr("Open a .bitsmith file: plan, measurements and history of a model"),
                "Ctrl+Shift+O",
                Needs.IDLE,
            ),
            ActionSpec("action_save", tr("&Save project"), tr("Save everything but the model"), "Ctrl+S", Needs.MODEL),
            ActionSpec(
                "action_save_as",
                tr("Save project &as…"),
                tr("Save everything but the model under another name"),
                "Ctrl+Shift+S",
                Needs.MODEL,
            ),
        )

    def _run_specs(self) -> tuple[ActionSpec, ...]:
        """Their keys work on the History page only."""
        tr, run = self.tr, Needs.RUN
        return (
            ActionSpec("action_run_plan", tr("&Take this plan"), tr("Make the plan of this run the plan"), "T", run),
            ActionSpec(
                "action_run_compare",
                tr("Show in &Compare"),
                tr("Show the runs in Compare and Benchmark, or hide them there"),
                "C",
                run,
            ),
            ActionSpec("action_run_pin", tr("&Pin"), tr("Pin the runs at the top, or free them"), "P", run),
            ActionSpec("action_run_note", tr("Edit the &note"), tr("Write a note on this run"), "F2", run),
            ActionSpec("action_run_delete", tr("&Delete…"), tr("Delete the runs from the history"), "Del", run),
        )

    def _other_specs(self) -> tuple[ActionSpec, ...]:
        tr = self.tr
        return (
            ActionSpec(
                "action_open_sample",
                tr("Open the &sample"),
                tr("A small digit recogniser with its data"),
                "",
                Needs.IDLE,
            ),
            ActionSpec(
                "action_latency",
                tr("Measure layer &times"),
                tr("Time every layer on every kernel of this computer"),
                "Ctrl+Shift+T",
                Needs.MODEL | Needs.IDLE,
            ),
            ActionSpec(
                "action_measure_plan",
                tr("Measure this &plan"),
                tr("Run the whole plan on the calibration data, and see how far the prediction is off"),
                "Ctrl+Shift+M",
                Needs.MODEL | Needs.CELLS | Needs.IDLE,
            ),
            ActionSpec(
                "action_collect",
                tr("Collect acti&vations"),
                tr("Run the calibration data once, to see what every layer reads"),
                "Ctrl+Shift+D",
                Needs.MODEL | Needs.IDLE,
            ),
            ActionSpec(
                "action_add_result",
                tr("Add model &file…"),
                tr("Compare a model from elsewhere with float and the results"),
                "Ctrl+Shift+A",
                Needs.MODEL,
            ),
            ActionSpec(
                "action_thresholds",
                tr("Alert t&hresholds…"),
                tr("Choose the limits of memory, latency and loss beyond which Compare raises an alert"),
                needs=Needs.MODEL,
            ),
            ActionSpec(
                "action_save_table",
                tr("Save the comparison as CS&V…"),
                tr("Write the table of Compare into a file"),
                needs=Needs.MODEL,
            ),
            ActionSpec("action_cancel", tr("Cancel the &job"), tr("Stop what is running"), "Esc"),
            ActionSpec("action_quit", tr("&Quit"), tr("Close Bitsmith"), "Ctrl+Q"),
            ActionSpec("action_filter", tr("&Filter layers"), tr("Go to the filter"), "Ctrl+F", Needs.MODEL),
            ActionSpec("action_lock", tr("&Lock or free"), tr("Selected layers keep their bits"), "L", Needs.MODEL),
            ActionSpec(
                "action_edit_layers",
                tr("&Edit layers…"),
                tr("Give many layers other choices: the selected ones, an operator's, or by name"),
                "Ctrl+Shift+E",
                Needs.MODEL,
            ),
            ActionSpec(
                "action_copy_rows",
                tr("&Copy rows"),
                tr("Copy the selected rows of the table, for spreadsheets"),
                "Ctrl+C",
                Needs.MODEL,
            ),
            ActionSpec(
                "action_palette",
                tr("&Find a command…"),
                tr("Find every command, page and layer by a few letters"),
                "Ctrl+K",
            ),
            ActionSpec("action_keys", tr("&Keys"), tr("Show everything that can be done by keyboard"), "F1"),
            ActionSpec("action_about", tr("&About Bitsmith"), tr("Version and platform")),
        )

    def _add_undo(self, stack: QUndoStack) -> None:
        for name, action, keys in (
            ("action_undo", stack.createUndoAction(self._owner, self.tr("&Undo")), ("Ctrl+Z",)),
            ("action_redo", stack.createRedoAction(self._owner, self.tr("&Redo")), ("Ctrl+Y", "Ctrl+Shift+Z")),
        ):
            action.setObjectName(name)
            action.setShortcuts([QKeySequence(key) for key in keys])
            self._actions[name] = action

    def _add_bits(self) -> None:
        """Keys 1 to 5 work on the Layers page only, so that digits can be typed elsewhere."""
        for key, bits in enumerate(WEIGHT_BITS, start=1):
            text = self.tr("Give {bits} bits").format(bits=bits)
            tip = self.tr("Give the selected layers {bits} bits").format(bits=bits)
            self._add(ActionSpec(f"action_bits_{bits}", text, tip, str(key), Needs.MODEL))
        self["action_palette"].setShortcuts([QKeySequence("Ctrl+K"), QKeySequence("Ctrl+Shift+P")])
        for name in ("action_lock", "action_copy_rows", *(f"action_bits_{bits}" for bits in WEIGHT_BITS)):
            self._actions[name].setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

    def _add_themes(self) -> None:
        texts = {
            ThemeMode.DARK: self.tr("&Dark"),
            ThemeMode.LIGHT: self.tr("&Light"),
            ThemeMode.SYSTEM: self.tr("&As the system"),
        }
        group = QActionGroup(self)
        for mode, text in texts.items():
            action = self._add(ActionSpec(f"action_theme_{mode}", text, self.tr("Colours of the window")))
            action.setCheckable(True)
            group.addAction(action)

    def _add_languages(self) -> None:
        """A running job keeps telling what it does in the language it was started in, so it is waited for."""
        texts = {
            Language.ENGLISH: "&English",
            Language.CHINESE: "&简体中文",
            Language.SYSTEM: self.tr("&As the system", "language"),
        }
        tip = self.tr("Language of the window, at once; not while a job runs")
        group = QActionGroup(self)
        for language, text in texts.items():
            action = self._add(ActionSpec(f"action_language_{language}", text, tip, needs=Needs.IDLE))
            action.setCheckable(True)
            group.addAction(action)


def plain_text(action: QAction) -> str:
    """What an action is called, without the mark of its key: "File" of "&File", "文件" of "文件(&F)"."""
    return re.sub(r"\(&.\)|&", "", action.text())
