"""What one hop answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """``state`` is ok, note (works, but look at it) or failing; ``fix`` says what to do."""

    hop: str
    state: str
    words: str
    fix: str = ""

    def __str__(self) -> str:
        mark = {"ok": "ok  ", "note": "note", "failing": "FAIL"}[self.state]
        fix = f"\n                          -> {self.fix}" if self.fix else ""
        return f"{mark}  {self.hop:<18}  {self.words}{fix}"


def ok(hop: str, words: str) -> Finding:
    return Finding(hop, "ok", words)


def note(hop: str, words: str, fix: str = "") -> Finding:
    return Finding(hop, "note", words, fix)


def failing(hop: str, words: str, fix: str) -> Finding:
    return Finding(hop, "failing", words, fix)
