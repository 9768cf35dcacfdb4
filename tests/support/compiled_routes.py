"""Routes are compiled once, not for each test's application.

Werkzeug writes, compiles and runs a small program for every route of every
application that is built; that was nine tenths of what building one costs.  The
program depends on nothing but the route, so that the first one is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


@pytest.fixture(scope="session", autouse=True)
def routes_compiled_once() -> Iterator[None]:
    compile_builder: Callable[[Rule, bool], Builder] = Rule._compile_builder
    known: dict[Any, Builder] = {}

    def remembered(rule: Rule, append_unknown: bool = True) -> Builder:
        key = (rule.rule, tuple(rule._trace), repr(rule.defaults), append_unknown)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembered)
        yield
