"""The command palette: everything that can be done or gone to, found by a few letters of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from gui.fuzzy import score
from gui.naming import named
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
NO_PARENT = QModelIndex()
Role = Qt.ItemDataRole
SIZE = (620, 420)
MOST_SHOWN = 200
ROW_HEIGHT = 30
PADDING = 12
GAP = 14
MOVING_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


@dataclass(frozen=True)
class Command:
    """Something to do or to go to.

    Attributes:
        name: of the action, "" for what comes and goes: recent files, layers.
        place: where it stands otherwise: its menu, or what kind of thing it is.
        keys: its shortcut as the platform writes it, "" for none.
        reason: why it cannot be done now, "" if it can.
        tip: what it does, in a sentence.
    """

    title: str
    place: str
    run: Callable[[], object]
    keys: str = ""
    reason: str = ""
    tip: str = ""
    name: str = ""


def find_commands(commands: Sequence[Command], query: str) -> list[Command]:
    """Those that fit, the best first; what is possible stands before what is not. All of them for an empty query."""
    if not query.strip():
        return list(commands[:MOST_SHOWN])
    found = [
        (value, -at, command)
        for at, command in enumerate(commands)
        if (value := score(query, f"{command.title} {command.place}")) is not None
    ]
    found.sort(key=lambda item: (not item[2].reason, item[0], item[1]), reverse=True)
    return [command for _value, _at, command in found[:MOST_SHOWN]]


class CommandModel(QAbstractListModel):
    """The commands that fit what was typed."""

    def __init__(self, commands: Sequence[Command], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all = tuple(commands)
        self._shown = find_commands(self._all, "")

    def search(self, query: str) -> None:
        """Show what fits."""
        self.beginResetModel()
        self._shown = find_commands(self._all, query)
        self.endResetModel()

    def command_at(self, row: int) -> Command:
        """What a row offers."""
        return self._shown[row]

    @override
    def rowCount(self, parent: Index = NO_PARENT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    @override
    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        if not index.isValid():
            return None
        command = self._shown[index.row()]
        if role == Role.DisplayRole:
            return command.title
        if role == Role.ToolTipRole:
            return command.reason or command.tip
        if role == Role.AccessibleTextRole:
            return ", ".join(part for part in (command.title, command.place, command.keys, command.reason) if part)
        return None


class CommandDelegate(QStyledItemDelegate):
    """Title and place on the left; shortcut, or why it cannot be done, on the right."""

    def __init__(self, model: CommandModel, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._theme = theme

    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(0, ROW_HEIGHT)

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        command, theme = self._model.command_at(index.row()), self._theme
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, theme.color("selection"))
        box = option.rect.adjusted(PADDING, 0, -PADDING, 0)
        metrics = QFontMetrics(option.font)
        middle, elide = Qt.AlignmentFlag.AlignVCenter, Qt.TextElideMode.ElideMiddle
        right = command.reason or command.keys
        right_width = min(metrics.horizontalAdvance(right) + 1, box.width() * 3 // 5)
        painter.setFont(option.font)
        painter.setPen(theme.color("text_dim"))
        at_right = QRect(box.right() + 1 - right_width, box.top(), right_width, box.height())
        painter.drawText(at_right, middle, metrics.elidedText(right, elide, right_width))
        room = box.width() - right_width - GAP
        title = metrics.elidedText(command.title, elide, room)
        painter.setPen(theme.color("text_dim" if command.reason else "text"))
        painter.drawText(QRect(box.left(), box.top(), room, box.height()), middle, title)
        used = metrics.horizontalAdvance(title) + GAP
        if room - used > 2 * GAP:
            painter.setPen(theme.color("text_dim"))
            place = metrics.elidedText(command.place, elide, room - used)
            painter.drawText(QRect(box.left() + used, box.top(), room - used, box.height()), middle, place)


class CommandPalette(QDialog):
    """Type, choose with the arrows, Enter; it is closed before the command runs."""

    def __init__(self, commands: Iterable[Command], theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setWindowTitle(self.tr("Find a command"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.field = named(QLineEdit(placeholderText=self.tr("Find a command, a page or a layer…")), "palette_field")
        self.field.setAccessibleName(self.tr("Find a command, a page or a layer"))
        self.model = CommandModel(tuple(commands), self)
        self.view = named(QListView(), "palette_list")
        self.view.setAccessibleName(self.tr("What fits"))
        self.view.setModel(self.model)
        self.view.setItemDelegate(CommandDelegate(self.model, theme, self))
        self.view.setUniformItemSizes(True)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._nothing = named(QLabel(self.tr("Nothing is called that.")), "palette_nothing")
        self._nothing.setProperty("role", "dim")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.addWidget(self.field)
        layout.addWidget(self._nothing)
        layout.addWidget(self.view, 1)
        self.resize(*SIZE)
        self.field.textChanged.connect(self._search)
        self.field.installEventFilter(self)
        self.view.clicked.connect(self._run)
        self._search("")

    def _search(self, query: str) -> None:
        self.model.search(query)
        self.view.setCurrentIndex(self.model.index(0, 0))
        is_empty = self.model.rowCount() == 0
        self._nothing.setVisible(is_empty)
        self.view.setVisible(not is_empty)

    def _run(self, index: QModelIndex) -> None:
        """A command that is not possible now stays where it is and says why."""
        if not index.isValid():
            return
        command = self.model.command_at(index.row())
        if not command.reason:
            self.accept()
            command.run()

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The arrows move through the list, Enter runs, while the cursor stays in the field."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            key = Qt.Key(event.key())
            if key in MOVING_KEYS:
                self.view.keyPressEvent(event)
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._run(self.view.currentIndex())
                return True
        return super().eventFilter(watched, event)
