"""Checking a name and a password, the same way for pages and for the API.

Unknown name, wrong password and disabled user take equally long and read the
same.  Nothing is written on failure, so a flood of bad logins leaves no rows.
"""

from __future__ import annotations

import logging

from flask import current_app, request

from webcloud.db import Database
from webcloud.errors import Unauthorized
from webcloud.identity import passwords, queries
from webcloud.identity.models import User
from webcloud.identity.rate_limit import Attempts, address_key, name_key
from webcloud.words import mark

log = logging.getLogger(__name__)


def with_password(database: Database, password: str, *, name: str = "", user_id: str = "") -> User:
    """The enabled user with this name (or id) and password.

    Raises RateLimited, or Unauthorized whose text never says what was wrong.
    """
    counted = attempts()
    named, addressed = name_key(name or user_id), address_key(request.remote_addr)
    counted.check(named, addressed)
    with database.reading() as session:
        found = queries.user_named(session, name) if name else session.get(User, user_id)
    # Always hashed, outside every transaction: equal time, and no lock held meanwhile.
    fits = passwords.matches(found.password_hash if found else None, password)
    if found is None or not fits or not found.enabled:
        counted.failed(named, addressed)
        log.info("a login failed from %s", addressed)
        raise refused()
    # Of many guesses sent at once, those that were hashed too late count as refused.
    counted.check(named, addressed)
    counted.succeeded(named)
    return found


def refused() -> Unauthorized:
    """The one answer to every wrong credential."""
    return Unauthorized(
        mark("The name or the password is wrong, or the user is disabled."),
        next_step=mark("Check both and try again."),
    )


def attempts() -> Attempts:
    """The counter of failed logins of this application."""
    counted: Attempts = current_app.extensions["webcloud_login_attempts"]
    return counted
