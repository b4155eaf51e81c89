"""A box to choose one of the results."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from gui.compare.store import Comparisons, Subject

WIDTH = 230


class ResultBox(QComboBox):
    """Lists what can be run, the float model left out; the newest is chosen when it comes.

    Signals:
        chosen: another result is chosen, or the choice is another one.
    """

    chosen = Signal()

    def __init__(self, store: Comparisons, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(self.tr("Result"))
        self.setToolTip(self.tr("Which result to look at"))
        self.setMinimumWidth(WIDTH)
        self._store = store
        self.currentIndexChanged.connect(self.chosen)
        store.changed.connect(self._fill)
        self._fill()

    @property
    def subject(self) -> Subject | None:
        """The chosen result."""
        path = self.currentData()
        return next((subject for subject in self._store.results if subject.path == path), None)

    def _fill(self) -> None:
        paths = [self.itemData(at) for at in range(self.count())]
        wanted = self._store.results
        if paths == [subject.path for subject in wanted]:
            return
        with QSignalBlocker(self):
            self.clear()
            for subject in wanted:
                self.addItem(subject.name, subject.path)
            self.setCurrentIndex(len(wanted) - 1)
        self.chosen.emit()
