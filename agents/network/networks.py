"""Have a network, or a port on it, on this host, or have it gone.

The description is stored before anything is made, and removed after
everything is gone: what is stored is therefore always enough to finish the
work or to undo it.  ``repair`` puts right what died or was removed, at the
agent's start and from time to time; guests do not notice.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.errors import AgentError
from agents.ids import checked_id, checked_mac, is_id
from agents.network import bridges, dhcp, firewall, nat, nft
from agents.storage import files
from agents.wire.codec import WireError, decode, encode
from agents.wire.commands import EnsureNetwork, EnsurePort, EnsurePortAbsent, tap_name
from agents.wire.reports import Repair

log = logging.getLogger(__name__)

_BRIDGE = re.compile(r"[a-z][a-z0-9]{0,14}")


class Networks:
    """Everything under ``networks/``; one change at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()

    def ensure(self, network: EnsureNetwork) -> dict[str, Any]:
        """Raises AgentError bad_command or network."""
        checked_id(network.network_id)
        plan = _bridge_plan(network)
        dhcp_plan = self._dhcp_plan(network)
        with self._lock:
            files.ensure_folder(self._folder)
            files.ensure_folder(dhcp_plan.folder)
            text = json.dumps(encode(network), sort_keys=True)
            if files.read_text(dhcp_plan.folder / "network.json") != text:
                files.write(dhcp_plan.folder / "network.json", text.encode())
            # The filter is there before the first guest can send anything.
            firewall.ensure_guest_filter(network.bridge, network.nat)
            if not bridges.exists(network.bridge):
                # A server of a bridge that is gone would never hear the new one.
                dhcp.ensure_no_dhcp(dhcp_plan.folder)
            bridges.ensure_bridge(plan)
            if network.nat:
                nat.ensure_nat(network.network_id, network.bridge, plan.cidr)
            else:
                nat.ensure_no_nat(network.network_id)
            dhcp.ensure_dhcp(dhcp_plan)
        return {}

    def ensure_absent(self, network_id: str) -> dict[str, Any]:
        """Remove bridge, DHCP server, NAT and filter entry; then the description."""
        folder = self._folder / checked_id(network_id)
        with self._lock:
            network = self._stored(network_id)
            if network is not None:
                dhcp.ensure_no_dhcp(folder)
                bridges.ensure_no_device(network.bridge)
                nat.ensure_no_nat(network_id)
                firewall.ensure_no_guest_filter(network.bridge)
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
        return {}

    def ensure_port(self, port: EnsurePort) -> dict[str, Any]:
        """Promise the address. Raises AgentError ``network`` on an unknown network."""
        with self._lock:
            network = self._stored(checked_id(port.network_id))
            if network is None:
                raise AgentError("network", "The port's network is not on this host.", True)
            address = _address(port.address)
            if address not in ipaddress.IPv4Network(network.cidr):
                raise AgentError("bad_command", "the port's address is not in its network")
            lease = dhcp.Lease(
                checked_id(port.port_id), checked_mac(port.mac), str(address), port.hostname
            )
            dhcp.ensure_lease(self._dhcp_plan(network), lease)
        return {}

    def ensure_port_absent(self, port: EnsurePortAbsent) -> dict[str, Any]:
        """Forget the promise and remove a tap that was left."""
        lease = dhcp.Lease(
            checked_id(port.port_id), checked_mac(port.mac), str(_address(port.address))
        )
        with self._lock:
            network = self._stored(checked_id(port.network_id))
            if network is not None:
                dhcp.ensure_no_lease(self._dhcp_plan(network), lease)
            bridges.ensure_no_device(tap_name(port.port_id))
        return {}

    def repair(self) -> list[Repair]:
        """Have every stored network whole and say what was not; a broken one stops no other."""
        repairs: list[Repair] = []
        loaded = nft.Ruleset()
        for network in self.stored():
            try:
                repairs += self._repair(network, loaded)
            except (AgentError, OSError) as error:
                log.warning("network %s: %s", network.network_id, error)
        return repairs

    def _repair(self, network: EnsureNetwork, loaded: nft.Ruleset) -> list[Repair]:
        with self._lock:
            if self._stored(network.network_id) is None:
                return []  # It was removed since the list was made.
            broken = [what for what, whole in self._parts(network, loaded) if not whole]
            if broken:
                log.warning("network %s: repairing %s", network.network_id, ", ".join(broken))
                self.ensure(network)
            repairs = [Repair(what, network.network_id) for what in broken]
            # Whoever deletes a bridge takes the guests' taps off it, too.
            for port_id in self._unplugged(network):
                bridges.plug(tap_name(port_id), network.bridge)
                repairs.append(Repair("tap", port_id))
        return repairs

    def _parts(self, network: EnsureNetwork, loaded: nft.Ruleset) -> tuple[tuple[str, bool], ...]:
        return (
            ("rules", self._is_ruled(network, loaded)),
            ("bridge", bridges.is_whole(_bridge_plan(network))),
            ("dhcp", dhcp.is_whole(self._dhcp_plan(network))),
        )

    def _is_ruled(self, network: EnsureNetwork, loaded: nft.Ruleset) -> bool:
        nat_wanted = network.bridge in firewall.nat_bridges(loaded)
        return (
            network.bridge in firewall.filtered_bridges(loaded)
            and nat_wanted is network.nat
            and nat.is_whole(
                loaded,
                network.network_id,
                network.bridge,
                ipaddress.IPv4Network(network.cidr),
                wanted=network.nat,
            )
        )

    def _unplugged(self, network: EnsureNetwork) -> list[str]:
        """Ports of the network whose tap is there, but on no bridge."""
        ports = [line.split()[0] for line in dhcp.leases(self._folder / network.network_id)]
        return [
            port_id
            for port_id in ports
            if bridges.exists(tap_name(port_id)) and bridges.bridge_of(tap_name(port_id)) is None
        ]

    def ruled(self) -> tuple[str, ...]:
        """Ids of the networks with all their rules loaded."""
        loaded = nft.Ruleset()
        return tuple(
            network.network_id for network in self.stored() if self._is_ruled(network, loaded)
        )

    def stored(self) -> Iterator[EnsureNetwork]:
        """The networks this host has been told to have."""
        if not self._folder.is_dir():
            return
        for item in sorted(self._folder.iterdir()):
            network = self._stored(item.name) if is_id(item.name) else None
            if network is not None:
                yield network

    def leases(self) -> tuple[str, ...]:
        return tuple(
            line
            for network in self.stored()
            for line in dhcp.leases(self._folder / network.network_id)
        )

    def dhcp_alive(self) -> tuple[str, ...]:
        return tuple(
            network.network_id
            for network in self.stored()
            if dhcp.server_pid(self._folder / network.network_id) is not None
        )

    def _stored(self, network_id: str) -> EnsureNetwork | None:
        text = files.read_text(self._folder / network_id / "network.json")
        if text is None:
            return None
        try:
            return decode(EnsureNetwork, json.loads(text))
        except (ValueError, WireError) as error:
            log.warning("the description of network %s is damaged: %s", network_id, error)
            return None

    def _dhcp_plan(self, network: EnsureNetwork) -> dhcp.DhcpPlan:
        return dhcp.DhcpPlan(
            folder=self._folder / network.network_id,
            bridge=network.bridge,
            cidr=ipaddress.IPv4Network(network.cidr),
            gateway=str(_address(network.gateway)),
            dns=tuple(str(_address(server)) for server in network.dns),
            mtu=network.mtu,
        )


def _bridge_plan(network: EnsureNetwork) -> bridges.BridgePlan:
    try:
        cidr = ipaddress.IPv4Network(network.cidr)
    except ValueError as error:
        raise AgentError("bad_command", "the network's cidr is not an IPv4 network") from error
    gateway = _address(network.gateway)
    if gateway not in cidr:
        raise AgentError("bad_command", "the network's gateway is not in its cidr")
    if not _BRIDGE.fullmatch(network.bridge) or not 576 <= network.mtu <= 65535:
        raise AgentError("bad_command", "the network's bridge name or mtu is not allowed")
    return bridges.BridgePlan(
        network.bridge,
        cidr,
        ipaddress.IPv4Interface(f"{gateway}/{cidr.prefixlen}"),
        network.mtu,
    )


def _address(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError as error:
        raise AgentError("bad_command", "an address is not an IPv4 address") from error
