"""Reads of users, projects and roles, and the making of a Caller from rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.errors import NotFound
from webcloud.identity.models import Project, RoleAssignment, User
from webcloud.identity.permissions import expand
from webcloud.words import say

DOMAIN_ID = "default"
DOMAIN_NAME = "Default"

# Roles are not rows; clients want an id for each, so these are fixed.
ROLE_IDS = {
    "admin": "a0000000-0000-4000-8000-000000000001",
    "member": "a0000000-0000-4000-8000-000000000002",
    "reader": "a0000000-0000-4000-8000-000000000003",
}


def user_named(session: Session, name: str) -> User | None:
    return session.scalar(select(User).where(User.name == name))


def project_named(session: Session, name: str) -> Project | None:
    return session.scalar(select(Project).where(Project.name == name))


def user(session: Session, user_id: str) -> User:
    """Raises NotFound."""
    found = session.get(User, user_id)
    if found is None:
        raise NotFound(say("There is no user {user_id}.", user_id=user_id))
    return found


def project(session: Session, project_id: str) -> Project:
    """Raises NotFound."""
    found = session.get(Project, project_id)
    if found is None:
        raise NotFound(say("There is no project {project_id}.", project_id=project_id))
    return found


def users(session: Session, name: str | None = None) -> Sequence[User]:
    """All users, or the one with this name."""
    query = select(User).order_by(User.name)
    return session.scalars(query if name is None else query.where(User.name == name)).all()


def projects(session: Session, name: str | None = None) -> Sequence[Project]:
    """All projects, or the one with this name. For operators."""
    query = select(Project).order_by(Project.name)
    return session.scalars(query if name is None else query.where(Project.name == name)).all()


def projects_of(session: Session, user_id: str) -> Sequence[Project]:
    """The enabled projects in which the user has a role, by name."""
    return session.scalars(
        select(Project)
        .join(RoleAssignment, RoleAssignment.project_id == Project.id)
        .where(RoleAssignment.user_id == user_id, Project.enabled.is_(True))
        .distinct()
        .order_by(Project.name)
    ).all()


def roles_of(session: Session, user_id: str, project_id: str) -> frozenset[str]:
    """The user's roles in an enabled project, with those they include."""
    assigned = session.scalars(
        select(RoleAssignment.role)
        .join(Project, Project.id == RoleAssignment.project_id)
        .where(
            RoleAssignment.user_id == user_id,
            RoleAssignment.project_id == project_id,
            Project.enabled.is_(True),
        )
    ).all()
    return expand(frozenset(assigned))


def home_project(session: Session, user: User) -> Project | None:
    """The project a user lands in: the preferred one, else the first by name."""
    mine = projects_of(session, user.id)
    for one in mine:
        if one.id == user.default_project_id:
            return one
    return mine[0] if mine else None
