"""Frozen dataclasses as JSON documents and back, checked field by field.

Fields that this version does not know are kept: a dataclass with a field `extra` takes those of its own document
and of the records below it, and `encode` puts them back where they were. Those inside lists are lost.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from engine.plan import Plan, plan_from_json, plan_to_json

T = TypeVar("T")
JsonObject = dict[str, Any]
EXTRA = "extra"
NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_SCALARS = (bool, int, str)
_HINTS: dict[type[Any], tuple[tuple[str, Any, bool], ...]] = {}


def encode(value: Any) -> Any:
    """A value as JSON can say it; numbers that are not finite become strings."""
    if isinstance(value, Plan):
        return plan_to_json(value)
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value) if field.name != EXTRA]
        document = {name: encode(getattr(value, name)) for name in fields}
        return _merged(document, getattr(value, EXTRA, {}))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def decode(kind: type[T], document: Any) -> T:
    """The value of a type that a document describes.

    Raises:
        ValueError, PlanError: a field is missing or holds something else than its type.
    """
    value, _ = _decode(kind, document, kind.__name__)
    return typing.cast("T", value)


def _merged(document: JsonObject, extra: Mapping[str, Any]) -> JsonObject:
    """The document with the unknown fields in it; what is known wins."""
    for key, value in extra.items():
        if key not in document:
            document[key] = value
        elif isinstance(document[key], dict) and isinstance(value, Mapping):
            _merged(document[key], value)
    return document


def _decode(kind: Any, document: Any, where: str) -> tuple[Any, JsonObject]:
    """The value, and the unknown fields that nobody below took."""
    if kind is Plan:
        return plan_from_json(document, where), {}
    if dataclasses.is_dataclass(kind):
        return _decode_record(typing.cast("type[Any]", kind), document, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return (None, {}) if document is None else _decode(arguments[0], document, where)
    if origin is tuple:
        return _decode_tuple(arguments, document, where), {}
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(document, dict):
            raise ValueError(f"{where} is no table")
        return {
            _decode(arguments[0], key, where)[0]: _decode(arguments[1], item, f"{where}.{key}")[0]
            for key, item in document.items()
        }, {}
    return _decode_scalar(kind, document, where), {}


def _decode_scalar(kind: Any, document: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(document)
    if kind is float:
        if isinstance(document, str) and document in NOT_FINITE:
            return NOT_FINITE[document]
        if isinstance(document, int | float) and not isinstance(document, bool):
            try:
                return float(document)
            except OverflowError as error:
                raise ValueError(f"{where} is too large") from error
    elif (kind in _SCALARS and type(document) is kind) or kind is Any:
        return document
    raise ValueError(f"{where} is {type(document).__name__}, not {getattr(kind, '__name__', kind)}")


def _decode_tuple(arguments: tuple[Any, ...], document: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(document, list):
        raise ValueError(f"{where} is no list")
    return tuple(_decode(arguments[0], item, where)[0] for item in document)


def _hints(kind: type[Any]) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it can be left out, of every field."""
    if kind in _HINTS:
        return _HINTS[kind]
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    _HINTS[kind] = tuple(
        (field.name, hints[field.name], field.default is not missing or field.default_factory is not missing)
        for field in dataclasses.fields(kind)
    )
    return _HINTS[kind]


def _decode_record(kind: type[Any], document: Any, where: str) -> tuple[Any, JsonObject]:
    if not isinstance(document, dict):
        raise ValueError(f"{where} is no record")
    values: JsonObject = {}
    unknown = dict(document)
    takes_extra = False
    for name, hint, is_optional in _hints(kind):
        if name == EXTRA:
            takes_extra = True
        elif name in document:
            values[name], below = _decode(hint, unknown.pop(name), f"{where}.{name}")
            if below:
                unknown[name] = below
        elif not is_optional:
            raise ValueError(f"{where}.{name} is missing")
    if not takes_extra:
        return kind(**values), unknown
    return kind(**values, extra=unknown), {}
