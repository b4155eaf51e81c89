"""What the controls of a window are set to, by object name, so that others of the same names can take over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLineEdit,
    QSpinBox,
    QSplitter,
    QStackedWidget,
    QTabWidget,
    QWidget,
)


@runtime_checkable
class ViewKeeper(Protocol):
    """A widget that knows itself what is to be kept of how the user looks at it."""

    def read_view(self) -> Any:
        """Plain data; None for nothing."""

    def restore_view(self, view: Any) -> None:
        """Take over what another of its kind has read."""


@dataclass(frozen=True)
class ViewState:
    """Texts, numbers, chosen entries, pages and sizes by name, and the name of what has the focus."""

    values: dict[str, Any]
    focused: str = ""

    def over(self, older: ViewState) -> ViewState:
        """This state, and of the older one what this says nothing about."""
        return replace(self, values={**older.values, **self.values})


def read_view_state(root: QWidget) -> ViewState:
    """How `root` and the named controls below it are set."""
    controls = _controls(root)
    values = ((widget.objectName(), _read(widget)) for widget in controls)
    return ViewState(
        {name: value for name, value in values if value is not None},
        next((widget.objectName() for widget in controls if widget.hasFocus()), ""),
    )


def restore_view_state(root: QWidget, state: ViewState) -> None:
    """Set controls of the same names as they were, as if the user did it; others stay as they are."""
    for widget in _controls(root):
        value = state.values.get(widget.objectName())
        if value is not None and _read(widget) != value:
            _write(widget, value)
        if widget.objectName() == state.focused:
            widget.setFocus()


def _controls(root: QWidget) -> list[QWidget]:
    """Those that have a name of ours, a page before what is on it."""
    named = (widget for widget in (root, *root.findChildren(QWidget)) if widget.objectName())
    return [widget for widget in named if not widget.objectName().startswith("qt_")]


def _read(widget: QWidget) -> Any:
    if isinstance(widget, ViewKeeper):
        return widget.read_view()
    if isinstance(widget, QLineEdit):
        return widget.text(), widget.isModified()
    if isinstance(widget, QAbstractButton):
        return int(widget.isChecked()) if widget.isCheckable() else None
    if isinstance(widget, QComboBox | QStackedWidget | QTabWidget):
        return widget.currentIndex()
    if isinstance(widget, QSplitter):
        return widget.sizes()
    if isinstance(widget, QSpinBox):
        return widget.value()
    return None


def _write(widget: QWidget, value: Any) -> None:
    if isinstance(widget, ViewKeeper):
        widget.restore_view(value)
    elif isinstance(widget, QLineEdit):
        text, is_edited = value
        widget.setText(text)
        widget.setModified(is_edited)
    elif isinstance(widget, QAbstractButton) and widget.isCheckable():
        widget.setChecked(bool(value))
    elif isinstance(widget, QComboBox) and 0 <= value < widget.count():
        widget.setCurrentIndex(value)
        widget.activated.emit(value)
    elif isinstance(widget, QStackedWidget | QTabWidget):
        widget.setCurrentIndex(value)
    elif isinstance(widget, QSplitter):
        widget.setSizes(value)
    elif isinstance(widget, QSpinBox):
        widget.setValue(value)
