"""What a start without a model shows: open, recent files, the bundled sample."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.naming import named
from gui.settings import Settings

WIDTH = 560
SHOWN_RECENT = 5
DROP_HEIGHT = 84


class StartPage(QWidget):
    """The page before a model is open.

    Signals:
        model_requested(path): a recent file was chosen.
    """

    model_requested = Signal(str)

    def __init__(self, settings: Settings, open_: QAction, sample: QAction, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("start_page")
        self._settings = settings
        self._open = open_
        content = QWidget(self)
        content.setFixedWidth(WIDTH)
        layout = QVBoxLayout(content)
        layout.setSpacing(12)
        layout.addWidget(self._label(self.tr("Bitsmith"), "big_title"))
        intro = self.tr(
            "Make a neural network smaller and faster: open an ONNX model, see what every layer can bear, "
            "choose its bits, convert, and compare."
        )
        layout.addWidget(self._label(intro, "dim"))
        layout.addSpacing(6)
        layout.addLayout(self._build_buttons(open_, sample))
        layout.addWidget(self._build_drop_hint())
        self._recent_title = self._label(self.tr("Recent"), "section")
        layout.addWidget(self._recent_title)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(0)
        layout.addLayout(self._recent)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(content)
        row.addStretch(1)
        outer.addLayout(row)
        outer.addStretch(3)
        self.show_recent()

    def show_recent(self) -> None:
        """List the recent files anew."""
        while self._recent.count():
            item = self._recent.takeAt(0)
            widget = item.widget() if item else None
            if widget is not None:
                widget.deleteLater()
        paths = self._settings.recent_files[:SHOWN_RECENT]
        self._recent_title.setVisible(bool(paths))
        for number, path in enumerate(paths):
            self._recent.addWidget(self._build_recent(path, f"recent_{number}"))

    def _label(self, text: str, role: str) -> QLabel:
        label = QLabel(text)
        label.setProperty("role", role)
        label.setWordWrap(True)
        return label

    def _build_buttons(self, open_: QAction, sample: QAction) -> QHBoxLayout:
        row = QHBoxLayout()
        for action, text, is_primary in (
            (open_, self.tr("Open a model…"), True),
            (sample, self.tr("Try the bundled sample"), False),
        ):
            button = named(QPushButton(text), f"start_{action.objectName()}")
            button.setProperty("primary", is_primary)
            button.setToolTip(action.toolTip())
            button.setEnabled(action.isEnabled())
            action.enabledChanged.connect(button.setEnabled)
            button.clicked.connect(action.trigger)
            row.addWidget(button)
        row.addStretch(1)
        return row

    def _build_drop_hint(self) -> QLabel:
        hint = named(
            QLabel(self.tr("…or drop a model (.onnx, .pt2) or a project (.bitsmith) here")),
            "drop_hint",
        )
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        hint.setWordWrap(True)
        hint.setMinimumHeight(DROP_HEIGHT)
        return hint

    def _build_recent(self, path: str, name: str) -> QPushButton:
        folder = Path(path).parent
        button = named(QPushButton(), name)
        metrics = button.fontMetrics()
        shown = metrics.elidedText(str(folder), Qt.TextElideMode.ElideMiddle, WIDTH // 2)
        button.setText(f"{Path(path).name}    {shown}".replace("&", "&&"))
        button.setProperty("link", True)
        button.setToolTip(path)
        button.setEnabled(self._open.isEnabled())
        self._open.enabledChanged.connect(button.setEnabled)
        button.clicked.connect(lambda: self.model_requested.emit(path))
        return button
