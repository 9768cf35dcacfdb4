"""Gathers what an answer about instances needs, with a constant number of queries."""

from __future__ import annotations

from sqlalchemy.orm import Session

from webcloud.hosts import presence, zones
from webcloud.hosts import queries as hosts
from webcloud.identity.callers import Caller
from webcloud.instances import queries
from webcloud.instances.api.dialect import minor, public_base
from webcloud.instances.models import Instance
from webcloud.instances.serialize import View
from webcloud.networks import queries as networks


def plain() -> View:
    """For what is not an instance: version and links only."""
    return View(minor(), public_base())


def view_of(session: Session, caller: Caller, instances: list[Instance]) -> View:
    """Everything around these instances; hosts only for operators."""
    ids = [instance.id for instance in instances]
    known = hosts.list_hosts(session) if caller.is_admin else []
    return View(
        minor(),
        public_base(),
        is_admin=caller.is_admin,
        ports=networks.ports_of_instances(session, ids),
        network_names=networks.network_names(session),
        host_names={host.id: host.name for host in known},
        hosts_up=frozenset(host.id for host in known if presence.is_alive(host)),
        zones=zones.by_host(session),
        operations=queries.active_operations(session, ids),
    )
