"""Changing users, projects and roles.

Each function adds its audit entry to the caller's transaction and commits
nothing.  Passwords arrive hashed, because hashing must not hold the write
lock.  The last enabled administrator can be neither disabled nor removed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.db import new_id, now
from webcloud.errors import BadRequest, Conflict
from webcloud.identity import queries, quotas, sessions, tokens
from webcloud.identity.audit_trail import Subject, record
from webcloud.identity.callers import Caller
from webcloud.identity.models import Project, RoleAssignment, User
from webcloud.identity.permissions import IMPLIED
from webcloud.words import join, say, word


def create_user(
    session: Session,
    caller: Caller,
    *,
    name: str,
    password_hash: str | None,
    email: str = "",
    default_project_id: str | None = None,
) -> User:
    """A new enabled user without any role. Raises Conflict for a taken name."""
    _check_user_name(session, name)
    user = User(
        id=new_id(),
        name=name,
        email=email,
        password_hash=password_hash,
        enabled=True,
        default_project_id=default_project_id,
        created_at=now(),
    )
    session.add(user)
    session.flush()
    record(session, caller, "user.create", user)
    return user


def describe_user(
    session: Session,
    caller: Caller,
    user: User,
    *,
    name: str | None = None,
    email: str | None = None,
    default_project_id: str | None = None,
) -> None:
    """Change what is given. Raises Conflict for a name another user has."""
    if name is not None and name != user.name:
        _check_user_name(session, name)
        user.name = name
    if email is not None:
        user.email = email
    if default_project_id is not None:
        user.default_project_id = default_project_id
    record(session, caller, "user.update", user)


def set_user_enabled(session: Session, caller: Caller, user: User, enabled: bool) -> None:
    """Disabling ends every session and token at once. Raises Conflict for the last admin."""
    if not enabled:
        _keep_an_admin(session, without_user=user.id)
        sessions.end_all(session, user.id)
        tokens.revoke_all(session, user.id)
    user.enabled = enabled
    record(session, caller, "user.enable" if enabled else "user.disable", user)


def set_password_hash(session: Session, caller: Caller, user: User, password_hash: str) -> None:
    """A new password ends every session and token of the user."""
    user.password_hash = password_hash
    sessions.end_all(session, user.id)
    tokens.revoke_all(session, user.id)
    record(session, caller, "user.password", user)


def delete_user(session: Session, caller: Caller, user: User) -> None:
    """Remove a user with all their credentials. Raises Conflict for the last admin."""
    _keep_an_admin(session, without_user=user.id)
    record(session, caller, "user.delete", user)
    session.delete(user)


def create_project(
    session: Session, caller: Caller, *, name: str, description: str = ""
) -> Project:
    """A new enabled project with the default quotas. Raises Conflict for a taken name."""
    _check_project_name(session, name)
    project = Project(
        id=new_id(), name=name, description=description, enabled=True, created_at=now()
    )
    session.add(project)
    session.flush()
    quotas.open_account(session, project.id)
    record(session, caller, "project.create", project)
    return project


def describe_project(
    session: Session,
    caller: Caller,
    project: Project,
    *,
    name: str | None = None,
    description: str | None = None,
) -> None:
    """Change what is given. Raises Conflict for a name another project has."""
    if name is not None and name != project.name:
        _check_project_name(session, name)
        project.name = name
    if description is not None:
        project.description = description
    record(session, caller, "project.update", project)


def delete_project(session: Session, caller: Caller, project: Project) -> None:
    """Remove an empty project. Raises Conflict while it owns anything."""
    _keep_an_admin(session, without_project=project.id)
    owned = [
        join(" ", (str(usage.used), word(resource)))
        for resource, usage in quotas.usage(session, project.id).items()
        if usage.used
    ]
    if owned:
        raise Conflict(
            say(
                "The project {name} still owns {owned}.", name=project.name, owned=join(", ", owned)
            ),
            next_step="Delete these first.",
        )
    record(session, caller, "project.delete", project)
    session.delete(project)


def set_project_enabled(session: Session, caller: Caller, project: Project, enabled: bool) -> None:
    """A disabled project lets nobody in; its instances go on running."""
    if not enabled:
        _keep_an_admin(session, without_project=project.id)
    project.enabled = enabled
    record(session, caller, "project.enable" if enabled else "project.disable", project)


def grant(session: Session, caller: Caller, user: User, project: Project, role: str) -> None:
    """Give a role; giving it again changes nothing. Raises BadRequest for an unknown role."""
    _known(role)
    if session.get(RoleAssignment, (user.id, project.id, role)) is not None:
        return
    session.add(RoleAssignment(user_id=user.id, project_id=project.id, role=role))
    session.flush()
    record(session, caller, "role.grant", user, role=role, project=project.id)


def withdraw(session: Session, caller: Caller, user: User, project: Project, role: str) -> None:
    """Take a role away; it stops at the next request. Raises Conflict for the last admin."""
    _known(role)
    found = session.get(RoleAssignment, (user.id, project.id, role))
    if found is None:
        return
    if role == "admin":
        _keep_an_admin(session, without_user=user.id, without_project=project.id)
    session.delete(found)
    session.flush()
    record(session, caller, "role.withdraw", user, role=role, project=project.id)


def _check_user_name(session: Session, name: str) -> None:
    if queries.user_named(session, name) is not None:
        raise Conflict(
            say("There is already a user called {name}.", name=name),
            next_step="Choose another name.",
        )


def _check_project_name(session: Session, name: str) -> None:
    if queries.project_named(session, name) is not None:
        raise Conflict(
            say("There is already a project called {name}.", name=name),
            next_step="Choose another name.",
        )


def _known(role: str) -> None:
    if role not in IMPLIED:
        raise BadRequest(
            say("There is no role {role!r}.", role=role),
            field="role",
            next_step="Use admin, member or reader.",
        )


def _keep_an_admin(
    session: Session, *, without_user: str | None = None, without_project: str | None = None
) -> None:
    """Raises Conflict if no enabled admin would be left.

    Given both ids, only that user's role in that project is taken as gone.
    """
    rows = session.execute(
        select(RoleAssignment.user_id, RoleAssignment.project_id)
        .join(User, User.id == RoleAssignment.user_id)
        .join(Project, Project.id == RoleAssignment.project_id)
        .where(RoleAssignment.role == "admin", User.enabled.is_(True), Project.enabled.is_(True))
    ).all()
    left = [
        (user_id, project_id)
        for user_id, project_id in rows
        if not (without_user in (None, user_id) and without_project in (None, project_id))
    ]
    if rows and not left:
        raise Conflict(
            "This would leave the cloud without an administrator.",
            next_step="Give another user the role admin first.",
        )


def set_quota(session: Session, caller: Caller, project_id: str, maxima: dict[str, int]) -> None:
    """Give a project its own limits, by resource; -1 removes one. Raises NotFound."""
    queries.project(session, project_id)
    quotas.set_limits(session, project_id, maxima)
    subject = Subject("project", project_id)
    detail: dict[str, Any] = dict(maxima)
    record(session, caller, "quota.update", subject, project_id=project_id, **detail)
