"""Curves of training: of a block or of a distillation, and afterwards all blocks before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.requests.conversion import BlockPoint, DistillationPoint
from gui.plot_panel import PlotPanel, build_plot
from gui.plot_widget import Plot
from gui.recover.figures import Training
from gui.recover.training_texts import describe_block, label_axes
from gui.session import Session
from gui.theme import Theme

CONTEXT = "Recover"
DOT = 10
LEGEND_ROOM, LABEL_ROOM = 0.45, 0.15
"""Above the highest figure, in spans of all figures."""
MOST_TICKS = 12
ROOM = 0.6
"""Beside the first and the last block, in blocks."""


class TrainingPlot(PlotPanel):
    """Curves over `show_training`.

    Attributes:
        learnt_from: the curve of the samples that are learnt from.
        held_out: the curve of the samples that are held out.
        start: the level at which the held-out curve of a block begins.
        dots: the best held-out loss; once all blocks are done, what is left of the error of each.
    """

    def __init__(self, session: Session, theme: Theme, parent: QWidget) -> None:
        super().__init__(theme, parent)
        self._session = session
        self.learnt_from = pg.PlotDataItem([], [], name=QCoreApplication.translate(CONTEXT, "learnt from"))
        self.held_out = pg.PlotDataItem([], [], name=QCoreApplication.translate(CONTEXT, "held out"))
        self.dots = pg.ScatterPlotItem(hoverable=True, tip=_tell)
        label = {"position": 0.02, "anchors": [(0, 1), (0, 1)]}
        self.start = pg.InfiniteLine(angle=0, label=QCoreApplication.translate(CONTEXT, "before"), labelOpts=label)
        self._training = Training()

    def show_training(self, training: Training) -> None:
        """Draw what there is of it so far."""
        self._training = training
        self.redraw()

    @override
    def _build(self) -> Plot:
        tr = QCoreApplication.translate
        name = tr(CONTEXT, "Loss of the training against its steps")
        plot = build_plot(self._theme, "recover_training", name, label_axes(self._training), self)
        plot.show_grid()
        plot.getPlotItem().addLegend(offset=(-8, 8))
        for part in (self.learnt_from, self.held_out, self.dots):
            plot.addItem(part)
        plot.addItem(self.start, ignoreBounds=True)
        return plot

    @override
    def _draw(self, plot: Plot) -> None:
        training, item = self._training, plot.getPlotItem()
        for side, text in zip(("bottom", "left"), label_axes(training), strict=True):
            if item.getAxis(side).labelText != text:
                item.setLabel(side, text)
                item.getAxis(side).setTicks(None)
        self.start.setVisible(not training.points)
        self.start.setPen(self._pen("text_dim", style=Qt.PenStyle.DashLine))
        self.start.label.setColor(self._theme.color("text_dim"))
        item.legend.setVisible(bool(training.points or training.block_points))
        if training.points:
            self._draw_curves(plot, training.points, training.points)
        elif training.block_points:
            first, *learnt = training.block_points
            self.start.setValue(first.loss)
            self._draw_curves(plot, learnt, training.block_points)
        elif training.blocks:
            self._draw_blocks(plot)

    def _draw_curves(
        self,
        plot: Plot,
        learnt: list[DistillationPoint] | list[BlockPoint],
        points: list[DistillationPoint] | list[BlockPoint],
    ) -> None:
        """The best held-out loss has a dot."""
        losses = [point.loss for point in learnt]
        self.learnt_from.setData([point.step for point in learnt], losses, pen=self._pen("plot_quantized"))
        held_out = [(point.step, point.held_out_loss) for point in points if point.held_out_loss is not None]
        x, y = zip(*held_out, strict=True)
        self.held_out.setData(x, y, pen=self._pen("plot_weight", width=2), connect="all")
        best = min(held_out, key=lambda place: place[1])
        self.dots.setData(
            pos=[best], data=[""], size=DOT, brush=pg.mkBrush(self._theme.color("good")), pen=self._pen("window")
        )
        plot.setXRange(0, max(points[-1].steps, 1), padding=0.02)
        _fit_height(plot, [*losses, *y], LEGEND_ROOM)

    def _draw_blocks(self, plot: Plot) -> None:
        """A dot where the error of each block is, in per cent of what it was."""
        blocks, count = self._training.blocks, self._training.blocks[0].blocks
        self.start.setValue(100.0)
        numbers = [block.block + 1 for block in blocks]
        left = [100.0 * block.loss / block.start_loss if block.start_loss else 100.0 for block in blocks]
        ends = np.column_stack((np.full(len(left), 100.0), left)).reshape(-1)
        self.learnt_from.setData([], [])
        self.held_out.setData(np.repeat(numbers, 2), ends, pen=self._pen("good", width=2), connect="pairs")
        brushes = [pg.mkBrush(self._theme.color("good" if share < 100.0 else "text_dim")) for share in left]
        texts = [describe_block(block, self._session) for block in blocks]
        self.dots.setData(numbers, left, data=texts, size=DOT, brush=brushes, pen=self._pen("window"))
        plot.setXRange(1 - ROOM, count + ROOM, padding=0)
        _fit_height(plot, [100.0, *left], LABEL_ROOM)
        if count <= MOST_TICKS:
            plot.getPlotItem().getAxis("bottom").setTicks([[(at, str(at)) for at in range(1, count + 1)]])

    def _pen(self, color: str, *, width: float = 1.5, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
        pen: QPen = pg.mkPen(self._theme.color(color), width=width, style=style)
        return pen


def _fit_height(plot: Plot, values: Sequence[float | None], room: float) -> None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    span = max(high - low, 1e-3 * abs(high), 1e-9)
    plot.setYRange(low - 0.08 * span, high + room * span, padding=0)


def _tell(x: float, y: float, data: str) -> str:
    """What a dot says to the mouse."""
    return data or f"{y:.3g}"
