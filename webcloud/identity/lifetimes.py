"""Keeps what is good until a moment good for its intended time when the clock jumps.

Tokens, sessions, login links and the like end at a moment in their rows.  When
the clock jumps, the moments of all that are not over move along, before this
process reads the new time: nothing lives longer because the clock went back,
and nothing is over, or swept away, because it went forward.  Several controllers
see one jump; the first moves the rows and notes it in the same transaction.

What a controller that had not looked yet makes meanwhile keeps its moments: over
a jump back it seems to be made in the future, and is not believed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from webcloud.clock import SETTLED_SECONDS, TOLERANCE
from webcloud.db import CLOCKS_APART, Database, now
from webcloud.identity.models import Setting

NOTE = "identity.clock_jump"

_kept: list[tuple[Any, Any, tuple[Any, ...]]] = []


def keep(key: Any, ends: Any, *others: Any) -> None:
    """Have the rows of a table move along: its key, the moment it ends, its other moments.

    Naming a table again changes nothing.
    """
    if all(key is not known for known, *_ in _kept):
        _kept.append((key, ends, others))


def is_of_the_future(made_at: datetime, moment: datetime) -> bool:
    """Whether, at this moment, it can only have been made before the clock jumped back."""
    return made_at > moment + CLOCKS_APART


def clock_jumps(database: Database, seconds: float) -> None:
    """The clock is about to jump by so much. Raises Unavailable, or Conflict in a race."""
    step, old = timedelta(seconds=seconds), now()
    new = old + step
    with database.transaction() as session:
        if _is_noted(session, new, seconds):
            return
        for key, ends, others in _kept:
            _move(session, key, (ends, *others), step, min(old, new))


def _is_noted(session: Session, moment: datetime, seconds: float) -> bool:
    """Whether another controller has moved the rows over this jump; notes it if not."""
    note = session.get(Setting, NOTE, with_for_update=True)
    told = {"at": moment.timestamp(), "seconds": seconds}
    if note is None:
        session.add(Setting(name=NOTE, value=told))
        session.flush()
        return False
    same = abs(note.value["seconds"] - seconds) <= 2 * TOLERANCE
    if same and abs(note.value["at"] - told["at"]) <= SETTLED_SECONDS:
        return True
    note.value = told
    return False


def _move(
    session: Session, key: Any, moments: tuple[Any, ...], step: timedelta, over: datetime
) -> None:
    """Move the moments of every row that ends after ``over``."""
    rows = session.execute(
        select(key, *moments).where(moments[0] > over).order_by(key).with_for_update()
    ).all()
    changed = [
        {"one": row[0], **{f"m{number}": at + step for number, at in enumerate(row[1:])}}
        for row in rows
    ]
    if changed:
        session.connection().execute(
            update(key.class_)
            .where(key == bindparam("one"))
            .values({each: bindparam(f"m{number}") for number, each in enumerate(moments)}),
            changed,
        )
