"""Passwords: argon2id hashes, and a check that takes as long for nobody as for somebody.

Cost as OWASP recommends for argon2id (19 MiB, two passes); the number of
checks running at once is bounded, so that a flood of logins cannot take the
machine's memory.  Never call these while holding a write transaction.
"""

from __future__ import annotations

import functools
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from webcloud.errors import BadRequest
from webcloud.words import say

SHORTEST = 8
LONGEST = 1024

hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_at_once = threading.BoundedSemaphore(4)


def check_acceptable(password: str, *, field: str = "password") -> None:
    """Raises BadRequest when a new password is too short, too long or blank."""
    if not is_plausible(password) or len(password) < SHORTEST:
        raise BadRequest(
            say(
                "The password must have {shortest} to {longest} characters, not only spaces, "
                "and no NUL.",
                shortest=SHORTEST,
                longest=LONGEST,
            ),
            field=field,
        )


def is_plausible(password: str) -> bool:
    """Whether a password is worth hashing at all: not blank, no NUL, not huge."""
    return bool(password.strip()) and "\0" not in password and len(password) <= LONGEST


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    with _at_once:
        return hasher.hash(password)


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password fits; spends the same time when there is no hash."""
    usable = bool(password_hash) and is_plausible(password)
    try:
        with _at_once:
            hasher.verify((password_hash or "") if usable else _nobody(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return usable


@functools.cache
def _nobody() -> str:
    return hasher.hash(secrets.token_urlsafe(32))
