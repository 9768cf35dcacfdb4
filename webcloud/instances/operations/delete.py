"""How an instance is deleted: everything goes, from the outside in.

Deleting wins over whatever else is under way: that is unwound first.  Every
step is "ensure absent", so it can be repeated, and none is ever undone: what
fails is tried again until it is done, for what half of an instance is left
would be of no use to anybody.
"""

from __future__ import annotations

from agents.wire.commands import EnsureDiskAbsent, EnsureDomainAbsent
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.hosts import commands
from webcloud.identity import quotas
from webcloud.instances import leaving
from webcloud.instances.operations import power_steps
from webcloud.instances.operations.create import leave_host
from webcloud.instances.operations.power_steps import instance_of, ports_of
from webcloud.instances.operations.unplug import unplug_network
from webcloud.live import publish
from webcloud.networks import service as network_service
from webcloud.words import mark

FORWARD_ONLY = "Deleting only ever goes on; it is never taken back."


def remove_domain(run: Run) -> Done | Wait:
    host_id = instance_of(run).host_id
    if host_id is None:
        return Done()
    outcome = commands.ask(run, host_id, EnsureDomainAbsent(run.subject_id))
    if isinstance(outcome, Done):
        power_steps.observe(run, "absent")
    return outcome


def remove_disk(run: Run) -> Done | Wait:
    host_id = instance_of(run).host_id
    if host_id is None:
        return Done()
    return commands.ask(run, host_id, EnsureDiskAbsent(run.subject_id))


def release(run: Run) -> Done | Wait:
    """Give back the room, the addresses and the quota, and close the row."""
    leave_host(run)
    instance = instance_of(run)
    if instance.deleted_at is None:
        # All at once, as creating claims it: rows are locked in one order, or the two
        # would deadlock.  The quota comes first, since creating claims it first, too.
        quotas.release(
            run.session,
            instance.project_id,
            {
                "instances": 1,
                "vcpus": instance.vcpus,
                "memory_mb": instance.memory_mb,
                "disk_gb": instance.disk_gb,
                "ports": len(ports_of(run)),
            },
        )
        network_service.remove_ports(run.session, instance.id)
        instance.deleted_at = instance.updated_at = run.now
        # A late report of the host may have said "running" once more.
        instance.observed_power = "absent"
        instance.user_data = None
        leaving.tell(run.session, instance.id)
    return Done()


class DeleteInstance(Operation):
    """Remove the instance and all that it held."""

    kind = "instance.delete"
    subject_type = "instance"
    words = mark("Delete instance")
    deadline_seconds = 300
    forward_only = True
    steps = (
        Step(
            "remove_domain",
            mark("Switching it off for good"),
            remove_domain,
            no_undo=FORWARD_ONLY,
        ),
        Step(
            "unplug_network",
            mark("Taking it off the network"),
            unplug_network,
            no_undo=FORWARD_ONLY,
        ),
        Step("remove_disk", mark("Removing its disk"), remove_disk, no_undo=FORWARD_ONLY),
        Step("release", mark("Giving back what it held"), release, no_undo=FORWARD_ONLY),
    )

    @staticmethod
    def finished(run: Run) -> None:
        instance = instance_of(run)
        publish.changed(run.session, "instance", instance.id, instance.project_id)
