"""How a stopped instance is started."""

from __future__ import annotations

from webcloud.conductor.operation import Operation, Step
from webcloud.instances.operations import power_steps
from webcloud.words import mark

STAYS = "A failed start leaves the instance as the host reports it; the wish to run stands."


class StartInstance(Operation):
    """Plug it in again, since the host may have been restarted, and boot it."""

    kind = "instance.start"
    subject_type = "instance"
    words = mark("Start instance")
    deadline_seconds = 180
    steps = (
        Step(
            "plug_network",
            mark("Plugging in the network"),
            power_steps.plug_network,
            no_undo="The lease and the bridge belong to the instance until it is deleted.",
        ),
        Step("boot", mark("Booting"), power_steps.boot, no_undo=STAYS),
    )
    finished = staticmethod(power_steps.succeed)
    failed = staticmethod(power_steps.fail)
