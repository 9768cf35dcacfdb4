"""Lists of projects, users, roles and the catalog's parts.

Operators see all; everybody else sees themselves and their own projects, and
what they may not see looks like what does not exist.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from webcloud.db import current
from webcloud.errors import Forbidden, NotFound
from webcloud.identity import catalog, queries, serialize
from webcloud.identity.api.envelopes import listed, one
from webcloud.identity.callers import current_caller
from webcloud.identity.models import Project, User
from webcloud.identity.permissions import IMPLIED
from webcloud.openapi import documented
from webcloud.web import edge, require

blueprint = Blueprint("identity_reading", __name__, url_prefix="/identity/v3")


@blueprint.get("/projects")
@require("identity:read")
@documented("List projects: all for an operator, else one's own.", query=("name", "domain_id"))
def projects() -> dict[str, Any]:
    name = request.args.get("name")
    caller = current_caller()
    if caller.is_admin:
        rows = list(queries.projects(current(), name))
    else:
        rows = [row for row in _own_projects() if name in (None, row.name)]
    return listed("projects", [serialize.project(row) for row in rows if _domain_asked()])


@blueprint.get("/projects/<project_id>")
@require("identity:read")
@documented("Show a project.")
def project(project_id: str) -> dict[str, Any]:
    return one("project", serialize.project(visible_project(project_id)))


@blueprint.get("/users")
@require("identity:read")
@documented("List users: all for an operator, else oneself.", query=("name", "domain_id"))
def users() -> dict[str, Any]:
    caller = current_caller()
    name = request.args.get("name")
    rows = [
        row for row in queries.users(current(), name) if caller.is_admin or row.id == caller.user_id
    ]
    return listed("users", [serialize.user(row) for row in rows if _domain_asked()])


@blueprint.get("/users/<user_id>")
@require("identity:read")
@documented("Show a user.")
def user(user_id: str) -> dict[str, Any]:
    return one("user", serialize.user(visible_user(user_id)))


@blueprint.get("/users/<user_id>/projects")
@require("identity:read")
@documented("The projects in which a user has a role.")
def projects_of_user(user_id: str) -> dict[str, Any]:
    rows = queries.projects_of(current(), visible_user(user_id).id)
    return listed("projects", [serialize.project(row) for row in rows])


@blueprint.get("/roles")
@require("identity:read")
@documented("List roles.", query=("name",))
def roles() -> dict[str, Any]:
    name = request.args.get("name")
    return listed("roles", [serialize.role(role) for role in IMPLIED if name in (None, role)])


@blueprint.get("/roles/<role_id>")
@require("identity:read")
@documented("Show a role.")
def role(role_id: str) -> dict[str, Any]:
    return one("role", serialize.role(role_of_id(role_id)))


@blueprint.get("/domains")
@require("identity:read")
@documented("List domains: the one there is.", query=("name",))
def domains() -> dict[str, Any]:
    name = request.args.get("name")
    shown = [_domain()] if name in (None, queries.DOMAIN_NAME) else []
    return listed("domains", shown)


@blueprint.get("/domains/<domain_id>")
@require("identity:read")
@documented("Show the domain.")
def domain(domain_id: str) -> dict[str, Any]:
    if domain_id != queries.DOMAIN_ID:
        raise NotFound(f"There is no domain {domain_id}.")
    return one("domain", _domain())


@blueprint.get("/services")
@require("identity:read")
@documented("List services.", query=("type", "name"))
def services() -> dict[str, Any]:
    kind, name = request.args.get("type"), request.args.get("name")
    rows = [
        _service(service)
        for service in catalog.SERVICES
        if kind in (None, service.type) and name in (None, service.name)
    ]
    return listed("services", rows)


@blueprint.get("/services/<service_id>")
@require("identity:read")
@documented("Show a service.")
def service(service_id: str) -> dict[str, Any]:
    for known in catalog.SERVICES:
        if known.id == service_id:
            return one("service", _service(known))
    raise NotFound(f"There is no service {service_id}.")


@blueprint.get("/endpoints")
@require("identity:read")
@documented("List the services' addresses.")
def endpoints() -> dict[str, Any]:
    return listed("endpoints", catalog.endpoints(edge().config))


@blueprint.get("/regions")
@require("identity:read")
@documented("List regions: the one there is.")
def regions() -> dict[str, Any]:
    region = {"id": edge().config.region, "description": "", "parent_region_id": None}
    return listed("regions", [region])


def project_with_quota(project_id: str) -> str:
    """The id again, if the caller may see the project's quota; raises Forbidden or NotFound."""
    caller = current_caller()
    if project_id == caller.project_id:
        return project_id
    if not caller.is_admin:
        raise Forbidden("Only operators may see the quota of another project.")
    if current().get(Project, project_id) is None:
        raise NotFound(f"Project {project_id[:255]} could not be found.")
    return project_id


def visible_project(project_id: str) -> Project:
    """The project if the caller operates the cloud or has a role in it; else NotFound."""
    if not current_caller().is_admin and project_id not in {row.id for row in _own_projects()}:
        raise NotFound(f"There is no project {project_id}.")
    return queries.project(current(), project_id)


def visible_user(user_id: str) -> User:
    """The caller, or any user for an operator; else NotFound."""
    caller = current_caller()
    if not caller.is_admin and user_id != caller.user_id:
        raise NotFound(f"There is no user {user_id}.")
    return queries.user(current(), user_id)


def role_of_id(role_id: str) -> str:
    """The role's name; raises NotFound."""
    for name, known in queries.ROLE_IDS.items():
        if role_id == known:
            return name
    raise NotFound(f"There is no role {role_id}.")


def _own_projects() -> list[Project]:
    return list(queries.projects_of(current(), current_caller().user_id))


def _service(known: catalog.Service) -> dict[str, Any]:
    return {"id": known.id, "type": known.type, "name": known.name, "enabled": True}


def _domain() -> dict[str, Any]:
    return {**serialize.DOMAIN, "enabled": True, "description": "", "options": {}}


def _domain_asked() -> bool:
    return request.args.get("domain_id", queries.DOMAIN_ID) == queries.DOMAIN_ID
