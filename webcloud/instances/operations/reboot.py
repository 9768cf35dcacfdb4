"""How an instance is rebooted: softly by the power button, or hard by the plug.

Both stop the guest and boot it again with the description of today, so a
reboot also applies what has changed since the last start.
"""

from __future__ import annotations

from webcloud.conductor.operation import Operation, Run, Step
from webcloud.hosts import commands
from webcloud.instances.operations import power_steps
from webcloud.words import mark

NOT_BACK = "The wish is a running instance; going back would leave it stopped."


def fail(run: Run, code: str, message: str) -> None:
    """A guest that was not booted anew is still in the boot that it was in."""
    if not commands.were_given_for(run, "boot"):
        power_steps.instance_of(run).boot -= 1
    power_steps.fail(run, code, message)


STEPS = (
    Step("shut_down", mark("Shutting down"), power_steps.shut_down, no_undo=NOT_BACK),
    Step(
        "plug_network",
        mark("Plugging in the network"),
        power_steps.plug_network,
        no_undo="The lease and the bridge belong to the instance until it is deleted.",
    ),
    Step("boot", mark("Booting"), power_steps.boot, no_undo=NOT_BACK),
)


class RebootInstance(Operation):
    """Shut down by the power button, then boot."""

    kind = "instance.reboot"
    subject_type = "instance"
    words = mark("Reboot instance")
    deadline_seconds = 300
    steps = STEPS
    finished = staticmethod(power_steps.succeed)
    failed = staticmethod(fail)


class HardRebootInstance(Operation):
    """Switch off at once, then boot."""

    kind = "instance.hard_reboot"
    subject_type = "instance"
    words = mark("Reboot instance (hard)")
    deadline_seconds = 300
    steps = STEPS
    finished = staticmethod(power_steps.succeed)
    failed = staticmethod(fail)
