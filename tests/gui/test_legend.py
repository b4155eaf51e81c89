"""The legend of the heatmap's colours."""

from __future__ import annotations

from PySide6.QtGui import QFont, QFontMetrics
from pytestqt.qtbot import QtBot

from gui.layers.legend import Legend
from gui.session import Session
from gui.theme import Theme


def test_that_the_legend_has_room_for_its_words_in_another_font(session: Session, theme: Theme, qtbot: QtBot) -> None:
    legend = Legend(session, theme)
    qtbot.addWidget(legend)
    narrow = legend.sizeHint().width()
    font = QFont(legend.font())
    font.setPixelSize(2 * QFontMetrics(legend.font()).height())
    legend.setFont(font)
    assert legend.sizeHint().width() > 1.4 * narrow
