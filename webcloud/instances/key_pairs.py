"""Key pairs: the public keys that a user puts into new instances.

A key pair belongs to a user, in every project.  The public half is stored;
a private half made here is returned once and never kept.  An instance copies
its key, so deleting a pair touches no instance.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import Conflict, NotFound, QuotaExceeded
from webcloud.identity import quotas
from webcloud.identity.audit_trail import record
from webcloud.identity.callers import Caller
from webcloud.instances import ssh_keys
from webcloud.instances.models import KeyPair
from webcloud.words import say


def list_key_pairs(session: Session, caller: Caller) -> list[KeyPair]:
    """The caller's key pairs by name."""
    return list(
        session.scalars(
            select(KeyPair).where(KeyPair.user_id == caller.user_id).order_by(KeyPair.name)
        )
    )


def get_key_pair(session: Session, caller: Caller, name: str) -> KeyPair:
    """One of the caller's key pairs; raises NotFound."""
    pair = session.scalar(
        select(KeyPair).where(KeyPair.user_id == caller.user_id, KeyPair.name == name)
    )
    if pair is None:
        raise NotFound(
            say(
                "Key pair {name} not found for user {user_name}.",
                name=name[:255],
                user_name=caller.user_name,
            ),
            field="key_name",
            next_step="List your key pairs, or import one.",
        )
    return pair


def import_key_pair(session: Session, caller: Caller, name: str, public_key: str) -> KeyPair:
    """Store a public key under a name.

    Raises BadRequest for a key that is not good, Conflict for a name that is
    taken, QuotaExceeded when the user has as many as the project allows.
    """
    line = ssh_keys.checked(public_key)
    _make_room(session, caller, name)
    pair = KeyPair(
        id=new_id(),
        user_id=caller.user_id,
        name=name,
        kind="ssh",
        public_key=line,
        fingerprint=ssh_keys.fingerprint(line),
        created_at=now(),
    )
    session.add(pair)
    session.flush()
    record(session, caller, "key_pair.create", pair, fingerprint=pair.fingerprint)
    return pair


def create_key_pair(session: Session, caller: Caller, name: str) -> tuple[KeyPair, str]:
    """A fresh ed25519 pair: its row, and the private key, which is stored nowhere."""
    public, private = ssh_keys.generate(comment=f"{caller.user_name}@webcloud")
    return import_key_pair(session, caller, name, public), private


def delete_key_pair(session: Session, caller: Caller, name: str) -> None:
    """Forget one of the caller's key pairs; raises NotFound."""
    pair = get_key_pair(session, caller, name)
    record(session, caller, "key_pair.delete", pair, fingerprint=pair.fingerprint)
    session.delete(pair)


def count(session: Session, user_id: str) -> int:
    """How many key pairs the user has."""
    return session.scalar(select(func.count(KeyPair.id)).where(KeyPair.user_id == user_id)) or 0


def _make_room(session: Session, caller: Caller, name: str) -> None:
    taken = select(KeyPair.id).where(KeyPair.user_id == caller.user_id, KeyPair.name == name)
    if session.scalar(taken) is not None:
        raise Conflict(
            say("Key pair {name} already exists.", name=name),
            field="keypair.name",
            next_step="Choose another name, or delete the old one.",
        )
    maximum = quotas.limits(session, caller.project_id)["key_pairs"]
    if maximum >= 0 and count(session, caller.user_id) >= maximum:
        raise QuotaExceeded(
            say("You have {maximum} key pairs, as many as are allowed.", maximum=maximum),
            next_step="Delete one that is not used any more.",
        )
