"""The steps that several verbs share: plug in, boot, shut down."""

from __future__ import annotations

from typing import Any

from agents.wire.commands import EnsureRunning, EnsureStopped
from webcloud.conductor.operation import Done, Run, StepFailed, Wait
from webcloud.db import now
from webcloud.hosts import commands
from webcloud.hosts.batches import ask_in_order
from webcloud.instances import faults, spec
from webcloud.instances.models import Instance
from webcloud.live import publish
from webcloud.networks import queries as networks
from webcloud.networks import service as network_service
from webcloud.networks.models import Port

# How long a guest has to obey the power button before it is switched off.
GRACE_SECONDS = 60


def instance_of(run: Run) -> Instance:
    return run.session.get_one(Instance, run.subject_id)


def host_of(run: Run) -> str:
    """The host the instance was placed on. Raises StepFailed when there is none."""
    host_id = instance_of(run).host_id
    if host_id is None:
        raise StepFailed("not_placed", "The instance is on no host; it was never built.")
    return host_id


def plug_network(run: Run) -> Done | Wait:
    """Have the bridge, the DHCP server and the address ready on the host."""
    return ask_in_order(run, host_of(run), lambda: network_parts(run))


def ports_of(run: Run) -> list[Port]:
    return networks.ports_of_instances(run.session, [run.subject_id])[run.subject_id]


def network_parts(run: Run, ports: list[Port] | None = None) -> dict[str, Any]:
    """What a host must do for the instance's ports, in order; ``ports`` saves reading them."""
    instance = instance_of(run)
    wanted: dict[str, Any] = {}
    for port in ports_of(run) if ports is None else ports:
        wanted[f"network-{port.network_id}"] = network_service.network_command(
            run.session, port.network_id
        )
        wanted[f"port-{port.id}"] = network_service.port_command(port, instance.hostname)
    return wanted


def boot(run: Run) -> Done | Wait:
    """Have the domain defined as described and running."""
    instance = instance_of(run)
    outcome = commands.ask(run, host_of(run), EnsureRunning(spec.domain(run.session, instance)))
    if isinstance(outcome, Done):
        observe(run, "running")
    return outcome


def shut_down(run: Run) -> Done | Wait:
    """Have the domain shut off, by the power button first when that was asked for."""
    grace = int(run.params.get("grace_seconds", 0))
    outcome = commands.ask(run, host_of(run), EnsureStopped(run.subject_id, grace))
    if isinstance(outcome, Done):
        observe(run, "shutoff")
    return outcome


def observe(run: Run, power: str) -> None:
    """Write down what the host has just reported of this instance."""
    instance = instance_of(run)
    instance.observed_power = power
    instance.observed_at = instance.updated_at = now()
    publish.changed(run.session, "instance", instance.id, instance.project_id)


def succeed(run: Run) -> None:
    """The end of every power verb: nothing is wrong any more."""
    instance = instance_of(run)
    instance.fault = None
    instance.updated_at = run.now
    publish.changed(run.session, "instance", instance.id, instance.project_id)


def fail(run: Run, code: str, message: str) -> None:
    """Keep why the verb failed where the user looks."""
    instance = instance_of(run)
    if code != "superseded":
        instance.fault = faults.record(code, message, run.now)
    instance.updated_at = run.now
    publish.changed(run.session, "instance", instance.id, instance.project_id)
