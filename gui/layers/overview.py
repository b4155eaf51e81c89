"""All layers at once as a narrow heatmap, with a frame around the rows that the table shows."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QModelIndex, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget
from typing_extensions import override

from gui.layers.cells import CellView
from gui.layers.columns import BITS_OF_COLUMN
from gui.layers.order import LayerOrder
from gui.theme import Theme

WIDTH = 46
REDRAW_MS = 30


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
        self._pixels = np.zeros((0, len(BITS_OF_COLUMN), 4), dtype=np.uint8)
        self._stale_rows: set[int] = set()
        self._redraw_timer = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._redraw_timer.timeout.connect(self._redraw)
        order.dataChanged.connect(self._on_data_changed)
        for changed in (order.modelReset, order.layoutChanged, order.rowsInserted, order.rowsRemoved, theme.changed):
            changed.connect(self._on_everything_changed)
        self._on_everything_changed()

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

    def _on_data_changed(self, top_left: QModelIndex, bottom_right: QModelIndex) -> None:
        self._stale_rows.update(range(top_left.row(), bottom_right.row() + 1))
        self._redraw_timer.start()

    def _on_everything_changed(self) -> None:
        self._pixels = np.zeros((0, len(BITS_OF_COLUMN), 4), dtype=np.uint8)
        self._redraw_timer.start()

    def _redraw(self) -> None:
        rows = self._order.rowCount()
        if len(self._pixels) != max(rows, 1):
            self._pixels = np.zeros((max(rows, 1), len(BITS_OF_COLUMN), 4), dtype=np.uint8)
            self._stale_rows = set(range(rows))
            self._show_frame_and_range(rows)
        for row in self._stale_rows:
            if row < rows:
                cells = self._order.heat_cells_at(row)
                self._pixels[row] = [self._pixel(cells[column]) for column in BITS_OF_COLUMN]
        self._stale_rows.clear()
        self._image.setImage(self._pixels, levels=(0, 255))

    def _show_frame_and_range(self, rows: int) -> None:
        self.setBackground(self._theme.color("window"))
        pen = pg.mkPen(self._theme.color("cell_chosen"), width=1.5)
        pen.setCosmetic(True)
        self._frame.setPen(pen)
        self.setXRange(0, len(BITS_OF_COLUMN), padding=0)
        self.setYRange(0, max(rows, 1), padding=0)

    def _pixel(self, cell: CellView) -> tuple[int, int, int, int]:
        if cell.fragility is not None:
            return _rgba(self._theme.cell_color(cell.fragility))
        return _rgba(self._theme.color("bar" if cell.is_chosen else "cell_empty"))

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


def _rgba(color: QColor) -> tuple[int, int, int, int]:
    return (color.red(), color.green(), color.blue(), 255)
