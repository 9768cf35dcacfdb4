"""What each kind of difference means to people, and what to do about it.

The words of a difference say what is so; these say what webcloud does by
itself and what an operator, or the instance's owner, can do by hand.  The
owner's are "" where the difference is none of the owner's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webcloud.drift.models import Difference
from webcloud.words import mark

MENDS = mark("The host puts it right by itself within half a minute. If it stays, read agent.log.")
LOOK = mark("Nothing is deleted by itself. Look at it on the host and remove it there by hand.")


@dataclass(frozen=True)
class Advice:
    """``operator`` and ``owner``: what to do, as message ids."""

    operator: str
    owner: str = ""


KINDS: dict[str, Advice] = {
    "domain_missing": Advice(
        mark("webcloud defines it again, switched off, as long as its disk is there."),
        mark("Its description on the host was lost and is written again; then it can be started."),
    ),
    "domain_transient": Advice(
        mark("webcloud defines it again; the machine goes on running meanwhile."),
    ),
    "domain_unreadable": Advice(
        mark("Look at it with “virsh dumpxml” on the host and restart libvirtd if need be."),
        mark("Its host cannot say what it does. An operator has to look at the host."),
    ),
    "domain_unowned": Advice(
        mark(
            "Nothing is deleted by itself. If it is not wanted, remove it on the host with "
            "“virsh destroy” and “virsh undefine”, and then its files."
        ),
    ),
    "domain_unknown": Advice(
        mark(
            "It uses memory that webcloud counts as free. Nothing is deleted by itself: move it "
            "to another machine, or remove it on the host with “virsh undefine”."
        ),
    ),
    "domain_twice": Advice(
        mark(
            "Two machines on one disk's data would ruin it. Find out which one is right, "
            "and switch the other off on its host with “virsh destroy” at once."
        ),
        mark("It is on two hosts at once. An operator has to end one of them; do not start it."),
    ),
    "definition": Advice(
        mark(
            "Somebody has edited it on the host; the next start would follow that. Nothing is put "
            "back by itself: a hard reboot, or a stop and a start, applies the right one again."
        ),
        mark(
            "Its description on its host was edited. A hard reboot, or a stop and a start, "
            "applies the right one again."
        ),
    ),
    "domain_renamed": Advice(
        mark(
            "It cannot be started like this. Give it its name back on the host with "
            "“virsh domrename”, while it is switched off."
        ),
        mark("It was renamed on its host and cannot be started. An operator has to rename it."),
    ),
    "power": Advice(mark("It is told anew within half a minute. If it stays, read agent.log.")),
    "disk_missing": Advice(
        mark(
            "Put the disk file back from a copy, if there is one; otherwise the instance "
            "can only be deleted. It is never made anew."
        ),
        mark(
            "Its disk is gone from its host, so it cannot be started. Ask an operator whether "
            "there is a copy; otherwise delete the instance and create it again."
        ),
    ),
    "files_unowned": Advice(LOOK),
    "file_stray": Advice(LOOK),
    "config_drive_missing": Advice(
        mark("webcloud writes it again."),
        mark("The disc with what it is told at its start is missing on its host; it is put back."),
    ),
    "image_missing": Advice(
        mark("webcloud copies the image to the host again, as long as the image is there."),
        mark("The image below its disk is missing on its host and is copied there again."),
    ),
    "tap_missing": Advice(
        mark("Plugging it in again needs a hard reboot of the instance."),
        mark("Its network card was pulled out on the host. A hard reboot plugs it in again."),
    ),
    "tap_unowned": Advice(LOOK),
    "bridge_missing": Advice(MENDS),
    "rules_missing": Advice(MENDS),
    "dhcp_missing": Advice(MENDS),
    "lease_missing": Advice(
        mark("webcloud writes it again."),
        mark("Its address is not promised to it on the host; that is put right by itself."),
    ),
    "lease_differs": Advice(
        mark("webcloud writes it again."),
        mark("Its address is not promised to it on the host; that is put right by itself."),
    ),
    "lease_unowned": Advice(LOOK),
    "host_silent": Advice(mark("Look whether the machine is on, and its agent runs.")),
}
OTHERWISE = Advice(mark("This is a defect of webcloud. Keep the line and the logs, and report it."))


@dataclass(frozen=True)
class Note:
    """What an instance's page says about one of its differences."""

    row: Difference
    words: str


def for_owner(rows: Sequence[Difference]) -> list[Note]:
    """What these differences mean to the instance's owner, each thing once."""
    notes: dict[str, Note] = {}
    for row in rows:
        words = of(row.kind).owner
        if words:
            notes.setdefault(words, Note(row, words))
    return list(notes.values())


def of(kind: str) -> Advice:
    return KINDS.get(kind, OTHERWISE)
