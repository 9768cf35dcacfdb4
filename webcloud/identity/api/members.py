"""Who has which role in which project."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select

from webcloud.db import current
from webcloud.errors import NotFound
from webcloud.identity import queries, serialize, service
from webcloud.identity.api.envelopes import listed
from webcloud.identity.api.reading import role_of_id, visible_project, visible_user
from webcloud.identity.callers import current_caller
from webcloud.identity.models import Project, RoleAssignment, User
from webcloud.openapi import documented
from webcloud.web import require

blueprint = Blueprint("identity_members", __name__, url_prefix="/identity/v3")

ROLE_PATH = "/projects/<project_id>/users/<user_id>/roles/<role_id>"


@blueprint.get("/role_assignments")
@require("identity:read")
@documented(
    "List who has which role where: all for an operator, else one's own.",
    query=("user.id", "scope.project.id", "role.id", "include_names"),
)
def role_assignments() -> dict[str, Any]:
    """All assignments for an operator, else one's own; filtered as Keystone does."""
    caller = current_caller()
    query = (
        select(RoleAssignment, User, Project)
        .join(User, User.id == RoleAssignment.user_id)
        .join(Project, Project.id == RoleAssignment.project_id)
        .order_by(Project.name, User.name, RoleAssignment.role)
    )
    if not caller.is_admin:
        query = query.where(RoleAssignment.user_id == caller.user_id)
    filters = {
        "user.id": RoleAssignment.user_id,
        "scope.project.id": RoleAssignment.project_id,
    }
    for name, column in filters.items():
        if name in request.args:
            query = query.where(column == request.args[name])
    if "role.id" in request.args:
        query = query.where(RoleAssignment.role == role_of_id(request.args["role.id"]))
    with_names = request.args.get("include_names", "").lower() in ("true", "1")
    rows = [
        _assignment(found, user, project, with_names)
        for found, user, project in current().execute(query)
    ]
    return listed("role_assignments", rows)


@blueprint.get("/projects/<project_id>/users/<user_id>/roles")
@require("identity:read")
@documented("The roles of a user in a project.")
def roles_of_user(project_id: str, user_id: str) -> dict[str, Any]:
    project, user = visible_project(project_id), visible_user(user_id)
    rows = current().scalars(
        select(RoleAssignment.role).where(
            RoleAssignment.project_id == project.id, RoleAssignment.user_id == user.id
        )
    )
    return listed("roles", [serialize.role(name) for name in rows])


@blueprint.get(ROLE_PATH)
@require("identity:read")
@documented("Whether a user has a role in a project.", status=204)
def has_role(project_id: str, user_id: str, role_id: str) -> tuple[str, int]:
    key = (visible_user(user_id).id, visible_project(project_id).id, role_of_id(role_id))
    if current().get(RoleAssignment, key) is None:
        raise NotFound("The user has no such role in this project.")
    return "", 204


@blueprint.put(ROLE_PATH)
@require("identity:admin")
@documented("Give a user a role in a project.", status=204)
def grant(project_id: str, user_id: str, role_id: str) -> tuple[str, int]:
    service.grant(current(), current_caller(), *_named(project_id, user_id, role_id))
    return "", 204


@blueprint.delete(ROLE_PATH)
@require("identity:admin")
@documented("Take a user's role in a project away.", status=204)
def withdraw(project_id: str, user_id: str, role_id: str) -> tuple[str, int]:
    service.withdraw(current(), current_caller(), *_named(project_id, user_id, role_id))
    return "", 204


def _named(project_id: str, user_id: str, role_id: str) -> tuple[User, Project, str]:
    """What the address names. Raises NotFound."""
    user, project = queries.user(current(), user_id), queries.project(current(), project_id)
    return user, project, role_of_id(role_id)


def _assignment(
    found: RoleAssignment, user: User, project: Project, with_names: bool
) -> dict[str, Any]:
    if not with_names:
        return {
            "role": {"id": queries.ROLE_IDS[found.role]},
            "user": {"id": user.id},
            "scope": {"project": {"id": project.id}},
        }
    return {
        "role": {"id": queries.ROLE_IDS[found.role], "name": found.role},
        "user": {"id": user.id, "name": user.name, "domain": serialize.DOMAIN},
        "scope": {"project": {"id": project.id, "name": project.name, "domain": serialize.DOMAIN}},
    }
