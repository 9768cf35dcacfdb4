"""Login links: a way in that works once, within ten minutes.

The secret is in the link's fragment, which browsers send to no server and
write to no log; the login page posts it.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webcloud.db import CLOCKS_APART, now
from webcloud.identity.models import LoginLink, User
from webcloud.identity.secret_hash import LONGEST, hash_secret, new_secret

LIFETIME = timedelta(minutes=10)


def create(session: Session, user: User, public_url: str) -> str:
    """A link that logs ``user`` in; its secret is kept nowhere."""
    secret = new_secret()
    session.add(
        LoginLink(link_hash=hash_secret(secret), user_id=user.id, expires_at=now() + LIFETIME)
    )
    return f"{public_url}/login#token={secret}"


def redeem(session: Session, secret: str) -> User | None:
    """The enabled user of an unused, unexpired link, which is used up by this."""
    if not secret or len(secret) > LONGEST:
        return None
    moment = now()
    link_hash = hash_secret(secret)
    used = session.execute(
        update(LoginLink)
        .where(
            LoginLink.link_hash == link_hash,
            LoginLink.used_at.is_(None),
            LoginLink.expires_at > moment,
            # One that lives longer than any was made before the clock jumped back.
            LoginLink.expires_at <= moment + LIFETIME + CLOCKS_APART,
        )
        .values(used_at=moment)
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]
        return None
    return session.scalar(
        select(User)
        .join(LoginLink, LoginLink.user_id == User.id)
        .where(LoginLink.link_hash == link_hash, User.enabled.is_(True))
    )
