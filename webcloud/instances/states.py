"""What users see of an instance, derived in one place from intent and observation.

Nothing here is stored.  The active operation decides first (one row of
IN_PROGRESS per kind), then a failed build, then what the host reports (one
row of AT_REST per observed power).  Status names are OpenStack's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from webcloud.conductor import registry
from webcloud.conductor.models import OperationRow
from webcloud.instances.models import Instance
from webcloud.words import mark

ACTIONS = ("start", "stop", "reboot", "hard_reboot", "console", "delete", "move")
WHEN_IDLE = ("start", "stop", "reboot", "hard_reboot", "move")


@dataclass(frozen=True)
class Look:
    """How a status is shown: never by colour alone."""

    words: str
    colour: str
    icon: str


LOOKS: dict[str, Look] = {
    "BUILD": Look(mark("Creating"), "blue", "loader"),
    "ACTIVE": Look(mark("Running"), "green", "player-play"),
    "SHUTOFF": Look(mark("Stopped"), "secondary", "player-stop"),
    "STARTING": Look(mark("Starting"), "blue", "loader"),
    "STOPPING": Look(mark("Stopping"), "blue", "loader"),
    "REBOOT": Look(mark("Rebooting"), "blue", "loader"),
    "HARD_REBOOT": Look(mark("Rebooting (hard)"), "blue", "loader"),
    "REPAIRING": Look(mark("Repairing"), "blue", "loader"),
    "MIGRATING": Look(mark("Moving"), "blue", "loader"),
    "DELETING": Look(mark("Deleting"), "orange", "trash"),
    "PAUSED": Look(mark("Paused"), "yellow", "player-pause"),
    "ERROR": Look(mark("Error"), "red", "alert-triangle"),
    "UNKNOWN": Look(mark("Unknown"), "yellow", "help"),
    "DELETED": Look(mark("Deleted"), "secondary", "trash"),
}

# operation kind -> (look, the API's status or "" for the one at rest, task_state)
IN_PROGRESS: dict[str, tuple[str, str, str]] = {
    "instance.create": ("BUILD", "BUILD", "spawning"),
    "instance.start": ("STARTING", "", "powering-on"),
    "instance.stop": ("STOPPING", "", "powering-off"),
    "instance.reboot": ("REBOOT", "REBOOT", "reboot_started"),
    "instance.hard_reboot": ("HARD_REBOOT", "HARD_REBOOT", "reboot_started_hard"),
    "instance.repair": ("REPAIRING", "", "repairing"),
    "instance.move": ("MIGRATING", "MIGRATING", "migrating"),
    "instance.delete": ("DELETING", "", "deleting"),
}

# observed power -> (status, vm_state, power_state number)
AT_REST: dict[str, tuple[str, str, int]] = {
    "running": ("ACTIVE", "active", 1),
    "paused": ("PAUSED", "paused", 3),
    "shutoff": ("SHUTOFF", "stopped", 4),
    # Its process ended without its doing; like one that was switched off, it can be started.
    "crashed": ("SHUTOFF", "stopped", 6),
    "absent": ("ERROR", "error", 0),
    "unknown": ("UNKNOWN", "active", 0),
}

# The same power in words, for operators.
POWERS: dict[str, str] = {
    "running": mark("on"),
    "paused": mark("paused"),
    "shutoff": mark("off"),
    "crashed": mark("off, its process ended without its doing"),
    "absent": mark("not there"),
    "unknown": mark("not known"),
}


@dataclass(frozen=True)
class Status:
    """One instance as it is shown.

    ``status``, ``vm_state``, ``task_state`` and ``power_state`` are the API's;
    the rest is for pages.  ``allowed`` maps each action to "" or to the
    reason (a message id) why it is not possible now.
    """

    status: str
    vm_state: str
    task_state: str | None
    power_state: int
    look: str
    step_words: str = ""
    progress: float | None = None
    allowed: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        return LOOKS[self.look].words

    @property
    def colour(self) -> str:
        return LOOKS[self.look].colour

    @property
    def icon(self) -> str:
        return LOOKS[self.look].icon

    @property
    def busy(self) -> bool:
        return self.task_state is not None


def describe(instance: Instance, operation: OperationRow | None) -> Status:
    """The instance as users see it; ``operation`` is its unfinished one, if any."""
    status, vm_state, power_state = _at_rest(instance)
    if operation is None or operation.kind not in IN_PROGRESS:
        return Status(
            status, vm_state, None, power_state, status, allowed=_allowed(status, instance, None)
        )
    kind = operation.kind
    if operation.successor_kind == "instance.delete":
        kind = "instance.delete"
    look, in_progress, task_state = IN_PROGRESS[kind]
    step = registry.get(operation.kind)
    words = next((item.words for item in step.steps if item.name == operation.step), "")
    return Status(
        status=in_progress or status,
        vm_state="building" if kind == "instance.create" else vm_state,
        task_state=task_state,
        power_state=power_state,
        look=look,
        step_words=words,
        progress=operation.progress,
        allowed=_allowed(status, instance, kind),
    )


def _at_rest(instance: Instance) -> tuple[str, str, int]:
    if instance.deleted_at is not None:
        return "DELETED", "deleted", 0
    if not instance.built:
        return "ERROR" if instance.fault else "BUILD", "error" if instance.fault else "building", 0
    return AT_REST[instance.observed_power]


def _allowed(status: str, instance: Instance, kind: str | None) -> dict[str, str]:
    reasons = dict.fromkeys(ACTIONS, "")
    if kind == "instance.delete" or status == "DELETED":
        return dict.fromkeys(ACTIONS, mark("It is being deleted."))
    if kind is not None:
        waiting = mark("Another operation is under way.")
        reasons.update(dict.fromkeys(WHEN_IDLE, waiting))
    elif not instance.built:
        never = mark("It was never built; delete it and create it again.")
        reasons.update(dict.fromkeys(WHEN_IDLE, never))
    elif status == "UNKNOWN":
        silent = mark("Its host is not heard from.")
        reasons.update(dict.fromkeys((*WHEN_IDLE, "console"), silent))
    elif status == "ACTIVE":
        reasons["start"] = mark("It is already running.")
    else:
        stopped = mark("It is not running.")
        reasons.update(reboot=stopped, console=stopped)
        if status == "SHUTOFF":
            reasons.update(stop=mark("It is already stopped."), hard_reboot=stopped)
        else:
            reasons["move"] = mark("It is neither running nor stopped.")
    if instance.observed_power not in ("running", "unknown"):
        reasons["console"] = mark("It is not running.")
    return reasons
