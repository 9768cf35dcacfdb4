"""Networks with real bridges, a real dnsmasq, real rules and namespaces for guests."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.errors import AgentError
from agents.network import bridges, dhcp, firewall, nat, nft
from agents.network.networks import Networks
from agents.wire.commands import EnsureNetwork, EnsurePort, EnsurePortAbsent, bridge_name, tap_name
from agents.wire.reports import Repair
from tests.support.netns import NetnsGuest


def masquerading(network: EnsureNetwork) -> list[str]:
    return nft.Ruleset().marks("ip", nat.table_name(network.network_id), "postrouting")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.networks = Networks(folder / "networks")

    def network(self, dns: tuple[str, ...] = (), nat_on: bool = True) -> EnsureNetwork:
        network_id = str(uuid.uuid4())
        third = f"10.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}"
        network = EnsureNetwork(
            network_id, bridge_name(network_id), f"{third}.0/24", f"{third}.1", dns, 1450, nat_on
        )
        self.networks.ensure(network)
        return network

    def port(self, network: EnsureNetwork, last: int = 5, hostname: str = "web") -> EnsurePort:
        mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
        address = network.gateway.rsplit(".", 1)[0] + f".{last}"
        port = EnsurePort(network.network_id, str(uuid.uuid4()), mac, address, hostname)
        self.networks.ensure_port(port)
        return port

    def absent(self, port: EnsurePort) -> None:
        self.networks.ensure_port_absent(
            EnsurePortAbsent(port.network_id, port.port_id, port.mac, port.address)
        )

    def leases_file(self, network: EnsureNetwork) -> str:
        return (self.folder / "networks" / network.network_id / "leases").read_text()


@pytest.fixture
def bench(open_dir: Path) -> Iterator[Bench]:
    made = Bench(open_dir)
    yield made
    for network in list(made.networks.stored()):
        made.networks.ensure_absent(network.network_id)


def test_a_guest_gets_the_promised_address(bench: Bench, tmp_path: Path) -> None:
    network = bench.network()
    port = bench.port(network)
    with NetnsGuest(network.bridge, port.mac) as guest:
        given = guest.dhcp(tmp_path)
    assert given["ip"] == port.address
    assert given["router"] == network.gateway
    assert given["dns"] == network.gateway
    assert given["mtu"] == "1450"
    assert given["subnet"] == "255.255.255.0"
    assert bench.networks.leases() == (f"{port.port_id} {port.mac} {port.address}",)


def test_name_servers_are_given_on_and_no_dns_server_runs_then(
    bench: Bench, tmp_path: Path
) -> None:
    network = bench.network(dns=("9.9.9.9", "1.1.1.1"))
    port = bench.port(network)
    with NetnsGuest(network.bridge, port.mac) as guest:
        assert guest.dhcp(tmp_path)["dns"] == "9.9.9.9 1.1.1.1"
        guest.configure(f"{port.address}/24", network.gateway)
        assert not guest.reaches(network.gateway, 53)


def test_a_stranger_gets_no_address(bench: Bench, tmp_path: Path) -> None:
    network = bench.network()
    with NetnsGuest(network.bridge, "52:54:00:00:00:01") as guest:
        assert guest.dhcp(tmp_path, tries=2) == {}


def test_an_address_goes_to_its_next_port_at_once(bench: Bench, tmp_path: Path) -> None:
    network = bench.network()
    first = bench.port(network, 7)
    with NetnsGuest(network.bridge, first.mac) as guest:
        assert guest.dhcp(tmp_path)["ip"] == first.address
    assert first.mac in bench.leases_file(network)
    pid = dhcp.server_pid(bench.folder / "networks" / network.network_id)
    bench.absent(first)
    assert first.mac not in bench.leases_file(network)
    assert dhcp.server_pid(bench.folder / "networks" / network.network_id) == pid
    bench.absent(first)
    second = bench.port(network, 7)
    with NetnsGuest(network.bridge, second.mac) as guest:
        assert guest.dhcp(tmp_path)["ip"] == second.address
    with NetnsGuest(network.bridge, first.mac) as guest:
        assert guest.dhcp(tmp_path, tries=2) == {}


def test_a_lease_is_struck_out_even_when_no_server_takes_the_release(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = bench.network()
    port = bench.port(network)
    with NetnsGuest(network.bridge, port.mac) as guest:
        guest.dhcp(tmp_path)
    monkeypatch.setattr(dhcp, "release", lambda *_: None)
    monkeypatch.setattr(dhcp, "_RELEASE_SECONDS", 0.05)
    bench.absent(port)
    assert port.mac not in bench.leases_file(network)
    assert bench.networks.dhcp_alive() == (network.network_id,)


def test_s46_a_hostname_cannot_inject_anything(bench: Bench) -> None:
    network = bench.network()
    hosts = bench.folder / "networks" / network.network_id / "hosts"
    hostile = ("a\nb", "a,b", "#x", "", "-a", "x" * 64, "é", "a b", "\0", "x" * 10_000)
    for last, hostname in enumerate(hostile, 5):
        port = bench.port(network, last, hostname)
        assert (hosts / port.port_id).read_text() == f"{port.mac},{port.address}\n"
    assert bench.networks.dhcp_alive() == (network.network_id,)


def test_ensuring_twice_changes_nothing(bench: Bench) -> None:
    network = bench.network()
    folder = bench.folder / "networks" / network.network_id
    index = Path(f"/sys/class/net/{network.bridge}/ifindex").read_text()
    pid = dhcp.server_pid(folder)
    bench.networks.ensure(network)
    assert Path(f"/sys/class/net/{network.bridge}/ifindex").read_text() == index
    assert dhcp.server_pid(folder) == pid
    bridge = Path(f"/sys/class/net/{network.bridge}/bridge")
    assert (bridge / "stp_state").read_text().strip() == "0"
    assert (bridge / "forward_delay").read_text().strip() == "0"


def test_a_changed_description_is_taken_over(bench: Bench) -> None:
    network = bench.network()
    third = network.gateway.rsplit(".", 1)[0]
    changed = EnsureNetwork(
        network.network_id, network.bridge, f"{third}.0/25", f"{third}.2", (), 1400, False
    )
    bench.networks.ensure(changed)
    assert bridges._address_of(network.bridge) == (f"{third}.2", "255.255.255.128")
    assert masquerading(network) == []
    assert network.bridge not in firewall.nat_bridges(nft.Ruleset())
    assert bench.networks.ruled() == (network.network_id,)
    assert bench.networks.repair() == []
    assert list(bench.networks.stored()) == [changed]


def wait_dead(folder: Path) -> None:
    deadline = time.monotonic() + 5
    while dhcp.server_pid(folder) is not None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_dead_server_or_a_lost_bridge_is_repaired_and_said(bench: Bench) -> None:
    network = bench.network()
    folder = bench.folder / "networks" / network.network_id
    pid = dhcp.server_pid(folder)
    assert pid is not None
    assert bench.networks.repair() == [], "nothing is broken"
    os.kill(pid, signal.SIGKILL)
    wait_dead(folder)
    assert bench.networks.dhcp_alive() == ()
    assert bench.networks.repair() == [Repair("dhcp", network.network_id)]
    assert dhcp.server_pid(folder) not in (None, pid)
    bridges.ensure_no_device(network.bridge)
    assert bench.networks.repair() == [Repair("bridge", network.network_id)]
    assert bridges.exists(network.bridge)
    assert bench.networks.repair() == []


def test_after_its_bridge_was_deleted_a_guest_is_plugged_in_again_and_gets_its_address(
    bench: Bench, tmp_path: Path
) -> None:
    network = bench.network()
    port = bench.port(network)
    with NetnsGuest(network.bridge, port.mac, outer=tap_name(port.port_id)) as guest:
        assert guest.dhcp(tmp_path)["ip"] == port.address
        bridges.ensure_no_device(network.bridge)
        assert bench.networks.repair() == [
            Repair("bridge", network.network_id),
            Repair("tap", port.port_id),
        ]
        assert bridges.bridge_of(tap_name(port.port_id)) == network.bridge
        assert guest.dhcp(tmp_path)["ip"] == port.address, "its server hears the new bridge"
        subprocess.run(["ip", "link", "set", tap_name(port.port_id), "nomaster"], check=True)
        assert bench.networks.repair() == [Repair("tap", port.port_id)]


def test_a_tap_that_is_on_another_bridge_is_left_there(bench: Bench) -> None:
    one, other = bench.network(), bench.network()
    port = bench.port(one)
    with NetnsGuest(other.bridge, port.mac, outer=tap_name(port.port_id)):
        assert bench.networks.repair() == []
        assert bridges.bridge_of(tap_name(port.port_id)) == other.bridge


@pytest.mark.parametrize(
    "broken",
    [
        "flush table ip NAT",
        "delete table ip NAT",
        "flush chain inet webcloud forward",
        "delete element inet webcloud bridges { BRIDGE }",
        "delete element inet webcloud nat_bridges { BRIDGE }",
        "add rule ip NAT postrouting accept",
        "insert rule inet webcloud input accept",
        "replace rule ip NAT postrouting handle RULE ip saddr 10.0.0.0/8 masquerade",
    ],
)
def test_rules_that_somebody_removed_or_changed_are_loaded_again(bench: Bench, broken: str) -> None:
    network = bench.network()
    assert bench.networks.ruled() == (network.network_id,)
    table = nat.table_name(network.network_id)
    command = broken.replace("NAT", table).replace("BRIDGE", network.bridge)
    for item in nft.listing(f"table ip {table}"):
        command = command.replace("RULE", str(item.get("rule", {}).get("handle", "RULE")))
    subprocess.run(["nft", command], check=True)
    assert bench.networks.ruled() == ()
    assert Repair("rules", network.network_id) in bench.networks.repair()
    assert bench.networks.ruled() == (network.network_id,)


def test_one_network_that_cannot_be_repaired_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = bench.network(), bench.network()
    ensure = bench.networks.ensure

    def failing(network: EnsureNetwork) -> dict[str, object]:
        if network == one:
            raise AgentError("network", "broken", True)
        return ensure(network)

    monkeypatch.setattr(bench.networks, "ensure", failing)
    for network in (one, other):
        bridges.ensure_no_device(network.bridge)
    assert bench.networks.repair() == [Repair("bridge", other.network_id)]
    monkeypatch.undo()
    assert bench.networks.repair() == [Repair("bridge", one.network_id)]


def test_a_removed_network_leaves_nothing(bench: Bench) -> None:
    network = bench.network()
    bench.port(network)
    folder = bench.folder / "networks" / network.network_id
    pid = dhcp.server_pid(folder)
    assert network.bridge in bridges.devices("br")
    assert bench.networks.ruled() == (network.network_id,)
    bench.networks.ensure_absent(network.network_id)
    assert not folder.exists()
    assert not bridges.exists(network.bridge)
    assert masquerading(network) == []
    assert pid is not None
    # It has ended; whether init has buried it yet is no concern of ours.
    assert dhcp._command_line(pid) == []
    listing = subprocess.run(
        ["nft", "list", "table", "inet", "webcloud"], capture_output=True, text=True, check=True
    ).stdout
    assert network.bridge not in listing
    bench.networks.ensure_absent(network.network_id)


def test_a_tap_that_was_left_is_removed_with_its_port(bench: Bench) -> None:
    network = bench.network()
    port = bench.port(network)
    tap = tap_name(port.port_id)
    subprocess.run(["ip", "tuntap", "add", tap, "mode", "tap"], check=True)
    assert tap in bridges.devices("tap")
    bench.absent(port)
    assert not bridges.exists(tap)


def test_s53_guests_reach_only_dhcp_dns_and_ping_of_the_host(bench: Bench) -> None:
    network = bench.network()
    port = bench.port(network)
    with socket.socket() as listener, NetnsGuest(network.bridge, port.mac) as guest:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        number = listener.getsockname()[1]
        guest.configure(f"{port.address}/24", network.gateway)
        assert guest.pings(network.gateway)
        assert guest.reaches(network.gateway, 53)
        assert not guest.reaches(network.gateway, number)
        with socket.create_connection(("127.0.0.1", number), 1):
            pass  # The host itself is not filtered, so the port is open.


def test_guests_of_one_network_talk_and_two_networks_do_not(bench: Bench) -> None:
    one, other = bench.network(), bench.network()
    ports = [bench.port(one, 5), bench.port(one, 6), bench.port(other, 5)]
    with (
        NetnsGuest(one.bridge, ports[0].mac) as a,
        NetnsGuest(one.bridge, ports[1].mac) as b,
        NetnsGuest(other.bridge, ports[2].mac) as c,
    ):
        a.configure(f"{ports[0].address}/24", one.gateway)
        b.configure(f"{ports[1].address}/24", one.gateway)
        c.configure(f"{ports[2].address}/24", other.gateway)
        assert a.pings(ports[1].address)
        assert not a.pings(ports[2].address)
        assert not c.pings(ports[0].address)


def test_guests_reach_the_world_under_the_hosts_address(bench: Bench) -> None:
    network, port = (found := bench.network()), bench.port(found)
    world = f"wcw{secrets.token_hex(3)}"
    outside = "203.0.113"
    subprocess.run(["ip", "link", "add", world, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", f"{outside}.1/24", "dev", world], check=True)
        subprocess.run(["ip", "link", "set", world, "up"], check=True)
        with (
            NetnsGuest(world, "52:54:00:00:00:02") as server,
            NetnsGuest(network.bridge, port.mac) as guest,
        ):
            # No route back to the guest: an answer proves that the host's address was used.
            server.run("ip", "addr", "add", f"{outside}.2/24", "dev", "eth0")
            guest.configure(f"{port.address}/24", network.gateway)
            assert guest.pings(f"{outside}.2")
            server.run("ip", "route", "add", network.cidr, "via", f"{outside}.1")
            assert not server.pings(port.address)
    finally:
        subprocess.run(["ip", "link", "del", world], check=True)


@pytest.mark.parametrize(
    "change",
    [
        {"cidr": "10.0.0.1/8"},
        {"cidr": "fd00::/64"},
        {"gateway": "10.9.9.9"},
        {"gateway": "x"},
        {"dns": ("1.1.1.1\n--conf-file=/x",)},
        {"bridge": "br;reboot"},
        {"bridge": "b" * 16},
        {"mtu": 0},
        {"network_id": "../x"},
    ],
)
def test_a_description_outside_the_rules_is_refused_and_leaves_nothing(
    bench: Bench, change: dict[str, object]
) -> None:
    network_id = str(uuid.uuid4())
    good: dict[str, object] = {
        "network_id": network_id,
        "bridge": bridge_name(network_id),
        "cidr": "10.60.0.0/24",
        "gateway": "10.60.0.1",
    }
    with pytest.raises(AgentError) as refusal:
        bench.networks.ensure(EnsureNetwork(**{**good, **change}))  # type: ignore[arg-type]
    assert refusal.value.code == "bad_command"
    assert list(bench.networks.stored()) == []
    assert not bridges.exists(bridge_name(network_id))


def test_a_port_outside_its_network_is_refused(bench: Bench) -> None:
    network = bench.network()
    good = EnsurePort(network.network_id, str(uuid.uuid4()), "52:54:00:00:00:01", "10.1.1.1", "x")
    for wrong, code in (
        (good, "bad_command"),
        (EnsurePort(network.network_id, "..", good.mac, network.gateway, "x"), "bad_command"),
        (EnsurePort(network.network_id, good.port_id, "x", network.gateway, "x"), "bad_command"),
        (EnsurePort(str(uuid.uuid4()), good.port_id, good.mac, good.address, "x"), "network"),
    ):
        with pytest.raises(AgentError) as refusal:
            bench.networks.ensure_port(wrong)
        assert refusal.value.code == code


def test_a_damaged_description_harms_only_its_own_network(bench: Bench) -> None:
    good, bad = bench.network(), bench.network()
    path = bench.folder / "networks" / bad.network_id / "network.json"
    text = path.read_text()
    path.write_text("{}")
    bench.networks.repair()
    assert [item.network_id for item in bench.networks.stored()] == [good.network_id]
    path.write_text(text)
