"""Object names, by which style sheets, scripts and tests find things."""

from __future__ import annotations

from typing import TypeVar

from PySide6.QtCore import QObject

AnyObject = TypeVar("AnyObject", bound=QObject)


def named(thing: AnyObject, name: str) -> AnyObject:
    """The same object, with its name."""
    thing.setObjectName(name)
    return thing
