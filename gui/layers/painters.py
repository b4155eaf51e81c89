"""Painting of the table, column by column, from the views that the item model keeps of its rows.

All of it is painted here and nothing by Qt, which asks the model seven times per cell and the style sheet once
more: longer than a frame for a screen of rows. What repeats is kept as a picture or as text that is laid out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QFont, QFontMetrics, QPainter, QPainterPath, QPen, QPixmap, QStaticText
from typing_extensions import override

from gui.layers.cells import CellView, RowView
from gui.layers.columns import HEAT_COLUMNS, Column
from gui.theme import Theme

BAR_WIDTH = 50
BAR_HEIGHT = 6
PADDING = 8
OUTLINE = 3
MAX_KEPT = 4096


class ShownRow(NamedTuple):
    """A row in sight; `top` is its pixel in the viewport."""

    top: int
    view: RowView
    is_selected: bool


class ShownColumn(NamedTuple):
    """A column in sight, in pixels of the viewport."""

    column: Column
    left: int
    width: int


class ColumnPainter(ABC):
    """Paints one column of all rows in sight."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme

    @abstractmethod
    def paint(self, painter: QPainter, column: ShownColumn, rows: Sequence[ShownRow], height: int) -> None:
        """Paint the cells; the painter has the font of the table."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is kept: colours or the font are others."""


class TextPainter(ColumnPainter):
    """Plain text."""

    def __init__(self, theme: Theme, *, font: QFont | None = None, is_right: bool = False, color: str = "text") -> None:
        super().__init__(theme)
        self._font = font
        self._is_right = is_right
        self._color = color
        self._texts: dict[tuple[str, int], tuple[QStaticText, int, int]] = {}

    @override
    def paint(self, painter: QPainter, column: ShownColumn, rows: Sequence[ShownRow], height: int) -> None:
        width = column.width - 2 * PADDING
        font = self._font or painter.font()
        painter.save()
        painter.setFont(font)
        painter.setPen(self._theme.color(self._color))
        for row in rows:
            text = row.view.texts[column.column]
            laid_out, own_width, own_height = self._texts.get((text, width)) or self._lay_out(text, font, width)
            left = column.left + PADDING + (width - own_width if self._is_right else 0)
            painter.drawStaticText(left, row.top + (height - own_height) // 2, laid_out)
        painter.restore()

    @override
    def forget(self) -> None:
        self._texts.clear()

    def _lay_out(self, text: str, font: QFont, width: int) -> tuple[QStaticText, int, int]:
        """The text as far as it fits, its width and its height: this takes much longer than painting it."""
        if len(self._texts) >= MAX_KEPT:
            self._texts.clear()
        metrics = QFontMetrics(font)
        fitting = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, width)
        laid_out = QStaticText(fitting)
        laid_out.setTextFormat(Qt.TextFormat.PlainText)
        laid_out.prepare(font=font)
        # The height of the line, which grows where another font lends its letters: baselines stay level.
        height = round(laid_out.size().height())
        found = self._texts[text, width] = (laid_out, metrics.horizontalAdvance(fitting), height)
        return found


class WeightPainter(TextPainter):
    """The number of weights, with a bar for its share of the largest layer where there is room."""

    @override
    def paint(self, painter: QPainter, column: ShownColumn, rows: Sequence[ShownRow], height: int) -> None:
        room = column.width - 2 * PADDING
        if room < 2 * BAR_WIDTH:
            super().paint(painter, column, rows, height)
            return
        color = self._theme.color("bar")
        for row in rows:
            width = max(2, round(BAR_WIDTH * row.view.weight_share))
            top = row.top + (height - BAR_HEIGHT) // 2
            painter.fillRect(column.left + PADDING + room - width, top, width, BAR_HEIGHT, color)
        super().paint(painter, column._replace(width=column.width - BAR_WIDTH - 8), rows, height)


class PicturePainter(ColumnPainter):
    """Cells that repeat, each kept as a picture."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme)
        self._pictures: dict[object, QPixmap] = {}

    @override
    def forget(self) -> None:
        self._pictures.clear()

    def _start_picture(self, key: object, size: QSize, painter: QPainter) -> QPixmap:
        """An empty picture that is kept under `key`, as sharp as the screen."""
        if len(self._pictures) >= MAX_KEPT:
            self._pictures.clear()
        ratio = painter.device().devicePixelRatioF()
        picture = self._pictures[key] = QPixmap(size * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        return picture


class HeatPainter(PicturePainter):
    """Heatmap cells: a figure on its colour; the chosen one outlined, an unmeasured one hatched."""

    @override
    def paint(self, painter: QPainter, column: ShownColumn, rows: Sequence[ShownRow], height: int) -> None:
        for row in rows:
            view = row.view.cells[column.column]
            key = (view.text, view.fragility, view.is_hatched, view.is_chosen, column.width, height)
            picture = self._pictures.get(key)
            if picture is None:
                picture = self._start_picture(key, QSize(column.width, height), painter)
                with QPainter(picture) as inner:
                    self._paint_cell(inner, QRect(0, 0, column.width - 1, height - 1), view, painter.font())
            painter.drawPixmap(column.left, row.top, picture)

    def _paint_cell(self, painter: QPainter, box: QRect, view: CellView, font: QFont) -> None:
        theme = self._theme
        if view.fragility is not None:
            painter.fillRect(box, theme.cell_color(view.fragility))
            painter.setPen(theme.cell_text_color(view.fragility))
        else:
            painter.fillRect(box, theme.color("cell_empty"))
            if view.is_hatched:
                painter.fillRect(box, QBrush(theme.color("cell_hatch"), Qt.BrushStyle.BDiagPattern))
            painter.setPen(theme.color("text" if view.is_hatched else "text_dim"))
        own = QFont(font)
        own.setBold(view.is_chosen)
        if QFontMetrics(own).horizontalAdvance(view.text) > box.width() - 2 * OUTLINE:
            own.setBold(False)
        painter.setFont(own)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, view.text)
        if view.is_chosen:
            self._paint_outline(painter, box)

    def _paint_outline(self, painter: QPainter, box: QRect) -> None:
        """Light on dark and dark on light, so that it stands out from any cell colour."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._theme.color("window"), 1))
        painter.drawRect(box.adjusted(2, 2, -3, -3))
        pen = QPen(self._theme.color("cell_chosen"), 2)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(box.adjusted(1, 1, -1, -1))


class LockPainter(PicturePainter):
    """A closed padlock for a locked layer, a faint open one otherwise."""

    @override
    def paint(self, painter: QPainter, column: ShownColumn, rows: Sequence[ShownRow], height: int) -> None:
        for row in rows:
            key = (row.view.is_locked, column.width, height)
            picture = self._pictures.get(key)
            if picture is None:
                picture = self._start_picture(key, QSize(column.width, height), painter)
                with QPainter(picture) as inner:
                    self._paint_padlock(inner, QRectF(0, 0, column.width, height), is_locked=row.view.is_locked)
            painter.drawPixmap(column.left, row.top, picture)

    def _paint_padlock(self, painter: QPainter, box: QRectF, *, is_locked: bool) -> None:
        color = self._theme.color("caution" if is_locked else "cell_hatch")
        center = box.center()
        body = QRectF(center.x() - 5, center.y() - 1, 10, 7)
        shackle = QPainterPath()
        shackle.moveTo(center.x() - 3, body.top())
        shackle.arcTo(QRectF(center.x() - 3, center.y() - 7, 6, 8), 180, -180 if is_locked else -140)
        if is_locked:
            shackle.lineTo(center.x() + 3, body.top())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color, 1.6))
        painter.drawPath(shackle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        painter.drawRoundedRect(body, 1.5, 1.5)


class TablePainter:
    """Paints the part of the table that is in sight."""

    def __init__(self, theme: Theme, painters: Mapping[Column, ColumnPainter]) -> None:
        self._theme = theme
        self._painters = painters
        theme.changed.connect(self.forget)

    def forget(self) -> None:
        """Drop what is kept: colours or the font are others."""
        for painter in self._painters.values():
            painter.forget()

    def paint(self, painter: QPainter, columns: Sequence[ShownColumn], rows: Sequence[ShownRow], height: int) -> None:
        """Paint all cells; `height` is that of a row, in pixels."""
        self._paint_ground(painter, columns, rows, height)
        for column in columns:
            self._painters[column.column].paint(painter, column, rows, height)

    def mark_current(self, painter: QPainter, column: ShownColumn, top: int, height: int) -> None:
        """A dotted frame around the cell that the keyboard acts on."""
        cell = QRect(QPoint(column.left, top), QSize(column.width, height))
        is_heat = column.column in HEAT_COLUMNS
        painter.setPen(QPen(self._theme.color("caution"), 1, Qt.PenStyle.DotLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(cell.adjusted(4, 4, -6, -6) if is_heat else cell.adjusted(1, 2, -2, -3))

    def _paint_ground(
        self, painter: QPainter, columns: Sequence[ShownColumn], rows: Sequence[ShownRow], height: int
    ) -> None:
        """The selection and the line under every row, but for the heatmap, which has a ground of its own."""
        selection, line = self._theme.color("selection"), self._theme.color("cell_empty")
        plain = [column for column in columns if column.column not in HEAT_COLUMNS]
        for row in rows:
            for column in plain:
                if row.is_selected:
                    painter.fillRect(column.left, row.top, column.width, height, selection)
                painter.fillRect(column.left, row.top + height - 1, column.width, 1, line)
