"""How what was taken from an instance behind our back is put back, without starting anything.

``params["what"]`` names what is missing on the host: ``image`` (below its
disk), ``config_drive``, ``network`` (its lease, or the whole network) or
``domain`` (its definition).  Its disk is never made anew, because that would pretend that
somebody's data is there: the host refuses to define a guest without one.
"""

from __future__ import annotations

from agents.wire.commands import EnsureDefined
from agents.wire.reports import POWER
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.hosts import commands
from webcloud.instances import spec
from webcloud.instances.operations import power_steps
from webcloud.instances.operations.create import copy_image
from webcloud.instances.operations.power_steps import host_of, instance_of, plug_network
from webcloud.live import publish
from webcloud.words import mark

BELONGS = "What is put back belongs to the instance until it is deleted."


def restore_image(run: Run) -> Done | Wait:
    """Have the image below the disk, if it was missing."""
    return copy_image(run) if "image" in run.params["what"] else Done()


def restore_network(run: Run) -> Done | Wait:
    """Have the bridge, the DHCP server and the lease, if one was missing."""
    return plug_network(run) if "network" in run.params["what"] else Done()


def restore_config_drive(run: Run) -> Done | Wait:
    """Have the config drive with what the instance is told now, if it was missing."""
    if "config_drive" not in run.params["what"]:
        return Done()
    wanted = spec.config_drive_command(run.session, instance_of(run))
    return commands.ask(run, host_of(run), wanted)


def define(run: Run) -> Done | Wait:
    """Have the domain defined, if it was not, running or not as it is."""
    if "domain" not in run.params["what"]:
        return Done()
    wanted = EnsureDefined(spec.domain(run.session, instance_of(run)))
    outcome = commands.ask(run, host_of(run), wanted)
    if isinstance(outcome, Done) and outcome.state.get("power") in POWER:
        power_steps.observe(run, outcome.state["power"])
    return outcome


class RepairInstance(Operation):
    """Put back what is missing on the host: nobody's wish, so no fault when it fails."""

    kind = "instance.repair"
    subject_type = "instance"
    words = mark("Repair instance")
    deadline_seconds = 900
    steps = (
        Step(
            "restore_image",
            mark("Copying the image to the host"),
            restore_image,
            no_undo="The host's image cache is shared by every instance.",
        ),
        Step("restore_network", mark("Plugging in the network"), restore_network, no_undo=BELONGS),
        Step(
            "restore_config_drive",
            mark("Writing its config drive again"),
            restore_config_drive,
            no_undo=BELONGS,
        ),
        Step("define", mark("Defining it on the host"), define, no_undo=BELONGS),
    )

    @staticmethod
    def finished(run: Run) -> None:
        instance = instance_of(run)
        instance.updated_at = run.now
        publish.changed(run.session, "instance", instance.id, instance.project_id)

    @staticmethod
    def failed(run: Run, code: str, message: str) -> None:
        """The difference stays where it is shown; the operation says why."""
        RepairInstance.finished(run)
