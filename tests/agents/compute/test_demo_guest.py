"""A whole Linux on a real tap: its address by DHCP, and a power button it obeys."""

from __future__ import annotations

import hashlib
import time
import uuid

import pytest

from agents.network import bridges
from agents.wire.commands import (
    Domain,
    EnsureConfigDrive,
    EnsureDisk,
    EnsureDomainAbsent,
    EnsureImage,
    EnsureNetwork,
    EnsurePort,
    EnsureRunning,
    EnsureStopped,
    Interface,
    ReadConsoleLog,
    Survey,
    bridge_name,
    tap_name,
)
from tests.agents.compute.test_guests import Bench
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost
from webcloud.images.demo import build

pytestmark = pytest.mark.guests
MAC = "52:54:00:77:10:05"


def test_a_linux_guest_gets_its_address_and_stops_when_asked(
    controller: AgentController, guest_host: AgentHost
) -> None:
    guest_host.start_inside()
    bench = Bench(controller, guest_host)
    made = build(guest_host.base / "demo.raw")
    content, image_id = made.path.read_bytes(), str(uuid.uuid4())
    controller.images[image_id] = content
    digest = hashlib.sha256(content).hexdigest()
    controller.do(EnsureImage(image_id, digest, len(content), "raw"), image_id)
    network_id, port_id = str(uuid.uuid4()), str(uuid.uuid4())
    bridge = bridge_name(network_id)
    network = EnsureNetwork(network_id, bridge, "10.91.3.0/24", "10.91.3.1")
    assert controller.do(network, network_id).status == "done"
    port = EnsurePort(network_id, port_id, MAC, "10.91.3.5", "demo")
    assert controller.do(port, port_id).status == "done"
    bench.do(EnsureDisk(bench.id, image_id, "raw", 1 << 30))
    bench.do(EnsureConfigDrive(bench.id, {}))
    domain = Domain(
        bench.id, "demo", network_id, 1, 128, 1,
        disk_format="raw", image_id=image_id, interfaces=(Interface(port_id, MAC, bridge),),
    )  # fmt: skip
    bench.do(EnsureRunning(domain))
    deadline, output = time.monotonic() + 40, ""
    while "10.91.3.5" not in output:
        assert time.monotonic() < deadline, output
        time.sleep(0.3)
        asked = ReadConsoleLog(bench.id)
        output = str(controller.do(asked, bench.id, generation=0).result["output"])
    survey = controller.do(Survey(), "host", generation=0).result
    assert tap_name(port_id) in survey["taps"]
    assert f"{port_id} {MAC} 10.91.3.5" in survey["leases"]
    assert network_id in survey["dhcp_networks"]
    assert bench.do(EnsureStopped(bench.id, 30)) == {"power": "shutoff", "forced": False}
    bench.power("shutoff")
    bench.do(EnsureDomainAbsent(bench.id))
    assert not bridges.exists(tap_name(port_id))
