"""I7: nothing that is claimed for one port or network is claimed for another as well.

Unique indexes stand behind most of it; this asks the rows themselves.  An
address is taken once in a whole network, whichever of its subnets it is of,
and the gateway has its own.  Devices on hosts are named after the first digits
of ids, so those must differ, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.wire.commands import bridge_name, tap_name
from webcloud.admin.verify.problem import Problem
from webcloud.networks.models import Network, Port, Subnet


def check(session: Session) -> list[Problem]:
    ports = session.execute(
        select(Port.id, Port.network_id, Port.mac, Port.address).order_by(Port.id)
    ).all()
    subnets = session.execute(
        select(Subnet.id, Subnet.network_id, Subnet.gateway).order_by(Subnet.id)
    ).all()
    networks = session.scalars(select(Network.id).order_by(Network.id))
    claims = [((each.network_id, each.address), each.id) for each in ports]
    claims += [((each.network_id, each.gateway), each.id) for each in subnets]
    return [
        *_twice("the address", claims),
        # However it is written, a network card has no other one.
        *_twice("the MAC", [(each.mac.lower(), each.id) for each in ports]),
        *_twice("the tap", [(tap_name(each.id), each.id) for each in ports]),
        *_twice("the bridge", [(bridge_name(id_), id_) for id_ in networks]),
    ]


def _twice(what: str, claims: Iterable[tuple[Hashable, str]]) -> list[Problem]:
    """One problem for each claimant beyond the first of the same thing."""
    claimants = defaultdict(list)
    for thing, claimant in claims:
        claimants[thing].append(claimant)
    problems = []
    for thing, (first, *others) in claimants.items():
        name = thing[-1] if isinstance(thing, tuple) else thing
        for other in others:
            problems.append(Problem("I7", other, f"has {what} {name}, as {first} has"))
    return problems
