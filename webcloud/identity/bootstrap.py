"""What a new installation needs to let its first person in."""

from __future__ import annotations

from sqlalchemy.orm import Session

from webcloud.identity import passwords, queries, service
from webcloud.identity.callers import SYSTEM
from webcloud.identity.models import Project, User

NAME = "admin"


def ensure_admin(session: Session, password: str | None = None) -> tuple[User, Project]:
    """User ``admin`` with the role admin in project ``admin``; repeating changes nothing.

    A password is set only when one is given and it is not already the right
    one; without any, the user can log in by link alone.  Raises BadRequest
    for an unacceptable password.
    """
    project = queries.project_named(session, NAME) or service.create_project(
        session, SYSTEM, name=NAME, description="The operators of this cloud"
    )
    user = queries.user_named(session, NAME) or service.create_user(
        session, SYSTEM, name=NAME, password_hash=None, default_project_id=project.id
    )
    service.grant(session, SYSTEM, user, project, NAME)
    if password and not passwords.matches(user.password_hash, password):
        passwords.check_acceptable(password, field="admin_password")
        hashed = passwords.hash_password(password)
        service.set_password_hash(session, SYSTEM, user, hashed)
    session.flush()
    return user, project
