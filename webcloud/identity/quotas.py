"""How much a project may use, claimed under a lock so that no race passes a limit.

``claim`` belongs in the transaction that makes the resource, ``release`` in
the one that ends it; when the transaction rolls back, so does the claim.
Limits count what is claimed, never what is counted at the moment of asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import case, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webcloud.errors import QuotaExceeded
from webcloud.identity.models import QuotaLimit, QuotaUsage
from webcloud.words import say, word

UNLIMITED = -1

DEFAULTS: Mapping[str, int] = MappingProxyType(
    {
        "instances": 20,
        "vcpus": 40,
        "memory_mb": 102_400,
        "disk_gb": 1_000,
        "images": 50,
        "image_gb": 500,
        "key_pairs": 100,
        "server_groups": 10,
        "server_group_members": 10,
        "networks": 10,
        "ports": 100,
    }
)


@dataclass(frozen=True)
class Usage:
    """What is used of one resource; ``limit`` -1 means none."""

    used: int
    limit: int

    @property
    def left(self) -> int | None:
        """What can still be claimed; None when there is no limit."""
        return None if self.limit == UNLIMITED else max(0, self.limit - self.used)


def claim(session: Session, project_id: str, amounts: Mapping[str, int]) -> None:
    """Take these amounts of the project's quota.

    Raises QuotaExceeded naming the resource, what is used and the limit; the
    caller's transaction must then be rolled back.
    """
    wanted = _in_order(amounts)
    if not wanted:
        return
    known = _locked(session, project_id, wanted)
    if len(known) < len(wanted):
        for resource in wanted:
            _ensure_row(session, project_id, resource)
        known = _locked(session, project_id, wanted)
    for resource, amount in wanted.items():
        left = known[resource].left
        if left is not None and amount > left:
            raise _exceeded(resource, amount, known[resource].used, known[resource].limit)
    session.execute(
        update(QuotaUsage)
        .where(QuotaUsage.project_id == project_id, QuotaUsage.resource.in_(wanted))
        .values(used=QuotaUsage.used + case(wanted, value=QuotaUsage.resource))
        .execution_options(synchronize_session=False)
    )


def hold(session: Session, project_id: str) -> None:
    """Let nobody else claim in this project until the transaction ends; claims nothing."""
    _locked(session, project_id, {"instances": 0})


def check(session: Session, project_id: str, amounts: Mapping[str, int]) -> None:
    """Whether ``claim`` would be allowed at this moment; takes nothing. Raises QuotaExceeded."""
    use = usage(session, project_id)
    for resource, amount in _in_order(amounts).items():
        left = use[resource].left
        if left is not None and amount > left:
            raise _exceeded(resource, amount, use[resource].used, use[resource].limit)


def release(session: Session, project_id: str, amounts: Mapping[str, int]) -> None:
    """Give these amounts back; usage never falls below zero."""
    for resource, amount in _in_order(amounts).items():
        session.execute(
            update(QuotaUsage)
            .where(QuotaUsage.project_id == project_id, QuotaUsage.resource == resource)
            .values(used=case((QuotaUsage.used >= amount, QuotaUsage.used - amount), else_=0))
            .execution_options(synchronize_session=False)
        )


def usage(session: Session, project_id: str) -> dict[str, Usage]:
    """Every resource's usage and limit in one project."""
    rows = session.execute(
        select(QuotaUsage.resource, QuotaUsage.used).where(QuotaUsage.project_id == project_id)
    )
    used = {row.resource: row.used for row in rows}
    return {
        resource: Usage(used.get(resource, 0), most)
        for resource, most in limits(session, project_id).items()
    }


def limits(session: Session, project_id: str) -> dict[str, int]:
    """Every resource's limit in one project: its own, else the default."""
    rows = session.execute(
        select(QuotaLimit.resource, QuotaLimit.maximum).where(QuotaLimit.project_id == project_id)
    )
    own = {resource: maximum for resource, maximum in rows if resource in DEFAULTS}
    return {**DEFAULTS, **own}


def limit(session: Session, project_id: str, resource: str) -> int:
    """One resource's limit in one project; -1 means none."""
    _known(resource)
    return limits(session, project_id)[resource]


def set_limits(session: Session, project_id: str, maxima: Mapping[str, int]) -> None:
    """Give a project its own limits; -1 removes a limit. What is used stays as it is."""
    for resource, maximum in maxima.items():
        _known(resource)
        if maximum < UNLIMITED:
            raise ValueError(f"a limit is -1 or more, not {maximum}")
        session.merge(QuotaLimit(project_id=project_id, resource=resource, maximum=maximum))
    session.flush()


def open_account(session: Session, project_id: str) -> None:
    """Make a new project's usage rows, so that claims never have to insert one."""
    session.add_all(
        QuotaUsage(project_id=project_id, resource=resource, used=0) for resource in DEFAULTS
    )
    session.flush()


def _locked(session: Session, project_id: str, wanted: Mapping[str, int]) -> dict[str, Usage]:
    """Usage and limit of these resources; the rows stay locked, in one order for all."""
    own = (
        select(QuotaLimit.maximum)
        .where(QuotaLimit.project_id == project_id, QuotaLimit.resource == QuotaUsage.resource)
        .scalar_subquery()
    )
    rows = session.execute(
        select(QuotaUsage.resource, QuotaUsage.used, own.label("own"))
        .where(QuotaUsage.project_id == project_id, QuotaUsage.resource.in_(wanted))
        .order_by(QuotaUsage.resource)
        .with_for_update()
    )
    return {
        row.resource: Usage(row.used, DEFAULTS[row.resource] if row.own is None else row.own)
        for row in rows
    }


def _exceeded(resource: str, amount: int, used: int, most: int) -> QuotaExceeded:
    return QuotaExceeded(
        say(
            "The project's quota of {resource} does not allow {amount} more: {used} of "
            "{most} are used.",
            resource=word(resource),
            amount=amount,
            used=used,
            most=most,
        ),
        next_step="Delete something you no longer need, or ask an operator for more.",
    )


def _ensure_row(session: Session, project_id: str, resource: str) -> None:
    """Add the usage row of a resource that is younger than the project."""
    if session.get(QuotaUsage, (project_id, resource)) is not None:
        return
    try:
        with session.begin_nested():
            session.add(QuotaUsage(project_id=project_id, resource=resource, used=0))
    except IntegrityError:
        # Another transaction added it first, which serves as well.
        return


def _in_order(amounts: Mapping[str, int]) -> dict[str, int]:
    """The amounts that change something, in one order for all, so that rows never deadlock."""
    for resource, amount in amounts.items():
        _known(resource)
        if amount < 0:
            raise ValueError(f"an amount of {resource} is zero or more, not {amount}")
    return {resource: amounts[resource] for resource in sorted(amounts) if amounts[resource]}


def _known(resource: str) -> None:
    if resource not in DEFAULTS:
        raise LookupError(f"there is no quota called {resource!r}")
