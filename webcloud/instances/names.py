"""Names of instances: unique within a project, and turned into host names.

Whether they must be unique is the installation's choice (the setting
``unique_instance_names``), made known once when the application is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy.orm import Session

from webcloud.config import Config
from webcloud.db import is_alone
from webcloud.errors import Conflict
from webcloud.instances import queries
from webcloud.words import say

_must_be_unique = True


def configure(config: Config) -> None:
    """Take the installation's choice."""
    global _must_be_unique
    _must_be_unique = config.unique_instance_names


def check_free(session: Session, project_id: str, name: str) -> None:
    """Raises Conflict when the project already has an instance of this name."""
    if _must_be_unique and queries.name_taken(session, project_id, name):
        raise Conflict(
            say("This project already has an instance named {name!r}.", name=name),
            field="name",
            next_step="Choose another name.",
        )


def confirm_free(session: Session, project_id: str, names: Iterable[str]) -> None:
    """Look again at names that were free, with the project's quota held from now on.

    Of two requests that found the same name free, the second waits for the
    quota and sees the first one's instance then.
    """
    if not is_alone(session):
        for name in names:
            check_free(session, project_id, name)


def hostname_from(name: str, instance_id: str) -> str:
    """A valid host name made from a free name (an RFC 1123 label)."""
    plain = re.sub(r"[^a-z0-9-]+", "-", name.lower().replace("_", "-").replace(".", "-"))
    plain = re.sub(r"-{2,}", "-", plain).strip("-")[:63].strip("-")
    return plain or f"server-{instance_id}"
