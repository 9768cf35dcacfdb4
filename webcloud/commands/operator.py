"""Who acts when nobody is logged in: the user admin, within the project admin.

Whoever may run these commands owns the machine; giving their work to a real
user and project means that images have an owner and the audit has a name.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from webcloud.errors import NotFound
from webcloud.identity import bootstrap, queries
from webcloud.identity.callers import Caller


def caller(session: Session) -> Caller:
    """Raises NotFound before the first ``webcloud up``."""
    user = queries.user_named(session, bootstrap.NAME)
    project = queries.project_named(session, bootstrap.NAME)
    if user is None or project is None:
        raise NotFound("There is no user admin yet.", next_step="Start webcloud up once.")
    roles = queries.roles_of(session, user.id, project.id) | {"admin"}
    return Caller(user.id, user.name, project.id, project.name, frozenset(roles))
