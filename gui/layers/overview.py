"""All layers at once as a narrow heatmap, with a frame around the rows that the table shows."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.layers.cells import CellView
from gui.layers.columns import BITS_OF_COLUMN
from gui.layers.order import LayerOrder
from gui.theme import Theme

WIDTH = 46
REDRAW_MS = 30
ROWS_AT_ONCE = 200
"""All rows of a large model take longer than a frame."""
FRAME_WIDTH = 1.5


class Overview(QWidget):
    """One pixel row per layer, one column per bit width, in the order of the table, stretched over the widget.

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
        self._shown_rows = (0, -1)
        self._pixels = QImage()
        self._stale_rows: set[int] = set()
        self._redraw_timer = QTimer(self, singleShot=True)
        self._redraw_timer.timeout.connect(self._redraw)
        order.dataChanged.connect(self._on_data_changed)
        for changed in (order.modelReset, order.layoutChanged, order.rowsInserted, order.rowsRemoved, theme.changed):
            changed.connect(self._on_everything_changed)
        self._on_everything_changed()

    def show_rows(self, first: int, last: int) -> None:
        """Frame the rows in sight."""
        self._shown_rows = (first, last)
        self.update()

    def _on_data_changed(self, top_left: QModelIndex, bottom_right: QModelIndex) -> None:
        self._stale_rows.update(range(top_left.row(), bottom_right.row() + 1))
        self._redraw_timer.start(REDRAW_MS)

    def _on_everything_changed(self) -> None:
        self._pixels = QImage()
        self._redraw_timer.start(REDRAW_MS)

    def _redraw(self) -> None:
        rows = self._order.rowCount()
        if self._pixels.height() != rows:
            self._pixels = QImage(len(BITS_OF_COLUMN), rows, QImage.Format.Format_RGB32)
            self._pixels.fill(self._theme.color("cell_empty"))
            self._stale_rows = set(range(rows))
        for _ in range(min(ROWS_AT_ONCE, len(self._stale_rows))):
            row = self._stale_rows.pop()
            if row < rows:
                cells = self._order.heat_cells_at(row)
                for x, column in enumerate(BITS_OF_COLUMN):
                    self._pixels.setPixelColor(x, row, self._color(cells[column]))
        self.update()
        if self._stale_rows:
            self._redraw_timer.start(0)

    def _color(self, cell: CellView) -> QColor:
        if cell.fragility is not None:
            return self._theme.cell_color(cell.fragility)
        return self._theme.color("bar" if cell.is_chosen else "cell_empty")

    def _request_row_at(self, event: QMouseEvent) -> None:
        row = int(event.position().y() * self._pixels.height() / max(self.height(), 1))
        if 0 <= row < self._order.rowCount():
            self.row_requested.emit(row)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if self._pixels.isNull():
            return
        painter = QPainter(self)
        painter.drawImage(QRectF(self.rect()), self._pixels)
        painter.setPen(QPen(self._theme.color("cell_chosen"), FRAME_WIDTH))
        first, last = self._shown_rows
        row_height = self.height() / self._pixels.height()
        frame = QRectF(0, first * row_height, self.width(), (last - first + 1) * row_height)
        inset = FRAME_WIDTH / 2
        painter.drawRect(frame.adjusted(inset, inset, -inset, -inset))
        painter.end()

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._request_row_at(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._request_row_at(event)
