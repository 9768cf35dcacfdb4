"""Changes to networks and ports. Never commits."""

from __future__ import annotations

import ipaddress

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from agents.wire.commands import EnsureNetwork, EnsurePort, EnsurePortAbsent, bridge_name
from webcloud.db import new_id, now
from webcloud.identity import quotas
from webcloud.networks import addresses, queries
from webcloud.networks.models import Network, Port, Subnet


def ensure_default(session: Session, project_id: str, cidr: str, dns: str = "") -> Network:
    """The installation's shared NAT network, created when it is not there yet."""
    network = session.scalar(select(Network).where(Network.is_default.is_(True)))
    if network is not None:
        return network
    moment = now()
    network = Network(
        id=new_id(),
        name="default",
        project_id=project_id,
        shared=True,
        is_default=True,
        nat=True,
        mtu=1500,
        created_at=moment,
        updated_at=moment,
    )
    hosts = ipaddress.ip_network(cidr)
    session.add(network)
    session.flush()
    session.add(
        Subnet(
            id=new_id(),
            network_id=network.id,
            name="default",
            cidr=str(hosts),
            gateway=str(hosts[1]),
            first=str(hosts[10]),
            last=str(hosts[-2]),
            dns=dns,
            created_at=moment,
        )
    )
    return network


def create_port(
    session: Session,
    network: Network,
    project_id: str,
    instance_id: str,
    *,
    address: str | None = None,
    claimed: bool = False,
) -> Port:
    """Claim a MAC and an address (the wanted one, or the lowest free) for an instance.

    ``claimed`` says that the caller has claimed the port of the project's quota.
    Raises BadRequest, Conflict, QuotaExceeded.
    """
    if not claimed:
        quotas.claim(session, project_id, {"ports": 1})
    subnet = queries.subnets_of(session, network.id)[0]
    address, mac = addresses.claim(session, subnet.id, wanted=address)
    moment = now()
    port = Port(
        id=new_id(),
        project_id=project_id,
        network_id=network.id,
        subnet_id=subnet.id,
        instance_id=instance_id,
        mac=mac,
        address=address,
        created_at=moment,
        updated_at=moment,
    )
    session.add(port)
    session.flush()
    return port


def remove_ports(session: Session, instance_id: str) -> None:
    """Give back every address of the instance; the quota is the caller's to give back."""
    session.execute(delete(Port).where(Port.instance_id == instance_id))


def network_command(session: Session, network_id: str) -> EnsureNetwork:
    """What a host must have before a port of this network can be plugged."""
    network, subnet = queries.with_subnet(session, network_id)
    return EnsureNetwork(
        network_id=network.id,
        bridge=bridge_name(network.id),
        cidr=subnet.cidr,
        gateway=subnet.gateway,
        dns=tuple(item.strip() for item in subnet.dns.split(",") if item.strip()),
        mtu=network.mtu,
        nat=network.nat,
    )


def port_command(port: Port, hostname: str) -> EnsurePort:
    return EnsurePort(
        network_id=port.network_id,
        port_id=port.id,
        mac=port.mac,
        address=port.address,
        hostname=hostname,
    )


def port_absent_command(port: Port) -> EnsurePortAbsent:
    return EnsurePortAbsent(
        network_id=port.network_id, port_id=port.id, mac=port.mac, address=port.address
    )
