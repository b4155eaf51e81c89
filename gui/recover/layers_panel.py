"""The layers that the running conversion, or the selected step, has changed, under a line that says by what."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.recovery.report import RecoverStep
from gui.elided_label import ElidedLabel
from gui.naming import named
from gui.recover.figures import newest_first
from gui.recover.layers_table import LayersTable
from gui.recover.steps_table import StepsTable
from gui.recover.store import Recovery
from gui.recover.texts import method_title, step_title
from gui.session import Session
from gui.theme import Theme

PAUSE_MS = 250


class LayersPanel(QWidget):
    """Follows `recovery` a few times a second, and the step that is selected in `steps` at once."""

    def __init__(self, session: Session, recovery: Recovery, steps: StepsTable, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._recovery, self._steps = session, recovery, steps
        self._title = named(ElidedLabel(), "recover_layers_title")
        self._title.setProperty("role", "section")
        self._table = LayersTable(session, theme, self)
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self._title)
        layout.addWidget(self._table, 1)
        recovery.changed.connect(self._show)
        recovery.layers_changed.connect(self._on_layers_changed)
        steps.view.selectionModel().currentRowChanged.connect(self._show)
        self._timer.timeout.connect(self._show)

    def _on_layers_changed(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _show(self) -> None:
        recovery, step = self._recovery, self._steps.selected
        if recovery.layers:
            self._show_running()
            return
        found = newest_first(recovery.layers_of(step).values(), step.rung) if step is not None else []
        self._table.show_layers(found)
        self._title.setText(self.tr("Layers") if step is None else self._describe(step, is_known=bool(found)))

    def _show_running(self) -> None:
        figures = newest_first(self._recovery.layers.values())
        done = sum(figure.key[1] == figures[0].key[1] for figure in figures)
        text = self.tr("SQNR of the layers so far, in dB: {method} ({n})")
        self._title.setText(text.format(method=method_title(figures[0].method), n=done))
        self._table.show_layers(figures)

    def _describe(self, step: RecoverStep, *, is_known: bool) -> str:
        known = self.tr("SQNR of the layers, in dB: {method}")
        none = self.tr("Layers: “{method}” has no figures of single ones")
        earlier = self.tr("Layers: an earlier run measured “{method}”, and kept the network's figures only")
        text = known if is_known else none if step.seconds else earlier
        return text.format(method=step_title(step, self._session))
