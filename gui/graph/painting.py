"""How boxes and edges look, near and from afar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetrics, QPainter, QPen

from engine.graph_view.drawing import BoxKind, Region
from gui.graph.colours import Shade
from gui.graph.scene import Scene
from gui.graph.viewport import Viewport
from gui.theme import Theme

READABLE = 0.42
"""Scale below which nothing is written."""
SMOOTH = 0.3
"""Scale below which edges are straight lines."""
RADIUS = 6.0
PADDING = 9.0
FIGURES_WIDTH = 52.0
CHIP_WIDTH = 29.0
LOCK_WIDTH = 14.0
TITLE_PIXELS = 13
DETAIL_PIXELS = 11
MAX_KEPT = 8192
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CENTER = Qt.AlignmentFlag.AlignCenter


@dataclass(frozen=True)
class Look:
    """What a box says beside its title.

    Attributes:
        detail: the second line.
        bits: of its layers; "" where there are none.
    """

    shade: Shade
    detail: str
    bits: str
    is_locked: bool


@dataclass(frozen=True)
class Marks:
    """Boxes that stand out, by index."""

    current: int = -1
    hovered: int = -1
    found: frozenset[int] = frozenset()


class GraphPainter:
    """Paints what is in sight of a scene in the colours of the theme."""

    def __init__(self, theme: Theme, font: QFont) -> None:
        self._theme = theme
        self._title, self._detail = QFont(font), QFont(font)
        self._title.setPixelSize(TITLE_PIXELS)
        self._title.setWeight(QFont.Weight.DemiBold)
        self._detail.setPixelSize(DETAIL_PIXELS)
        self._metrics = {id(own): QFontMetrics(own) for own in (self._title, self._detail)}
        self._elided: dict[tuple[str, int, int], str] = {}
        self._blocks: list[int] = []

    def prepare(self, scene: Scene, looks: Sequence[Look]) -> None:
        """Find the colours of boxes seen from afar; to be called when they, or the theme, have changed."""
        hatch, plain = (self._theme.color(name).rgb() for name in ("cell_hatch", "line"))
        self._blocks = [
            hatch if look.shade.is_hatched else self._ground(box.kind, look).rgb() if box.layers else plain
            for box, look in zip(scene.boxes, looks, strict=True)
        ]

    def paint(self, painter: QPainter, scene: Scene, looks: Sequence[Look], marks: Marks, viewport: Viewport) -> None:
        """Paint what the viewport shows, in coordinates of the widget."""
        painter.save()
        painter.setTransform(viewport.transform, True)
        view, scale = viewport.view, viewport.scale
        is_near = scale >= READABLE
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, is_near)
        for region in scene.drawing.regions:
            if view.intersects(QRectF(region.x, region.y, region.width, region.height)):
                self._paint_region(painter, region, is_near=is_near)
        self._paint_edges(painter, scene, marks, view, scale)
        boxes = scene.boxes_in(view, scale)
        if is_near:
            for at in boxes:
                self._paint_box(painter, scene, at, looks[at])
        else:
            self.paint_blocks(painter, boxes, scene.rects, is_outlined=True)
        self._paint_marks(painter, scene, marks, scale)
        painter.restore()

    # --- edges ---------------------------------------------------------------------------------

    def _paint_edges(self, painter: QPainter, scene: Scene, marks: Marks, view: QRectF, scale: float) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if scale >= SMOOTH:
            painter.setPen(_pen(self._theme.color("plot_grid"), 1.2))
            painter.drawLines(scene.straights_in(view))
            for path in scene.curves_in(view):
                painter.drawPath(path)
        else:
            painter.setPen(_pen(self._theme.color("plot_grid"), 1))
            painter.drawLines(scene.lines_in(view, scale))
        if marks.current >= 0:
            painter.setPen(_pen(self._theme.color("accent_hover"), 2.4))
            for at in scene.edges_of[marks.current]:
                painter.drawPath(scene.path(at))

    # --- boxes ---------------------------------------------------------------------------------

    def paint_blocks(
        self, painter: QPainter, boxes: Iterable[int], rects: Sequence[QRectF], *, is_outlined: bool
    ) -> None:
        """Plain rectangles, all of one colour at once; outlines keep those smaller than a pixel in sight."""
        by_color: dict[int, list[QRectF]] = {}
        for at in boxes:
            by_color.setdefault(self._blocks[at], []).append(rects[at])
        for rgb, alike in by_color.items():
            painter.setPen(QPen(QColor(rgb), 0) if is_outlined else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(rgb))
            painter.drawRects(alike)

    def _ground(self, kind: BoxKind, look: Look) -> QColor:
        if look.shade.level is not None:
            return self._theme.cell_color(look.shade.level)
        return self._theme.color("cell_empty" if kind in (BoxKind.LAYER, BoxKind.GROUP, BoxKind.BODY) else "field")

    def _paint_box(self, painter: QPainter, scene: Scene, at: int, look: Look) -> None:
        box, rect = scene.boxes[at], scene.rects[at]
        theme, level = self._theme, look.shade.level
        is_small = box.kind in (BoxKind.OPERATOR, BoxKind.INPUT, BoxKind.OUTPUT)
        radius = rect.height() / 2 if box.kind in (BoxKind.INPUT, BoxKind.OUTPUT) else RADIUS
        if box.kind == BoxKind.GROUP:
            painter.setPen(_pen(theme.color("text_disabled"), 1))
            painter.setBrush(theme.color("field"))
            painter.drawRoundedRect(rect.translated(4, 4), radius, radius)
        border = "bar" if box.kind in (BoxKind.INPUT, BoxKind.OUTPUT) else "line" if is_small else "text_disabled"
        painter.setPen(_pen(theme.color(border), 1))
        painter.setBrush(self._ground(box.kind, look))
        painter.drawRoundedRect(rect, radius, radius)
        if look.shade.is_hatched:
            painter.setBrush(QBrush(theme.color("cell_hatch"), Qt.BrushStyle.BDiagPattern))
            painter.drawRoundedRect(rect, radius, radius)
        ink = theme.color("text_dim" if is_small else "text") if level is None else theme.cell_text_color(level)
        painter.setPen(ink)
        if is_small:
            text = box.detail if box.kind == BoxKind.OPERATOR else box.title
            self._write(painter, rect.adjusted(PADDING, 0, -PADDING, 0), CENTER, text, self._detail)
        else:
            self._write_lines(painter, rect.adjusted(PADDING, 4, -PADDING, -4), box.title, look)

    def _write_lines(self, painter: QPainter, inner: QRectF, title: str, look: Look) -> None:
        """Title and detail on the left, bits and figure on the right."""
        half = inner.height() / 2
        right = FIGURES_WIDTH if look.bits or look.shade.text else 0.0
        chip = QRectF(inner.right() + 2, inner.top(), 0, half - 1)
        chip.setLeft(chip.right() - (0 if not look.bits else CHIP_WIDTH if len(look.bits) <= 2 else FIGURES_WIDTH))
        upper = QRectF(inner.left(), inner.top(), chip.left() - LOCK_WIDTH * look.is_locked - 4 - inner.left(), half)
        lower = QRectF(inner.left(), inner.top() + half, inner.width() - (right if look.shade.text else 0), half)
        self._write(painter, upper, LEFT, title, self._title)
        self._write(painter, lower, LEFT, look.detail, self._detail)
        figure = QRectF(inner.right() - right, lower.top(), right, half)
        if look.shade.text:
            self._write(painter, figure, RIGHT, look.shade.text, self._detail)
        if look.bits:
            ink = painter.pen().color()
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(_pen(ink, 1.3))
            painter.drawRoundedRect(chip, 3, 3)
            self._write(painter, chip, CENTER, look.bits, self._title)
            if look.is_locked:
                _paint_padlock(painter, QPointF(chip.left() - LOCK_WIDTH / 2 - 2, chip.center().y()), ink)

    def _write(self, painter: QPainter, box: QRectF, alignment: Qt.AlignmentFlag, text: str, font: QFont) -> None:
        painter.setFont(font)
        painter.drawText(box, alignment, self._elide(text, font, int(box.width())))

    def _elide(self, text: str, font: QFont, width: int) -> str:
        key = (text, id(font), width)
        if key not in self._elided:
            if len(self._elided) >= MAX_KEPT:
                self._elided.clear()
            # The end of a module path says most, and so does the beginning of a list of operators.
            mode = Qt.TextElideMode.ElideLeft if font is self._title else Qt.TextElideMode.ElideRight
            self._elided[key] = self._metrics[id(font)].elidedText(text, mode, width)
        return self._elided[key]

    def _paint_region(self, painter: QPainter, region: Region, *, is_near: bool) -> None:
        rect = QRectF(region.x, region.y, region.width, region.height)
        painter.setPen(_pen(self._theme.color("line"), 1))
        painter.setBrush(self._theme.color("panel"))
        painter.drawRoundedRect(rect, 2 * RADIUS, 2 * RADIUS)
        if is_near:
            painter.setPen(self._theme.color("text_dim"))
            line = QRectF(rect.left() + PADDING, rect.top() + 2, rect.width() - 2 * PADDING, DETAIL_PIXELS + 5)
            self._write(painter, line, LEFT, region.title, self._detail)

    # --- marks ---------------------------------------------------------------------------------

    def _paint_marks(self, painter: QPainter, scene: Scene, marks: Marks, scale: float) -> None:
        """Outlines of the same width on the screen at any scale."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        outer = 3 / scale
        for at in marks.found:
            self._outline(painter, scene.rects[at], outer, "caution", 2.0)
        if marks.hovered >= 0 and marks.hovered != marks.current:
            self._outline(painter, scene.rects[marks.hovered], 0, "text_dim", 1.5)
        if marks.current >= 0:
            self._outline(painter, scene.rects[marks.current], outer, "accent_hover", 4.0)
            self._outline(painter, scene.rects[marks.current], outer / 3, "cell_chosen", 1.5)

    def _outline(self, painter: QPainter, rect: QRectF, by: float, color: str, width: float) -> None:
        painter.setPen(_pen(self._theme.color(color), width))
        painter.drawRoundedRect(rect.adjusted(-by, -by, by, by), RADIUS + by, RADIUS + by)


def _pen(color: QColor, width: float) -> QPen:
    """A pen as wide on the screen at any scale."""
    pen = QPen(color, width)
    pen.setCosmetic(True)
    return pen


def _paint_padlock(painter: QPainter, middle: QPointF, color: QColor) -> None:
    painter.drawArc(QRectF(middle.x() - 3, middle.y() - 6, 6, 8), 0, 180 * 16)
    painter.fillRect(QRectF(middle.x() - 4.5, middle.y() - 1.5, 9, 6.5), color)
