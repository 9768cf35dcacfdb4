"""How an instance is moved to another host: off, copied, on again there.

Everything is made ready on the target before anything changes for good: its
room claimed, the image and the disk there, the network plugged, the guest
defined.  ``switch`` then makes the instance the target's, in one transaction.
Before it every undo takes back, and the guest is started again at the source
if it ran; after it nothing is undone, and what is left at the source only
goes.  No guest runs on the target before the switch and none on the source
after it was shut down, so there are never two.
"""

from __future__ import annotations

from agents.wire.commands import (
    EnsureDefined,
    EnsureDiskAbsent,
    EnsureDomainAbsent,
    EnsureRunning,
    ReceiveDisk,
    SendDisk,
)
from webcloud.conductor.operation import Done, Operation, Run, Step, StepFailed, Wait
from webcloud.db import after_commit
from webcloud.hosts import capacity, commands, transfers
from webcloud.hosts.batches import ask_in_order
from webcloud.hosts.models import Host
from webcloud.instances import leftovers, placing, spec, targets
from webcloud.instances.operations import clear_leftover, power_steps
from webcloud.instances.operations.move_hosts import (
    ask_target,
    is_lost,
    source_of,
    switched,
    take_back,
)
from webcloud.instances.operations.power_steps import instance_of
from webcloud.networks import queries as networks
from webcloud.networks import service as network_service
from webcloud.words import mark


def choose_target(run: Run) -> Done | Wait:
    """Choose another host, claim the room there, and keep why."""
    instance = instance_of(run)
    if instance.target_host_id is not None:
        return Done()
    placing.lock_group(run.session, instance)
    decision = targets.decide(run.session, instance, host_id=run.params.get("target_host_id") or "")
    lost: set[str] = set()
    for host_id in decision.ranking:
        if capacity.claim(
            run.session, host_id, instance.vcpus, instance.memory_mb, instance.disk_gb
        ):
            instance.target_host_id = host_id
            break
        lost.add(host_id)
    decision = decision.without(lost)
    if instance.target_host_id is None:
        raise placing.no_host(instance, decision, run.now)
    placing.keep(run.session, instance.id, decision, at=run.now, host_id=instance.target_host_id)
    return Done()


def leave_target(run: Run) -> Done | Wait:
    """Give the room on the target back."""
    instance = instance_of(run)
    if instance.target_host_id is not None:
        capacity.release(
            run.session,
            instance.target_host_id,
            instance.vcpus,
            instance.memory_mb,
            instance.disk_gb,
        )
        instance.target_host_id = None
    return Done()


def copy_image(run: Run) -> Done | Wait:
    """Have the image in the target's cache, and note whether the guest runs until now."""
    instance = instance_of(run)
    outcome = ask_target(run, lambda: {"image": spec.image_command(run.session, instance)})
    if isinstance(outcome, Wait):
        return outcome
    return Done({"ran": instance.observed_power == "running"})


def shut_down(run: Run) -> Done | Wait:
    """Have the guest off at the source: by the power button, then by force."""
    outcome = power_steps.shut_down(run)
    return Done() if isinstance(outcome, Done) else outcome


def start_again(run: Run) -> Done | Wait:
    """Have the guest running at the source as before; not when it is to be deleted."""
    if switched(run) or not run.state.get("ran") or run.operation.successor_id is not None:
        return Done()
    if run.session.get_one(Host, source_of(run)).given_up:
        return Done()
    _count_boot(run)
    outcome = ask_in_order(
        run,
        source_of(run),
        lambda: {
            **power_steps.network_parts(run),
            "boot": EnsureRunning(spec.domain(run.session, instance_of(run))),
        },
    )
    if isinstance(outcome, Done):
        power_steps.observe(run, "running")
        return Done()
    return outcome


def send_disk(run: Run) -> Done | Wait:
    """Have the source's disk on this controller."""
    instance = instance_of(run)
    order = SendDisk(instance.id, run.operation.id, targets.most_bytes(instance))
    outcome = commands.ask(run, source_of(run), order)
    if isinstance(outcome, Wait):
        return outcome
    return Done({"sent": outcome.state})


def drop_transfer(run: Run) -> Done | Wait:
    """Remove the disk's copy on this controller."""
    transfers.current().remove(run.operation.id)
    return Done()


def _forget_transfer(run: Run) -> None:
    """The disk's copy goes once this is written; the operation's end looks again."""
    operation_id = run.operation.id
    after_commit(run.session, lambda: transfers.current().remove(operation_id))


def receive_disk(run: Run) -> Done | Wait:
    """Have the disk on the target, exactly as it was sent."""
    instance, sent = instance_of(run), run.state["sent"]
    outcome = ask_target(
        run,
        lambda: {
            "disk": ReceiveDisk(
                instance_id=instance.id,
                transfer_id=run.operation.id,
                image_id=instance.image_id,
                disk_format=instance.image_format,
                disk_size=instance.disk_gb * spec.GIB,
                size=int(sent["size"]),
                sha256=str(sent["sha256"]),
            )
        },
    )
    if isinstance(outcome, Wait):
        return outcome
    _forget_transfer(run)
    return Done()


def remove_disk(run: Run) -> Done | Wait:
    return take_back(run, lambda: {"disk": EnsureDiskAbsent(run.subject_id)})


def plug_network(run: Run) -> Done | Wait:
    """Have the bridge, the DHCP server and the same address ready on the target."""
    return ask_target(run, lambda: power_steps.network_parts(run))


def unplug_network(run: Run) -> Done | Wait:
    ports = networks.ports_of_instances(run.session, [run.subject_id])[run.subject_id]
    return take_back(
        run,
        lambda: {f"port-{port.id}": network_service.port_absent_command(port) for port in ports},
    )


def define(run: Run) -> Done | Wait:
    """Have the target's libvirt accept the guest, which it does not start yet."""
    instance = instance_of(run)
    return ask_target(
        run,
        lambda: {
            "config_drive": spec.config_drive_command(run.session, instance),
            "domain": EnsureDefined(spec.domain(run.session, instance)),
        },
    )


def undefine(run: Run) -> Done | Wait:
    return take_back(run, lambda: {"domain": EnsureDomainAbsent(run.subject_id)})


def switch(run: Run) -> Done | Wait:
    """Make the instance the target's; what the source has is from now on a leftover."""
    instance = instance_of(run)
    if switched(run):
        return Done()
    leftovers.note(run.session, instance, source_of(run), run.operation.generation)
    capacity.release(
        run.session, source_of(run), instance.vcpus, instance.memory_mb, instance.disk_gb
    )
    instance.host_id, instance.target_host_id = instance.target_host_id, None
    return Done()


def boot(run: Run) -> Done | Wait:
    """Have the guest running on its new host if it ran before."""
    if not run.state.get("ran"):
        power_steps.observe(run, "shutoff")
        return Done()
    _count_boot(run)
    return power_steps.boot(run)


def clean_source(run: Run) -> Done | Wait:
    """Have nothing left at the source; one that is silent or cannot is not waited for."""
    leftover = leftovers.of(run.session, run.subject_id, source_of(run))
    if leftover is None or is_lost(run, leftover.host_id):
        return Done()
    try:
        return clear_leftover.remove(run, leftover)
    except StepFailed:
        # The instance is moved all the same; what is left is tried again later.
        return Done()


def _count_boot(run: Run) -> None:
    """The next start is one more than there were, there or here again, however often asked."""
    instance_of(run).boot = int(run.params["boot"]) + 1


BEYOND = "The instance is the new host's from the switch on; what follows only goes on."


NOT_STARTED = mark("The instance was moved, but its new host has not started it.")


class MoveInstance(Operation):
    """Shut down, copy to another host, start there."""

    kind = "instance.move"
    subject_type = "instance"
    words = mark("Move instance")
    # Begun with more, by the size of the disk: see ``moving.begin``.
    deadline_seconds = 900
    steps = (
        Step("choose_target", mark("Choosing another host"), choose_target, leave_target),
        Step(
            "copy_image",
            mark("Copying the image to the other host"),
            copy_image,
            no_undo="The host's image cache is shared by every instance.",
        ),
        Step("shut_down", mark("Shutting down"), shut_down, start_again),
        Step("send_disk", mark("Copying the disk to the controller"), send_disk, drop_transfer),
        Step("receive_disk", mark("Copying the disk to the other host"), receive_disk, remove_disk),
        Step(
            "plug_network",
            mark("Plugging in the network on the other host"),
            plug_network,
            unplug_network,
        ),
        Step("define", mark("Preparing the other host"), define, undefine),
        Step("switch", mark("Switching over to the other host"), switch, no_undo=BEYOND),
        Step("boot", mark("Booting"), boot, no_undo=BEYOND),
        Step(
            "clean_source",
            mark("Removing it from the host it came from"),
            clean_source,
            no_undo=BEYOND,
        ),
    )

    @staticmethod
    def finished(run: Run) -> None:
        _forget_transfer(run)
        power_steps.succeed(run)

    @staticmethod
    def failed(run: Run, code: str, message: str) -> None:
        """Past the switch it is moved all the same, and only not started in the worst case."""
        _forget_transfer(run)
        if not switched(run) or code == "superseded":
            power_steps.fail(run, code, message)
        elif run.state.get("ran") and instance_of(run).observed_power != "running":
            power_steps.fail(run, "not_started", NOT_STARTED)
        else:
            power_steps.succeed(run)
