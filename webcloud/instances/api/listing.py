"""GET /servers?...: which instances a query asks for, in which order, and which page.

A name filter is a literal part of the name, with ^ and $ as anchors; Nova's
regular expressions are not evaluated.  An unknown parameter is refused and a
filter for operators is refused to others: ignoring one would list what was
not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from webcloud.errors import BadRequest, Forbidden
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.instances import queries, states
from webcloud.instances.api.dialect import limit, truth
from webcloud.instances.models import Instance
from webcloud.networks.models import Port

CHUNK = 500
SORTS = {
    **queries.SORTS,
    "created": Instance.created_at,
    "updated": Instance.updated_at,
}
EXACT = {
    "uuid": Instance.id,
    "flavor": Instance.flavor_id,
    "image": Instance.image_id,
    "key_name": Instance.key_name,
    "hostname": Instance.hostname,
}
EXACT_FOR_OPERATORS = {
    "user_id": Instance.user_id,
    "project_id": Instance.project_id,
    "tenant_id": Instance.project_id,
}
HOST_NAMES = ("host", "hypervisor_hostname", "node")
DERIVED = ("status", "vm_state", "task_state", "power_state")
CONTROLS = (
    *("name", "description", "ip", "deleted", "all_tenants", "changes-since", "changes-before"),
    *("limit", "marker", "sort_key", "sort_dir"),
)
KNOWN = frozenset((*EXACT, *EXACT_FOR_OPERATORS, *HOST_NAMES, *DERIVED, *CONTROLS))


def find(
    session: Session, caller: Caller, arguments: MultiDict[str, str]
) -> tuple[list[Instance], bool]:
    """The page of instances that the query parameters ask for, and whether more may follow.

    Raises BadRequest naming the parameter at fault, Forbidden for a filter
    that is the operators'.
    """
    for name in arguments:
        if name not in KNOWN:
            raise BadRequest(f"Unknown query parameter {name[:80]!r}.", field=name[:80])
    wanted = limit()
    query = _paged(session, caller, _filtered(caller, arguments), arguments)
    found: list[Instance] = []
    for instance in _matching(session, query, arguments):
        if len(found) == wanted:
            return found, True
        found.append(instance)
    return found, False


def _filtered(caller: Caller, arguments: MultiDict[str, str]) -> Select[Instance]:
    query = queries.visible(caller, everywhere=_everywhere(caller, arguments))
    query = _by_time(caller, query, arguments)
    for name, column in EXACT.items():
        if name in arguments:
            query = query.where(column.in_(arguments.getlist(name)))
    for name, column in EXACT_FOR_OPERATORS.items():
        if name in arguments:
            _operators_only(caller, name)
            query = query.where(column.in_(arguments.getlist(name)))
    for name in HOST_NAMES:
        if name in arguments:
            _operators_only(caller, name)
            chosen = select(Host.id).where(Host.name.in_(arguments.getlist(name)))
            query = query.where(Instance.host_id.in_(chosen))
    if arguments.get("name"):
        query = query.where(_like(Instance.name, arguments["name"]))
    if arguments.get("description"):
        query = query.where(_like(Instance.description, arguments["description"]))
    if arguments.get("ip"):
        ports = select(Port.instance_id).where(_like(Port.address, arguments["ip"]))
        query = query.where(Instance.id.in_(ports))
    return query


def _everywhere(caller: Caller, arguments: MultiDict[str, str]) -> bool:
    text = arguments.get("all_tenants")
    if text is None or not (text == "" or truth("all_tenants", text)):
        return False
    if not caller.is_admin:
        raise Forbidden("Only operators may list the instances of every project.")
    return True


def _by_time(
    caller: Caller, query: Select[Instance], arguments: MultiDict[str, str]
) -> Select[Instance]:
    since, before = _moment(arguments, "changes-since"), _moment(arguments, "changes-before")
    if since is not None:
        query = query.where(Instance.updated_at >= since)
    if before is not None:
        query = query.where(Instance.updated_at <= before)
    if truth("deleted", arguments.get("deleted")):
        _operators_only(caller, "deleted")
        return query.where(Instance.deleted_at.is_not(None))
    if since is None and before is None:
        query = query.where(Instance.deleted_at.is_(None))
    return query


def _moment(arguments: MultiDict[str, str], name: str) -> datetime | None:
    text = arguments.get(name)
    if not text:
        return None
    try:
        # A plus sign that was not escaped in the address arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} must be a time such as 2026-01-31T12:00:00Z.", field=name) from (
            error
        )


def _like(column: Any, pattern: str) -> Any:
    """The pattern as a literal, with ^ and $ at its ends as anchors."""
    starts, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith(r"\$")
    literal = re.sub(r"\\([^0-9A-Za-z])", r"\1", pattern[starts : len(pattern) - ends])
    if starts and ends:
        return column == literal
    if starts:
        return column.istartswith(literal, autoescape=True)
    if ends:
        return column.iendswith(literal, autoescape=True)
    return column.icontains(literal, autoescape=True)


def _paged(
    session: Session,
    caller: Caller,
    query: Select[Instance],
    arguments: MultiDict[str, str],
) -> Select[Instance]:
    """Order the query and begin it after the marker."""
    order = _order(arguments)
    marker = arguments.get("marker")
    if marker:
        last = session.scalar(
            queries.visible(caller, everywhere=caller.is_admin).where(Instance.id == marker)
        )
        if last is None:
            raise BadRequest(f"The marker {marker[:80]!r} could not be found.", field="marker")
        after: list[Any] = []
        same: list[Any] = []
        for column, descending in order:
            value = getattr(last, column.key)
            beyond = column < value if descending else column > value
            after.append(and_(*same, beyond))
            same.append(column == value)
        query = query.where(or_(*after))
    return query.order_by(*(each.desc() if down else each.asc() for each, down in order))


def _order(arguments: MultiDict[str, str]) -> list[tuple[Any, bool]]:
    keys = arguments.getlist("sort_key") or ["created_at"]
    directions = arguments.getlist("sort_dir")
    order: list[tuple[Any, bool]] = []
    for position, key in enumerate(keys):
        if key not in SORTS:
            raise BadRequest(f"Instances cannot be sorted by {key[:80]!r}.", field="sort_key")
        direction = directions[position] if position < len(directions) else "desc"
        if direction not in ("asc", "desc"):
            raise BadRequest("sort_dir must be asc or desc.", field="sort_dir")
        order.append((SORTS[key], direction == "desc"))
    return [*order, (Instance.id, True)]


def _matching(
    session: Session, query: Select[Instance], arguments: MultiDict[str, str]
) -> Iterator[Instance]:
    """The query's instances that also are in the state asked for, which no column holds."""
    wanted = {
        name: {text.upper() for text in arguments.getlist(name)}
        for name in DERIVED
        if arguments.get(name)
    }
    offset = 0
    while True:
        rows = list(session.scalars(query.limit(CHUNK).offset(offset)))
        operations = queries.active_operations(session, [row.id for row in rows]) if wanted else {}
        for row in rows:
            status = states.describe(row, operations.get(row.id)) if wanted else None
            if all(str(getattr(status, name)).upper() in texts for name, texts in wanted.items()):
                yield row
        if len(rows) < CHUNK:
            return
        offset += CHUNK


def _operators_only(caller: Caller, name: str) -> None:
    if not caller.is_admin:
        raise Forbidden(f"Only operators may filter by {name!r}.", field=name)
