"""How an instance is created.

By the time this runs, one transaction has written the instance, its quota
claim, its ports with their addresses, the audit entry and this operation.
What is left is to find a host and to make it true there.  When a step fails
for good, everything on the host is undone and its room given back; the
instance stays as ERROR with the reason, keeping its name, quota and address
until it is deleted.
"""

from __future__ import annotations

from typing import Any

from agents.wire.commands import EnsureDiskAbsent, EnsureDomainAbsent, EnsureRunning
from webcloud.conductor.finishing import DEADLINE
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.hosts import capacity, commands, queries
from webcloud.hosts.batches import ask_in_order
from webcloud.instances import placing, spec
from webcloud.instances.operations import elsewhere, power_steps
from webcloud.instances.operations.power_steps import (
    host_of,
    instance_of,
    network_parts,
    ports_of,
)
from webcloud.instances.operations.unplug import absent_parts
from webcloud.words import mark

# The host that was chosen and its zone, which the config drive names.
ZONE = "zone"
FELL_SILENT = mark(
    "Its host stopped answering while it was being created, and was not back in time. "
    "What was begun there is removed when you delete it."
)


def place(run: Run) -> Done | Wait:
    """Choose a host, claim the room on it, and keep why."""
    instance = instance_of(run)
    if instance.host_id is not None:
        return Done()
    decision = placing.place(
        run.session, instance, at=run.now, host_id=run.params.get("host_id") or ""
    )
    if instance.host_id is None:
        raise placing.no_host(instance, decision, run.now)
    return Done({ZONE: {instance.host_id: decision.zone}})


def leave_host(run: Run) -> Done | Wait:
    """Give the room back; not when the guest may be on a host that fell silent."""
    if run.state.get(elsewhere.LEFT):
        return Done()
    instance = instance_of(run)
    if instance.host_id is not None:
        capacity.release(
            run.session,
            instance.host_id,
            instance.vcpus,
            instance.memory_mb,
            instance.disk_gb,
        )
        instance.host_id = None
    return Done()


def copy_image(run: Run) -> Done | Wait:
    """Have the image in the host's cache, its checksum verified; nothing if it is there."""
    another = elsewhere.choose_another(run)
    if another is not None:
        return another
    instance = instance_of(run)
    host_id = host_of(run)
    if instance.image_id in queries.get(run.session, host_id).cached_images:
        return Done()
    return commands.ask(run, host_id, spec.image_command(run.session, instance))


def build(run: Run) -> Done | Wait:
    """Have the network, the disk and the running domain on the host, in one go."""
    # Whatever of this was asked of a host may have started the guest there.
    another = None if commands.were_given(run) else elsewhere.choose_another(run)
    if another is not None:
        return another
    outcome = ask_in_order(run, host_of(run), lambda: _parts(run))
    if isinstance(outcome, Done):
        power_steps.observe(run, "running")
    return outcome


def _parts(run: Run) -> dict[str, Any]:
    instance, ports = instance_of(run), ports_of(run)
    return {
        # Should the host have dropped its copy meanwhile, it fetches it again.
        "image": spec.image_command(run.session, instance),
        **network_parts(run, ports),
        "disk": spec.disk_command(instance),
        "config_drive": spec.config_drive_command(
            run.session, instance, ports, zone=run.state.get(ZONE, {}).get(instance.host_id)
        ),
        "domain": EnsureRunning(spec.domain(run.session, instance, ports)),
    }


def tear_down(run: Run) -> Done | Wait:
    """Have nothing of the instance on the host, from the outside in.

    A silent host is not waited for: the instance stays placed there and in
    error, and deleting it does this when the host is back.
    """
    if elsewhere.is_silent(run):
        return Done({elsewhere.LEFT: True})
    host_id = instance_of(run).host_id
    if host_id is None:
        return Done()
    outcome = ask_in_order(
        run,
        host_id,
        lambda: {
            "domain": EnsureDomainAbsent(run.subject_id),
            **absent_parts(run),
            "disk": EnsureDiskAbsent(run.subject_id),
        },
    )
    if isinstance(outcome, Done):
        power_steps.observe(run, "absent")
    return outcome


class CreateInstance(Operation):
    """Find a host and make the instance run there."""

    kind = "instance.create"
    subject_type = "instance"
    words = mark("Create instance")
    # Copying a large image to a host over a slow link is what takes long.
    deadline_seconds = 900
    steps = (
        Step("place", mark("Choosing a host"), place, leave_host, with_next=True),
        Step(
            "copy_image",
            mark("Copying the image to the host"),
            copy_image,
            no_undo="The host's image cache is shared by every instance.",
            with_next=True,
        ),
        Step("build", mark("Building and booting it"), build, tear_down),
    )

    @staticmethod
    def finished(run: Run) -> None:
        instance = instance_of(run)
        instance.built = True
        instance.launched_at = run.now
        power_steps.succeed(run)

    @staticmethod
    def failed(run: Run, code: str, message: str) -> None:
        if run.state.get(elsewhere.LEFT) and code == DEADLINE:
            code, message = "host_silent", FELL_SILENT
        power_steps.fail(run, code, message)
