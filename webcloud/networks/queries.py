"""Reads of networks, subnets and ports, scoped to what the caller may see."""

from __future__ import annotations

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from webcloud.errors import NotFound
from webcloud.identity.callers import Caller
from webcloud.networks.models import Network, Port, Subnet
from webcloud.words import say


def list_networks(session: Session, caller: Caller) -> list[Network]:
    return list(session.scalars(_visible(caller).order_by(Network.created_at)))


def get(session: Session, caller: Caller, network_id: str) -> Network:
    """Raises NotFound."""
    network = session.scalar(_visible(caller).where(Network.id == network_id))
    if network is None:
        raise NotFound(
            say("No network has the id {network_id}.", network_id=network_id), field="networks"
        )
    return network


def default(session: Session, caller: Caller) -> Network:
    """The network an instance gets when none is named. Raises NotFound."""
    network = session.scalar(_visible(caller).where(Network.is_default.is_(True)))
    if network is None:
        raise NotFound("There is no default network.", field="networks")
    return network


def list_subnets(session: Session, caller: Caller) -> list[Subnet]:
    visible = _visible(caller).with_only_columns(Network.id)
    return list(session.scalars(select(Subnet).where(Subnet.network_id.in_(visible))))


def subnets_of(session: Session, network_id: str) -> list[Subnet]:
    return list(session.scalars(select(Subnet).where(Subnet.network_id == network_id)))


def with_subnet(session: Session, network_id: str) -> tuple[Network, Subnet]:
    """A network that is there, and its first subnet."""
    found = session.execute(
        select(Network, Subnet)
        .join(Subnet, Subnet.network_id == Network.id)
        .where(Network.id == network_id)
        .limit(1)
    ).one()
    return found.Network, found.Subnet


def list_ports(
    session: Session, caller: Caller, *, instance_ids: list[str] | None = None
) -> list[Port]:
    """The project's ports, everyone's for operators; perhaps only those of some instances."""
    query = select(Port).order_by(Port.created_at)
    if instance_ids is not None:
        query = query.where(Port.instance_id.in_(instance_ids))
    if not caller.is_admin:
        query = query.where(Port.project_id == caller.project_id)
    return list(session.scalars(query))


def ports_of_instances(session: Session, instance_ids: list[str]) -> dict[str, list[Port]]:
    """Ports by instance id, in one query; every asked id has an entry."""
    found: dict[str, list[Port]] = {instance_id: [] for instance_id in instance_ids}
    query = select(Port).where(Port.instance_id.in_(instance_ids)).order_by(Port.created_at)
    for port in session.scalars(query):
        found[port.instance_id or ""].append(port)
    return found


def by_id(session: Session, network_ids: set[str]) -> dict[str, Network]:
    """The networks that are there, in one query."""
    found = session.scalars(select(Network).where(Network.id.in_(network_ids)))
    return {network.id: network for network in found}


def network_names(session: Session) -> dict[str, str]:
    """Network id to name."""
    rows = session.execute(select(Network.id, Network.name))
    return {row.id: row.name for row in rows}


def _visible(caller: Caller) -> Select[Network]:
    query = select(Network)
    if caller.is_admin:
        return query
    return query.where(or_(Network.project_id == caller.project_id, Network.shared.is_(True)))
