"""Fields and verbs that older versions of the contract do not know.

A field added in version N is declared ``since(N, default=...)``: a sender of
an older version leaves it out and the default stands, and it is left out of
what is sent to an older agent.  Where the agent must not act without knowing
the value, it is not sent at all: ``codec.encode`` raises TooNew, unless the
field is the default, or was declared with ``vital=False``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

_VERSION, _VITAL = "since", "vital"


def since(
    version: int,
    *,
    default: Any = dataclasses.MISSING,
    default_factory: Callable[[], Any] | None = None,
    vital: bool = True,
) -> Any:
    """A dataclass field that exists since ``version``.

    Raises TypeError without a default: a message of an older sender has no such field.
    """
    metadata = {_VERSION: version, _VITAL: vital}
    if default_factory is not None:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    if default is dataclasses.MISSING:
        raise TypeError("a field that older versions do not know needs a default")
    return dataclasses.field(default=default, metadata=metadata)


def version_of(item: dataclasses.Field[Any]) -> int:
    """The version of the contract that brought the field; 1 unless it says otherwise."""
    return int(item.metadata.get(_VERSION, 1))


def may_be_left_out(item: dataclasses.Field[Any], value: Any) -> bool:
    """Whether an older receiver does right without being told this value."""
    if not item.metadata.get(_VITAL, True):
        return True
    if item.default_factory is not dataclasses.MISSING:
        return bool(value == item.default_factory())
    return bool(value == item.default)
