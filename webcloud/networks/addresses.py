"""Chooses MAC and IP addresses, inside the transaction that will use them."""

from __future__ import annotations

import ipaddress
import secrets

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from webcloud.db import locked
from webcloud.errors import BadRequest, Conflict
from webcloud.networks.models import Port, Subnet
from webcloud.words import say


def claim(session: Session, subnet_id: str, *, wanted: str | None = None) -> tuple[str, str]:
    """The wanted address, or the lowest free one of the subnet; and a MAC of no other port.

    Raises BadRequest for an address outside the range, Conflict for one that
    is taken or when none is left.

    The subnet's row is locked until the transaction ends, so two claims can
    never choose the same address; a unique index stands behind that.
    """
    subnet = locked(session, Subnet, subnet_id)
    mac = _random_mac()
    rows = session.execute(
        select(Port.address, Port.mac, Port.subnet_id).where(
            or_(Port.subnet_id == subnet_id, Port.mac == mac)
        )
    ).all()
    macs = {row.mac for row in rows}
    if mac in macs:
        mac = _unused_mac(session)
    return _address(
        subnet, {row.address for row in rows if row.subnet_id == subnet_id}, wanted
    ), mac


def _address(subnet: Subnet, taken: set[str], wanted: str | None) -> str:
    first, last = ipaddress.ip_address(subnet.first), ipaddress.ip_address(subnet.last)
    if wanted is not None:
        return _check_wanted(wanted, subnet, taken)
    for number in range(int(first), int(last) + 1):
        address = str(ipaddress.ip_address(number))
        if address not in taken:
            return address
    raise Conflict(
        say(
            "Network addresses {first} to {last} are all in use.",
            first=subnet.first,
            last=subnet.last,
        ),
        next_step="Delete an instance, or use another network.",
        field="networks",
    )


def _check_wanted(wanted: str, subnet: Subnet, taken: set[str]) -> str:
    inside = ipaddress.ip_address(wanted).version == ipaddress.ip_address(
        subnet.first
    ).version and int(ipaddress.ip_address(subnet.first)) <= int(
        ipaddress.ip_address(wanted)
    ) <= int(ipaddress.ip_address(subnet.last))
    if not inside:
        raise BadRequest(
            say(
                "Address {wanted} is outside {first} to {last}.",
                wanted=wanted,
                first=subnet.first,
                last=subnet.last,
            ),
            field="networks",
        )
    if wanted in taken:
        raise Conflict(say("Address {wanted} is in use.", wanted=wanted), field="networks")
    return wanted


def _unused_mac(session: Session) -> str:
    while True:
        mac = _random_mac()
        if session.scalar(select(Port.id).where(Port.mac == mac)) is None:
            return mac


def _random_mac() -> str:
    """A locally administered MAC with OpenStack's prefix."""
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
