"""What the colours of the boxes mean."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.layers.legend import Legend
from gui.session import Session
from gui.theme import Theme


class GraphLegend(Legend):
    """The legend of the heatmap, with the ends of whatever quantity is shown."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self.setObjectName("graph_legend")

    def show_ends(self, ends: tuple[str, str]) -> None:
        """Write what the dark and the yellow end stand for."""
        self._texts = (*ends, self.tr("not measured"))
        tip = self.tr("Dark blue: {low}, yellow: {high}; hatched boxes were not measured")
        self.setToolTip(tip.format(low=ends[0], high=ends[1]))
        self.updateGeometry()
        self.update()

    @override
    def _show(self) -> None:
        """The page says when."""
