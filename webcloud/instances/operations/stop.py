"""How a running instance is stopped: the power button, then the plug."""

from __future__ import annotations

from webcloud.conductor.operation import Operation, Step
from webcloud.instances.operations import power_steps
from webcloud.words import mark


class StopInstance(Operation):
    """Press the power button; switch off when the guest does not obey in time."""

    kind = "instance.stop"
    subject_type = "instance"
    words = mark("Stop instance")
    deadline_seconds = 180
    steps = (
        Step(
            "shut_down",
            mark("Shutting down"),
            power_steps.shut_down,
            no_undo="A stopped guest is not started again behind the user's back.",
        ),
    )
    finished = staticmethod(power_steps.succeed)
    failed = staticmethod(power_steps.fail)
