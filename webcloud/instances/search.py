"""The search of the instance list: words and typed filters, parsed once, turned into SQL.

``web state:running -name:test flavor:tiny`` means: the name or id or address
holds "web", it is running, its name does not hold "test", its flavor is tiny.
A minus before a term turns it round.  State names come from ``states``; an
unknown filter or state is an error with the words that exist.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, select

from webcloud.conductor.models import OperationRow
from webcloud.errors import BadRequest
from webcloud.hosts.models import Host
from webcloud.images.models import Image
from webcloud.instances.models import Instance
from webcloud.instances.states import AT_REST, IN_PROGRESS, LOOKS
from webcloud.networks.models import Port
from webcloud.words import say

MAX_TERMS = 20

# What people type for a state, beside the names in LOOKS.
ALSO = {"running": "ACTIVE", "stopped": "SHUTOFF", "creating": "BUILD", "rebooting": "REBOOT"}


@dataclass(frozen=True)
class Term:
    """One word of the search; ``key`` is "" for a plain one."""

    key: str
    value: str
    negative: bool


def parse(text: str) -> list[Term]:
    """The terms of a search; quotes keep spaces together. Raises BadRequest."""
    try:
        words = shlex.split(text.replace("\\", "\\\\"))
    except ValueError:
        words = text.replace('"', " ").replace("'", " ").split()
    if len(words) > MAX_TERMS:
        raise BadRequest(say("A search has at most {most} words.", most=MAX_TERMS), field="q")
    return [_term(word) for word in words]


def condition(text: str) -> ColumnElement[bool] | None:
    """The SQL condition of a search, or None when it is empty. Raises BadRequest."""
    terms = parse(text)
    if not terms:
        return None
    return and_(*[_condition(term) for term in terms])


def _term(word: str) -> Term:
    negative = word.startswith("-") and len(word) > 1
    key, colon, value = word.removeprefix("-").partition(":")
    if colon and key.lower() in FILTERS:
        return Term(key.lower(), value, negative)
    if colon and key.isalpha() and value:
        known = ", ".join(f"{name}:" for name in FILTERS)
        raise BadRequest(
            say("There is no filter {key}: here; there are {known}.", key=key, known=known),
            field="q",
        )
    return Term("", word.removeprefix("-") if negative else word, negative)


def _condition(term: Term) -> ColumnElement[bool]:
    found = FILTERS[term.key](term.value) if term.key else _anything(term.value)
    return not_(found) if term.negative else found


def _anything(text: str) -> ColumnElement[bool]:
    return or_(_name(text), Instance.id == text, _address(text))


def _name(text: str) -> ColumnElement[bool]:
    return Instance.name.icontains(text, autoescape=True)


def _address(text: str) -> ColumnElement[bool]:
    return exists(
        select(Port.id).where(
            Port.instance_id == Instance.id, Port.address.startswith(text, autoescape=True)
        )
    )


def _host(text: str) -> ColumnElement[bool]:
    return exists(select(Host.id).where(Host.id == Instance.host_id, Host.name == text))


def _image(text: str) -> ColumnElement[bool]:
    return exists(
        select(Image.id).where(
            Image.id == Instance.image_id, Image.name.icontains(text, autoescape=True)
        )
    )


def _flavor(text: str) -> ColumnElement[bool]:
    return Instance.flavor_name == text


def _state(text: str) -> ColumnElement[bool]:
    """The looks of ``states.describe`` as conditions, from the same tables."""
    wanted = text.lower()
    names = [name for name in LOOKS if name.lower() == wanted]
    names += [ALSO[wanted]] if wanted in ALSO else []
    if not names:
        known = ", ".join(sorted({*(name.lower() for name in LOOKS), *ALSO}))
        raise BadRequest(
            say("There is no state {text}; there are {known}.", text=text, known=known), field="q"
        )
    return or_(*[_look(name) for name in names])


def _look(name: str) -> ColumnElement[bool]:
    kinds = [kind for kind, (look, _status, _task) in IN_PROGRESS.items() if look == name]
    active = OperationRow.active_key == "instance:" + Instance.id
    deleting = OperationRow.successor_kind == "instance.delete"
    under_way = exists(select(OperationRow.id).where(active))
    busy: ColumnElement[bool] = false()
    if name == "DELETING":
        busy = exists(
            select(OperationRow.id).where(active, or_(OperationRow.kind.in_(kinds), deleting))
        )
    elif kinds:
        busy = exists(
            select(OperationRow.id).where(
                active, OperationRow.kind.in_(kinds), OperationRow.successor_kind.is_(None)
            )
        )
    powers = [power for power, (status, _vm, _number) in AT_REST.items() if status == name]
    rest = and_(Instance.built.is_(True), Instance.observed_power.in_(powers))
    if name == "ERROR":
        rest = or_(rest, and_(Instance.built.is_(False), Instance.fault.is_not(None)))
    if name == "BUILD":
        rest = and_(Instance.built.is_(False), Instance.fault.is_(None))
    return or_(busy, and_(not_(under_way), rest))


FILTERS: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "name": _name,
    "state": _state,
    "host": _host,
    "image": _image,
    "flavor": _flavor,
    "address": _address,
}
