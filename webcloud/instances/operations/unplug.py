"""The step that takes an instance off its networks on the host."""

from __future__ import annotations

from typing import Any

from webcloud.conductor.operation import Done, Run, Wait
from webcloud.hosts.batches import ask_in_order
from webcloud.instances.operations.power_steps import instance_of
from webcloud.networks import queries as networks
from webcloud.networks import service as network_service


def unplug_network(run: Run) -> Done | Wait:
    """Remove the leases and taps. The bridge stays: others may be using it."""
    host_id = instance_of(run).host_id
    if host_id is None:
        return Done()
    return ask_in_order(run, host_id, lambda: absent_parts(run))


def absent_parts(run: Run) -> dict[str, Any]:
    """What a host must take away of the instance's ports."""
    ports = networks.ports_of_instances(run.session, [run.subject_id])[run.subject_id]
    return {f"port-{port.id}": network_service.port_absent_command(port) for port in ports}
