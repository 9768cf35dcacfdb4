"""Who is making this request, as services see it.

A ``Caller`` is built once per request from database rows only; nothing in it
ever comes from a request's body, query or headers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from flask import g


@dataclass(frozen=True)
class Caller:
    """An authenticated user within one project (``project_id`` "" when unscoped).

    ``session_hash`` is set for a browser, ``token_hash`` for an API token.
    ``restricted`` marks an application credential, which may not make others.
    """

    user_id: str
    user_name: str
    project_id: str
    project_name: str
    roles: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""
    session_hash: str | None = None
    token_hash: str | None = None
    restricted: bool = False
    language: str = ""
    theme: str = ""

    @property
    def is_admin(self) -> bool:
        """Operates the cloud: sees and may act on every project's resources."""
        return "admin" in self.roles


SYSTEM = Caller("", "system", "", "", frozenset({"admin"}))


def current_caller() -> Caller:
    """The caller of the web request being served."""
    return cast(Caller, g.caller)
