"""Dataclasses to JSON-ready values and back, strictly.

``decode`` refuses unknown fields, missing fields and wrong types, so that
neither side ever acts on half of a message.  ``encode`` writes for a version of
the contract and leaves out what that one does not know (see ``since``).
Supported field types: str, int, float, bool, dict, None, tuples of those,
nested dataclasses and ``X | None``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, TypeVar

from agents.wire import WIRE_VERSION
from agents.wire.since import may_be_left_out, version_of

T = TypeVar("T")


class WireError(ValueError):
    """A message that does not follow the contract; the text names the field."""


class TooNew(ValueError):
    """The receiver's version of the contract has no field for what must be said."""


def encode(message: Any, version: int = WIRE_VERSION) -> dict[str, Any]:
    """A dataclass instance as JSON-ready dictionaries, lists and scalars.

    Raises TooNew when a receiver of ``version`` must know a field that it does not.
    """
    plain: dict[str, Any] = {}
    for item in dataclasses.fields(message):
        value = getattr(message, item.name)
        if version_of(item) <= version:
            plain[item.name] = _plain(value, version)
        elif not may_be_left_out(item, value):
            raise TooNew(f"{type(message).__name__}.{item.name} is not in version {version}")
    return plain


def decode(kind: type[T], data: Any, path: str = "") -> T:
    """Build ``kind`` from decoded JSON; raises WireError."""
    if not isinstance(data, dict):
        raise WireError(f"{path or kind.__name__}: expected an object")
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise WireError(f"{path}{unknown[0]}: unknown field")
    values: dict[str, Any] = {}
    for name, item in known.items():
        if name in data:
            values[name] = _value(hints[name], data[name], f"{path}{name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise WireError(f"{path}{name}: missing")
    return kind(**values)


def _plain(value: Any, version: int) -> Any:
    if dataclasses.is_dataclass(value):
        return encode(value, version)
    if isinstance(value, tuple | list):
        return [_plain(item, version) for item in value]
    return value


def _value(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in typing.get_args(hint):
            return None
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        return _value(inner[0], value, path)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise WireError(f"{path}: expected a list")
        part = typing.get_args(hint)[0]
        return tuple(_value(part, item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise WireError(f"{path}: expected an object")
        return value
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast(Any, hint), value, f"{path}.")
    return _scalar(hint, value, path)


def _scalar(hint: Any, value: Any, path: str) -> Any:
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise WireError(f"{path}: expected {hint.__name__}")
    return value
