"""I18, I19, I20: bridges, taps, rules and leases on one host."""

from __future__ import annotations

from collections.abc import Iterator

from agents.wire.commands import bridge_name, tap_name
from webcloud.admin.verify.problem import Problem
from webcloud.admin.verify.view import View
from webcloud.instances.models import Instance
from webcloud.networks.models import Port
from webcloud.words import say


def check(view: View, ports: dict[str, list[Port]], *, leaving: bool) -> Iterator[Problem]:
    """``leaving``: what seems to belong to nobody may be of an instance just deleted."""
    settled = [port for instance in view.settled for port in ports[instance.id]]
    yield from _networks(view, {port.network_id for port in settled})
    for instance in view.settled:
        for port in ports[instance.id]:
            yield from _port(view, instance, port)
    if not leaving:
        yield from _unowned(view, {port.id for found in ports.values() for port in found})


def _networks(view: View, network_ids: set[str]) -> Iterator[Problem]:
    survey = view.survey
    for network_id in sorted(network_ids):
        if bridge_name(network_id) not in survey.bridges:
            words = say("has no bridge on {host}", host=view.host)
            yield Problem("I18", network_id, words, "bridge_missing")
        if network_id not in survey.nat_networks:
            words = say("has not all of its rules on {host}", host=view.host)
            yield Problem("I19", network_id, words, "rules_missing")
        if network_id not in survey.dhcp_networks:
            words = say("has no DHCP server on {host}", host=view.host)
            yield Problem("I20", network_id, words, "dhcp_missing")


def _port(view: View, instance: Instance, port: Port) -> Iterator[Problem]:
    if instance.observed_power == "running" and tap_name(port.id) not in view.survey.taps:
        words = say("has no tap on {host}", host=view.host)
        yield Problem("I18", port.id, words, "tap_missing", instance.id)
    lease = _lease(view, port.id)
    if lease is None:
        words = say("has no static lease on {host}", host=view.host)
        yield Problem("I20", port.id, words, "lease_missing", instance.id)
    elif lease != (port.mac, port.address):
        words = say("is promised another address on {host}", host=view.host)
        yield Problem("I20", port.id, words, "lease_differs", instance.id)


def _lease(view: View, port_id: str) -> tuple[str, str] | None:
    for line in view.survey.leases:
        parts = line.split()
        if len(parts) == 3 and parts[0] == port_id:
            return parts[1], parts[2]
    return None


def _unowned(view: View, port_ids: set[str]) -> Iterator[Problem]:
    known_taps = {tap_name(port_id) for port_id in port_ids}
    for tap in sorted(set(view.survey.taps) - known_taps):
        words = say("is a tap on {host} that no port owns", host=view.host)
        yield Problem("I18", tap, words, "tap_unowned")
    leases = {line.split()[0] for line in view.survey.leases if line.strip()}
    for lease in sorted(leases - port_ids):
        words = say("is a lease on {host} that no port owns", host=view.host)
        yield Problem("I20", lease, words, "lease_unowned")
