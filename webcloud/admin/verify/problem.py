"""One violated invariant, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """``invariant`` is the id, ``subject`` what it is about, ``words`` what is wrong.

    ``kind`` is a key of ``webcloud.drift.advice.KINDS`` where something can be
    done about it; ``instance_id`` the instance it touches, if any.
    """

    invariant: str
    subject: str
    words: str
    kind: str = ""
    instance_id: str | None = None

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.words}"
