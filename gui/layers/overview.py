"""All layers at once as a narrow heatmap, with a frame around the rows that the table shows."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget
from typing_extensions import override

from gui.layers.model import BITS_OF_COLUMN, Column, LayerRole
from gui.layers.order import LayerOrder
from gui.theme import Theme

WIDTH = 46


class Overview(pg.PlotWidget):  # type: ignore[misc]
    """One pixel row per layer, one column per bit width, in the order of the table.

    Signals:
        row_requested(row): the user clicked or dragged to this row of the table.
    """

    row_requested = Signal(int)

    def __init__(self, order: LayerOrder, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._order = order
        self._theme = theme
        self.setObjectName("overview")
        self.setAccessibleName(self.tr("Overview of all layers"))
        self.setToolTip(self.tr("All layers at once; click to jump"))
        self.setFixedWidth(WIDTH)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._frame = QGraphicsRectItem()
        self._set_up_plot()
        self._redraw_timer = QTimer(self, singleShot=True, interval=0)
        self._redraw_timer.timeout.connect(self._redraw)
        for changed in (
            order.dataChanged,
            order.modelReset,
            order.layoutChanged,
            order.rowsInserted,
            order.rowsRemoved,
        ):
            changed.connect(self._redraw_timer.start)
        theme.changed.connect(self._redraw_timer.start)

    def show_rows(self, first: int, last: int) -> None:
        """Frame the rows in sight."""
        self._frame.setRect(QRectF(0, first, len(BITS_OF_COLUMN), last - first + 1))

    def _set_up_plot(self) -> None:
        item = self.getPlotItem()
        item.hideAxis("left")
        item.hideAxis("bottom")
        item.hideButtons()
        item.setMenuEnabled(False)
        item.setContentsMargins(0, 0, 0, 0)
        self.getViewBox().setMouseEnabled(False, False)
        self.getViewBox().setDefaultPadding(0)
        self.invertY(True)
        self.addItem(self._image)
        self.addItem(self._frame)

    def _redraw(self) -> None:
        rows = self._order.rowCount()
        self.setBackground(self._theme.color("window"))
        pen = pg.mkPen(self._theme.color("cell_chosen"), width=1.5)
        pen.setCosmetic(True)
        self._frame.setPen(pen)
        pixels = np.zeros((max(rows, 1), len(BITS_OF_COLUMN), 4), dtype=np.uint8)
        for row in range(rows):
            for at, column in enumerate(BITS_OF_COLUMN):
                pixels[row, at] = self._pixel(row, column)
        self._image.setImage(pixels, levels=(0, 255))
        self.setXRange(0, len(BITS_OF_COLUMN), padding=0)
        self.setYRange(0, max(rows, 1), padding=0)

    def _pixel(self, row: int, column: int) -> tuple[int, int, int, int]:
        index = self._order.index(row, column)
        sqnr_db: float | None = index.data(LayerRole.SQNR_DB)
        if sqnr_db is not None and column != Column.BITS_32:
            color = self._theme.sqnr_color(sqnr_db)
        else:
            color = self._theme.color("bar" if index.data(LayerRole.IS_CHOSEN) else "cell_empty")
        return (color.red(), color.green(), color.blue(), 255)

    def _request_row_at(self, event: QMouseEvent) -> None:
        row = int(self.getViewBox().mapSceneToView(event.position()).y())
        if 0 <= row < self._order.rowCount():
            self.row_requested.emit(row)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._request_row_at(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._request_row_at(event)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()
