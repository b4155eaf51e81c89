"""The front in small, for the inspector: where the current plan stands; a click opens the Trade-off page."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget
from typing_extensions import override

from engine.units import format_bytes
from gui.figures import LiveFigures
from gui.front_feed import FrontFeed
from gui.metrics import metric_name
from gui.session import Session
from gui.theme import Theme
from gui.tradeoff.axes import build_axis
from gui.tradeoff.points import PlanPoint, Quantity, Series, front_points, plan_point
from gui.tradeoff.texts import format_quantity

HEIGHT = 156
MARGIN = 10
MARKER = 5.0
DOTS = 12
"""As many points of the front at most are marked on its curve."""


class TradeoffThumbnail(QAbstractButton):
    """Hidden while there is no front."""

    def __init__(self, session: Session, fronts: FrontFeed, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("tradeoff_thumbnail")
        self.setAccessibleName(self.tr("Trade-off: size against quality of the best plans"))
        self.setToolTip(self.tr("Size against quality of the best plans, and the current one; click for the page"))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._session = session
        self._fronts = fronts
        self._theme = theme
        self._points: tuple[PlanPoint, ...] = ()
        self._picture = QPixmap()
        for changed in (session.figures_changed, theme.changed):
            changed.connect(self._paint_anew)
        fronts.front_changed.connect(self._take_front)
        self._take_front()

    def _take_front(self) -> None:
        model, front = self._session.model, self._fronts.current
        self._points = front_points(model, front) if model is not None and front is not None else ()
        self.setVisible(len(self._points) > 1)
        self._paint_anew()

    def _paint_anew(self) -> None:
        self._picture = QPixmap()
        self.update()

    def _place(self, points: list[PlanPoint]) -> list[QPointF]:
        """Size to the right, quality upwards; only points that lie on both axes."""
        metric = self._session.metric
        axes = [build_axis(quantity, metric, self._points) for quantity in (Quantity.FILE_BYTES, Quantity.QUALITY)]
        found = []
        for point in points:
            x, y = (axis.position(point) for axis in axes)
            if x is not None and y is not None:
                found.append(QPointF(x, y))
        return found

    def _current(self, figures: LiveFigures) -> PlanPoint:
        assert self._session.model is not None
        assert self._session.plan is not None
        return plan_point(Series.CURRENT, "", self._session.model, self._session.plan, figures)

    @override
    def sizeHint(self) -> QSize:
        return QSize(2 * HEIGHT, HEIGHT)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        """What changes around it lets Qt ask for it often, so the picture is kept."""
        ratio = self.devicePixelRatioF()
        if self._picture.size() != self.size() * ratio:
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._picture.fill(Qt.GlobalColor.transparent)
            self._paint_picture()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._picture)
        if self.hasFocus():
            painter.setPen(QPen(self._theme.color("accent"), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_picture(self) -> None:
        curve, figures = self._place(list(self._points)), self._session.figures
        if len(curve) < 2 or figures is None:
            return
        current = self._current(figures)
        marker = self._place([current])
        painter = QPainter(self._picture)
        painter.setFont(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        self._paint_title(painter, line)
        box = QRectF(self.rect()).adjusted(MARGIN, line + 2 * MARGIN, -MARGIN, -line - MARGIN)
        places = _scale([*curve, *marker], box)
        self._paint_curve(painter, places[: len(curve)])
        if marker:
            is_rising = places[0].y() > places[len(curve) - 1].y()
            self._paint_current(painter, places[-1], current, is_rising=is_rising)
        self._paint_ends(painter, line)
        painter.end()

    def _paint_title(self, painter: QPainter, line: int) -> None:
        title = self.tr("Trade-off: size against {name}").format(name=metric_name(self._session.metric))
        plain = painter.font()
        bold = QFont(plain)
        bold.setBold(True)
        painter.setFont(bold)
        painter.setPen(self._theme.color("text"))
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignVCenter, title)
        painter.setFont(plain)

    def _paint_curve(self, painter: QPainter, places: list[QPointF]) -> None:
        color = self._theme.color("plot_weight")
        painter.setPen(QPen(color, 1.5))
        painter.drawPolyline(QPolygonF(places))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        for place in places[:: max(len(places) // DOTS, 1)]:
            painter.drawEllipse(place, MARKER / 2, MARKER / 2)

    def _paint_current(self, painter: QPainter, place: QPointF, current: PlanPoint, *, is_rising: bool) -> None:
        """A large dot, with size and quality where the curve leaves room."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.color("plot_quantized"))
        painter.drawEllipse(place, MARKER, MARKER)
        shown = (Quantity.FILE_BYTES, Quantity.QUALITY)
        text = " · ".join(format_quantity(item, current.figures[item], self._session.metric) for item in shown)
        metrics = painter.fontMetrics()
        width = metrics.horizontalAdvance(text) + 2
        left = min(place.x() + MARKER, self.width() - width)
        top = place.y() + MARKER if is_rising else place.y() - MARKER - metrics.height()
        painter.setPen(self._theme.color("plot_quantized"))
        painter.drawText(QRectF(left, top, width, metrics.height()), Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_ends(self, painter: QPainter, line: int) -> None:
        """The smallest and the largest file of the front, under the curve."""
        painter.setPen(self._theme.color("text_dim"))
        box = QRectF(0, self.height() - line, self.width(), line)
        sizes = [point.figures[Quantity.FILE_BYTES] for point in (self._points[0], self._points[-1])]
        for size, side in zip(sizes, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), strict=True):
            painter.drawText(box, side, format_bytes(round(size)))


def _scale(places: list[QPointF], box: QRectF) -> list[QPointF]:
    """All of these within the box, larger values of y higher up."""
    bounds = QPolygonF(places).boundingRect()
    across = box.width() / (bounds.width() or 1.0)
    upwards = box.height() / (bounds.height() or 1.0)
    return [
        QPointF(
            box.left() + across * (place.x() - bounds.left()),
            box.bottom() - upwards * (place.y() - bounds.top()),
        )
        for place in places
    ]
