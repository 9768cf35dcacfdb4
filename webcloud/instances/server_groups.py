"""Server groups: instances of a project that are to be together, or apart.

An instance joins a group when it is created and leaves it when it or the
group is deleted.  Placing keeps the policy; see ``placing``.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import BadRequest, NotFound, QuotaExceeded
from webcloud.identity import quotas
from webcloud.identity.audit_trail import record
from webcloud.identity.callers import Caller
from webcloud.instances.models import Instance, ServerGroup
from webcloud.words import mark, say

POLICIES = ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
NEXT = mark("Delete something you no longer need, or ask an operator for more.")


def list_groups(session: Session, caller: Caller, *, everywhere: bool = False) -> list[ServerGroup]:
    """The project's groups by name; everyone's for operators who ask for them."""
    query = select(ServerGroup).order_by(ServerGroup.name, ServerGroup.id)
    if not (everywhere and caller.is_admin):
        query = query.where(ServerGroup.project_id == caller.project_id)
    return list(session.scalars(query))


def get(session: Session, caller: Caller, group_id: str) -> ServerGroup:
    """Raises NotFound, for another project's group just as for none."""
    group = session.get(ServerGroup, group_id)
    if group is None or not (caller.is_admin or group.project_id == caller.project_id):
        raise NotFound(say("Server group {group_id} could not be found.", group_id=group_id[:255]))
    return group


def members(session: Session, ids: Iterable[str]) -> dict[str, list[Instance]]:
    """The instances in each of these groups, oldest first."""
    found: dict[str, list[Instance]] = {each: [] for each in ids}
    query = (
        select(Instance)
        .where(Instance.server_group_id.in_(found), Instance.deleted_at.is_(None))
        .order_by(Instance.created_at, Instance.id)
    )
    for instance in session.scalars(query):
        found[instance.server_group_id or ""].append(instance)
    return found


def create(
    session: Session, caller: Caller, name: str, policy: str, *, most_per_host: int | None = None
) -> ServerGroup:
    """A group without instances. Raises BadRequest, QuotaExceeded."""
    if policy not in POLICIES:
        raise BadRequest(
            say("There is no policy {policy!r}.", policy=policy[:80]), field="server_group.policy"
        )
    if most_per_host is not None and policy != "anti-affinity":
        raise BadRequest(
            say("Only the policy anti-affinity has the rule max_server_per_host."),
            field="server_group.rules",
        )
    quotas.claim(session, caller.project_id, {"server_groups": 1})
    group = ServerGroup(
        id=new_id(),
        project_id=caller.project_id,
        user_id=caller.user_id,
        name=name,
        policy=policy,
        most_per_host=most_per_host,
        created_at=now(),
    )
    session.add(group)
    session.flush()
    _record(session, caller, "server_group.create", group)
    return group


def delete(session: Session, caller: Caller, group: ServerGroup) -> None:
    """Forget the group; its instances stay where they are."""
    # First of all, as whoever joins the group or places an instance of it does.
    session.refresh(group, with_for_update=True)
    session.execute(
        update(Instance)
        .where(Instance.server_group_id == group.id)
        .values(server_group_id=None)
        .execution_options(synchronize_session="fetch")
    )
    quotas.release(session, group.project_id, {"server_groups": 1})
    _record(session, caller, "server_group.delete", group)
    session.delete(group)


def to_join(session: Session, caller: Caller, group_id: str, count: int) -> ServerGroup:
    """The group that ``count`` new instances join, kept from being deleted meanwhile.

    Raises BadRequest for one that the project does not have, QuotaExceeded.
    """
    query = select(ServerGroup).where(
        ServerGroup.id == group_id, ServerGroup.project_id == caller.project_id
    )
    group = session.scalar(query.with_for_update())
    if group is None:
        raise BadRequest(
            say("Server group {group_id} could not be found.", group_id=group_id[:255]),
            field="os:scheduler_hints.group",
        )
    most = quotas.limit(session, caller.project_id, "server_group_members")
    there = session.scalar(
        select(func.count()).where(
            Instance.server_group_id == group_id, Instance.deleted_at.is_(None)
        )
    )
    if most != quotas.UNLIMITED and (there or 0) + count > most:
        raise QuotaExceeded(
            say(
                "Server group {name} would have more than {most} instances.",
                name=group.name,
                most=most,
            ),
            field="os:scheduler_hints.group",
            next_step=NEXT,
        )
    return group


def _record(session: Session, caller: Caller, action: str, group: ServerGroup) -> None:
    record(session, caller, action, group, project_id=group.project_id, policy=group.policy)
