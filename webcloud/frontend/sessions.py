"""The database for the frame of a page: the request's session, else a short read of its own.

Some pages manage their own sessions, and error pages come after theirs has
ended; the frame must work on all of them, and do without when the database
itself is what failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import g
from sqlalchemy.orm import Session

from webcloud.db import current
from webcloud.errors import WebcloudError
from webcloud.web import database

Answer = TypeVar("Answer")


def read(question: Callable[[Session], Answer], otherwise: Answer) -> Answer:
    """The answer to the question, or ``otherwise`` while the database cannot be read."""
    if "db_session" in g:
        return question(current())
    try:
        with database().reading() as session:
            return question(session)
    except WebcloudError:
        return otherwise
