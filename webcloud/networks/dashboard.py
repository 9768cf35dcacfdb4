"""The page of networks: which there are, their addresses, and how many are taken."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from flask import Blueprint, render_template
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webcloud.db import current
from webcloud.identity.callers import current_caller
from webcloud.networks import queries
from webcloud.networks.models import Network, Port, Subnet
from webcloud.web import require

blueprint = Blueprint("networks_pages", __name__, url_prefix="/networks")


@dataclass(frozen=True)
class NetworkView:
    """One network; ``taken`` counts addresses of every project, as the pool is shared."""

    network: Network
    subnets: list[Subnet]
    taken: int
    total: int


@blueprint.get("")
@require("networks:read")
def index() -> str:
    """The networks that the project may use."""
    session, caller = current(), current_caller()
    subnets = queries.list_subnets(session, caller)
    taken = _taken(session)
    views = []
    for network in queries.list_networks(session, caller):
        own = [subnet for subnet in subnets if subnet.network_id == network.id]
        total = sum(_size(subnet) for subnet in own)
        views.append(NetworkView(network, own, taken.get(network.id, 0), total))
    return render_template("networks/index.html", views=views)


def _size(subnet: Subnet) -> int:
    first, last = ipaddress.ip_address(subnet.first), ipaddress.ip_address(subnet.last)
    return int(last) - int(first) + 1


def _taken(session: Session) -> dict[str, int]:
    rows = session.execute(select(Port.network_id, func.count(Port.id)).group_by(Port.network_id))
    return {row[0]: row[1] for row in rows}
