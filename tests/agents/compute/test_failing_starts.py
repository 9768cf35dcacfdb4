"""A guest that cannot start says so, leaves nothing running, and can be removed."""

from __future__ import annotations

from dataclasses import replace

import libvirt
import pytest

from agents.wire.commands import EnsureDomainAbsent, EnsureRunning, Interface
from tests.agents.compute.test_guests import Bench
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost
from tests.support.boot_sector import ECHO

pytestmark = pytest.mark.guests


def test_a_missing_bridge_is_libvirts_refusal_and_the_next_attempt_works(
    controller: AgentController, guest_host: AgentHost
) -> None:
    guest_host.start_inside()
    bench = Bench(controller, guest_host)
    bench.files(ECHO)
    card = Interface("0b869b65-22ac-4192-81ca-c5c529b221ef", "52:54:00:00:00:09", "brnowhere")
    broken = EnsureRunning(replace(bench.domain(), interfaces=(card,)))
    report = controller.do(broken, bench.id, 10)
    assert (report.status, report.error_code, report.retryable) == ("failed", "libvirt", True)
    connection = libvirt.open("qemu:///system")
    assert not connection.lookupByUUIDString(bench.id).isActive()
    assert controller.do(EnsureRunning(bench.domain()), bench.id, 11).status == "done"
    assert controller.do(EnsureDomainAbsent(bench.id), bench.id, 12).status == "done"
    with pytest.raises(libvirt.libvirtError):
        connection.lookupByUUIDString(bench.id)


def test_a_guest_that_just_powered_itself_off_is_started_again(
    controller: AgentController, guest_host: AgentHost
) -> None:
    guest_host.start_inside()
    controller.wait_for(lambda: controller.inventories)
    bench = Bench(controller, guest_host)
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain(boot=1)))
    connection = libvirt.open("qemu:///system")
    before = connection.lookupByUUIDString(bench.id).ID()
    with bench.console("serial") as serial:
        serial.sendall(b"x")
        while b"x" not in serial.recv(4096):
            continue
        serial.sendall(b"q")
        bench.power("shutoff")
    bench.do(EnsureRunning(bench.domain(boot=2)))
    now = connection.lookupByUUIDString(bench.id)
    assert now.isActive()
    assert now.ID() != before
    bench.power("running")
