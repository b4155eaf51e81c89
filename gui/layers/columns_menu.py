"""The menu that shows and hides columns, at the table's header and in the View menu."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from gui.layers.columns import Column, column_title, header_tool_tip
from gui.naming import named
from gui.session import Session


class ColumnsMenu(QMenu):
    """One checkable action per column but the names'.

    Signals:
        hidden_changed(list[str]): names of the columns that the user hides.
    """

    hidden_changed = Signal(object)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("menu_columns")
        self.setTitle(self.tr("&Columns"))
        self.setToolTipsVisible(True)
        self._actions: dict[Column, QAction] = {}
        for column in Column:
            if column == Column.NAME:
                continue
            action = named(QAction(column_title(column), self), f"column_{column.name.lower()}")
            action.setToolTip(header_tool_tip(column, session.metric))
            action.setCheckable(True)
            action.setChecked(True)
            action.triggered.connect(lambda _checked=False: self.hidden_changed.emit(self.hidden_names()))
            self._actions[column] = action
            self.addAction(action)

    def hide_columns(self, names: Iterable[str]) -> None:
        """Hide exactly these, such as "rounding"; unknown names count for nothing."""
        hidden = set(names)
        for column, action in self._actions.items():
            action.setChecked(column.name.lower() not in hidden)

    def hidden_names(self) -> list[str]:
        """The columns that are hidden."""
        return [column.name.lower() for column in self.hidden_columns()]

    def hidden_columns(self) -> list[Column]:
        """The columns that are hidden."""
        return [column for column, action in self._actions.items() if not action.isChecked()]
