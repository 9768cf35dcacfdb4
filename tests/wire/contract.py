"""The contract as data: every message with its fields, as one version knows them."""

from __future__ import annotations

import dataclasses
import inspect
from types import ModuleType
from typing import Any

from agents.wire import commands, consoles, reports
from agents.wire.since import version_of

Contract = dict[str, dict[str, Any]]


def contract(version: int) -> Contract:
    """``{"messages": {name: {field: "type = default"}}, "verbs": {verb: name of payload}}``."""
    return {
        "messages": {
            kind.__name__: _fields(kind, version)
            for module in (commands, consoles, reports)
            for kind in _messages(module)
        },
        "verbs": {
            verb: kind.__name__
            for verb, kind in commands.VERBS.items()
            if commands.knows(version, verb)
        },
    }


def _messages(module: ModuleType) -> list[type[Any]]:
    return [
        kind
        for _, kind in inspect.getmembers(module, dataclasses.is_dataclass)
        if kind.__module__ == module.__name__
    ]


def _fields(kind: type[Any], version: int) -> dict[str, str]:
    return {
        item.name: f"{item.type}{_default(item)}"
        for item in dataclasses.fields(kind)
        if version_of(item) <= version
    }


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default_factory is not dataclasses.MISSING:
        return f" = {item.default_factory()!r}"
    return "" if item.default is dataclasses.MISSING else f" = {item.default!r}"
