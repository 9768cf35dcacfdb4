"""What went wrong with an instance, in the reader's words, by the fault's stable code.

The message from the operation says why; this adds what happened and what to do next.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext

from webcloud.words import mark, stored

AGAIN = mark("Try again. If it happens again, give the request id to your operator.")

# code -> (what happened, what to do next)
KNOWN: dict[str, tuple[str, str]] = {
    "no_capacity": (
        mark("No host has room for it"),
        mark("Delete it and create a smaller one, or ask an operator to make room."),
    ),
    "deadline_exceeded": (
        mark("It took too long and was rolled back"),
        AGAIN,
    ),
    "not_placed": (
        mark("It was never built"),
        mark("Delete it and create it again."),
    ),
    "cancelled": (
        mark("It was cancelled"),
        mark("Delete it, or do the same again."),
    ),
    # What hosts report; their own words, in the message, are technical and stay English.
    "no_space": (
        mark("The host's disk is full"),
        mark("Ask an operator to make room on the host, then try again."),
    ),
    "controller_full": (
        mark("The controller's disk is full"),
        mark("Ask an operator to make room on the controller, then move it again."),
    ),
    "not_started": (
        mark("It was moved, but it does not run"),
        mark("Start it."),
    ),
    "host_silent": (
        mark("The other host fell silent, so it stayed where it was"),
        mark("Move it to another host."),
    ),
    "transfer_cut": (mark("The disk could not be copied to the other host"), AGAIN),
    "transfer_corrupt": (mark("The disk arrived damaged at the other host"), AGAIN),
    "transfer_refused": (
        mark("The other host refused the disk"),
        mark("Give the request id to an operator; the disk is still on its own host."),
    ),
    "libvirt": (mark("The host could not run it"), AGAIN),
    "network": (mark("The host could not connect it to the network"), AGAIN),
    "disk_missing": (
        mark("Its disk is not on its host"),
        mark(
            "Ask an operator whether there is a copy of the disk; "
            "otherwise delete the instance and create it again."
        ),
    ),
    "image_corrupt": (mark("The image arrived damaged at the host"), AGAIN),
    "image_missing": (mark("The host could not get the image"), AGAIN),
    "image_refused": (
        mark("The host refused the image"),
        mark("Upload the image again, or choose another one."),
    ),
    "image_too_large": (
        mark("The image needs a larger disk"),
        mark("Delete it and create it again with a larger flavor."),
    ),
}
OTHERWISE = mark(
    "See the step that failed below. Try again, or give the request id to an operator."
)


def record(code: str, message: str, at: datetime) -> dict[str, Any]:
    """What ``instance.fault`` holds; ``said`` only where the message has its id and values."""
    return {"code": code, "message": str(message), "at": at.isoformat(), **stored(message)}


def title(code: str, operation: str) -> str:
    """What happened; ``operation`` is the words of the one that failed, already translated."""
    if code in KNOWN:
        return str(gettext(KNOWN[code][0]))
    return str(gettext("%(operation)s failed", operation=operation or gettext("The operation")))


def next_step(code: str) -> str:
    """What to do about it."""
    return str(gettext(KNOWN[code][1] if code in KNOWN else OTHERWISE))
