"""The instance list as its page shows it: rows with all they need, in a constant number of queries.

Nothing here asks a host for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from webcloud.conductor.models import OperationRow
from webcloud.hosts import queries as hosts
from webcloud.identity.callers import Caller
from webcloud.images.models import Image
from webcloud.instances import queries, search, states
from webcloud.instances.models import Instance
from webcloud.instances.states import Status
from webcloud.networks import queries as networks

PER_PAGE = 50
MOST_EXPORTED = 10_000

SORTS: dict[str, InstrumentedAttribute[object]] = {
    "name": Instance.name,
    "created": Instance.created_at,
    "flavor": Instance.memory_mb,
    "image": Instance.image_id,
}


@dataclass(frozen=True)
class Row:
    """One instance with what the list says about it; ``host_name`` is for operators."""

    instance: Instance
    status: Status
    operation: OperationRow | None
    addresses: list[str]
    image_name: str
    host_name: str


@dataclass(frozen=True)
class Listing:
    """One page of a list. ``any_at_all`` is False only when an empty list should teach."""

    rows: list[Row]
    total: int
    page: int
    sort: str
    descending: bool
    text: str
    any_at_all: bool

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PER_PAGE))


def read(session: Session, caller: Caller, *, text: str, sort: str, page: int) -> Listing:
    """One page of the project's instances. ``sort`` is a key of SORTS, with "-" for descending.

    Raises BadRequest for a search that cannot be understood.
    """
    key, descending = _order(sort)
    everything = queries.visible(caller).where(Instance.deleted_at.is_(None))
    wanted = _wanted(everything, text)
    total = session.scalar(select(func.count()).select_from(wanted.subquery())) or 0
    page = min(max(1, page), max(1, -(-total // PER_PAGE)))
    ordered = _ordered(wanted, key, descending)
    found = list(session.scalars(ordered.limit(PER_PAGE).offset((page - 1) * PER_PAGE)))
    any_at_all = bool(total) or session.scalar(everything.limit(1)) is not None
    return Listing(
        rows(session, caller, found), total, page, key, descending, text, any_at_all=any_at_all
    )


def read_all(session: Session, caller: Caller, *, text: str, sort: str) -> list[Row]:
    """Every instance of the project that fits, at most MOST_EXPORTED; for a file.

    Raises BadRequest for a search that cannot be understood.
    """
    everything = queries.visible(caller).where(Instance.deleted_at.is_(None))
    ordered = _ordered(_wanted(everything, text), *_order(sort))
    return rows(session, caller, list(session.scalars(ordered.limit(MOST_EXPORTED))))


def _order(sort: str) -> tuple[str, bool]:
    key = sort.removeprefix("-")
    return (key, sort.startswith("-")) if key in SORTS else ("created", True)


def _wanted(everything: Select[Instance], text: str) -> Select[Instance]:
    condition = search.condition(text)
    return everything if condition is None else everything.where(condition)


def _ordered(wanted: Select[Instance], key: str, descending: bool) -> Select[Instance]:
    column = SORTS[key]
    return wanted.order_by(column.desc() if descending else column.asc(), Instance.id)


def rows(session: Session, caller: Caller, instances: Sequence[Instance]) -> list[Row]:
    """The rows of these instances."""
    ids = [instance.id for instance in instances]
    active = queries.active_operations(session, ids)
    ports = networks.ports_of_instances(session, ids)
    images = image_names(session, {instance.image_id for instance in instances})
    host_names = hosts.names(session) if caller.is_admin else {}
    return [
        Row(
            instance=instance,
            status=states.describe(instance, active.get(instance.id)),
            operation=active.get(instance.id),
            addresses=[port.address for port in ports[instance.id]],
            image_name=images.get(instance.image_id, ""),
            host_name=host_names.get(instance.host_id or "", ""),
        )
        for instance in instances
    ]


def image_names(session: Session, image_ids: set[str]) -> dict[str, str]:
    """Image id to name, of deleted images too: instances outlive them."""
    found = session.execute(select(Image.id, Image.name).where(Image.id.in_(image_ids)))
    return {row[0]: row[1] for row in found}


def login_user(session: Session, image_id: str) -> str:
    """The user that the image's makers expect people to log in as, "" when unknown."""
    image = session.get(Image, image_id)
    return str(image.properties.get("os_admin_user", "")) if image is not None else ""
