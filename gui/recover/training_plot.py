"""The curves of a distillation: loss of what is learnt from and of what is held out, against steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.requests.conversion import DistillationPoint
from gui.compare.latency_plot import build_plot, color_plot
from gui.saving import PlotSaver
from gui.theme import Theme

CONTEXT = "Recover"


class TrainingPlot(QWidget):
    """Curves over `show_points`.

    Attributes:
        held_out: the curve of the samples that are held out.
    """

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        tr = QCoreApplication.translate
        labels = (tr(CONTEXT, "steps of distillation"), tr(CONTEXT, "loss against float"))
        self.plot = build_plot("recover_training", tr(CONTEXT, "Loss of the distillation against steps"), labels, self)
        item = self.plot.getPlotItem()
        item.showGrid(x=True, y=True, alpha=0.12)
        item.addLegend(offset=(-8, 8))
        self._loss = item.plot([], [], name=tr(CONTEXT, "learnt from"))
        self.held_out = item.plot([], [], name=tr(CONTEXT, "held out"))
        self._best = pg.ScatterPlotItem(pxMode=True)
        item.addItem(self._best)
        PlotSaver(self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_points(self, points: Sequence[DistillationPoint]) -> None:
        """Draw the points so far; the best held-out loss has a dot."""
        color_plot(self.plot, self._theme)
        for _, label in self.plot.getPlotItem().legend.items:
            label.setText(label.text)  # which takes the colour over
        steps = [point.step for point in points]
        self._loss.setData(
            steps, [point.loss for point in points], pen=pg.mkPen(self._theme.color("plot_quantized"), width=1.5)
        )
        self.held_out.setData(
            steps, [point.held_out_loss for point in points], pen=pg.mkPen(self._theme.color("plot_weight"), width=2)
        )
        best = [(point.step, point.held_out_loss) for point in points if point.is_best][-1:]
        brush = pg.mkBrush(self._theme.color("good"))
        self._best.setData(
            pos=np.reshape(best, (-1, 2)), size=10, brush=brush, pen=pg.mkPen(self._theme.color("window"))
        )
        if points:
            self.plot.setXRange(0, max(points[-1].steps, 1), padding=0.02)
