"""The curves of a distillation: loss of what is learnt from and of what is held out, against steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.conversion import DistillationPoint
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.theme import Theme

CONTEXT = "Recover"


class TrainingPlot(PlotPanel):
    """Curves over `show_points`.

    Attributes:
        held_out: the curve of the samples that are held out.
    """

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._loss = pg.PlotDataItem([], [], name=QCoreApplication.translate(CONTEXT, "learnt from"))
        self.held_out = pg.PlotDataItem([], [], name=QCoreApplication.translate(CONTEXT, "held out"))
        self._best = pg.ScatterPlotItem(pxMode=True)
        self._points: Sequence[DistillationPoint] = ()

    def show_points(self, points: Sequence[DistillationPoint]) -> None:
        """Draw the points so far; the best held-out loss has a dot."""
        self._points = tuple(points)
        self.redraw()

    @override
    def _build(self) -> Plot:
        tr = QCoreApplication.translate
        labels = (tr(CONTEXT, "steps of distillation"), tr(CONTEXT, "loss against float"))
        name = tr(CONTEXT, "Loss of the distillation against steps")
        plot = build_plot(self._theme, "recover_training", name, labels, self)
        plot.show_grid()
        plot.getPlotItem().addLegend(offset=(-8, 8))
        for part in (self._loss, self.held_out, self._best):
            plot.addItem(part)
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        points, theme = self._points, self._theme
        steps = [point.step for point in points]
        losses, held_out = [point.loss for point in points], [point.held_out_loss for point in points]
        self._loss.setData(steps, losses, pen=pg.mkPen(theme.color("plot_quantized"), width=1.5))
        self.held_out.setData(steps, held_out, pen=pg.mkPen(theme.color("plot_weight"), width=2))
        best = [(point.step, point.held_out_loss) for point in points if point.is_best][-1:]
        brush = pg.mkBrush(theme.color("good"))
        self._best.setData(pos=np.reshape(best, (-1, 2)), size=10, brush=brush, pen=pg.mkPen(theme.color("window")))
        if points:
            plot.setXRange(0, max(points[-1].steps, 1), padding=0.02)
