"""Server groups, in Nova's shape: ``policies`` before 2.64, ``policy`` and ``rules`` since."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Response, jsonify, request
from pydantic import BeforeValidator, Field

from webcloud.db import current
from webcloud.errors import BadRequest, Forbidden
from webcloud.identity.callers import current_caller
from webcloud.instances import server_groups
from webcloud.instances.api.dialect import bp, empty, flag, limit, minor, read
from webcloud.instances.fields import Name
from webcloud.instances.forms import Closed, whole
from webcloud.instances.microversion import has
from webcloud.instances.models import Instance, ServerGroup
from webcloud.openapi import documented
from webcloud.web import require

ONE = "/os-server-groups/<group_id>"
Policy = Literal["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]


class RulesForm(Closed):
    """Only for the policy anti-affinity."""

    max_server_per_host: Annotated[int | None, BeforeValidator(whole), Field(ge=1, le=1000)] = None


class ServerGroupForm(Closed):
    """The ``server_group`` object: ``policies`` before 2.64, ``policy`` and ``rules`` since."""

    name: Name
    policies: list[Policy] | None = Field(default=None, min_length=1, max_length=1)
    policy: Policy | None = None
    rules: RulesForm | None = None


class NewServerGroup(Closed):
    """The body of POST /os-server-groups."""

    server_group: ServerGroupForm


@bp.get("/os-server-groups")
@require("instances:read")
@documented("List server groups.", query=("all_projects", "limit", "offset"))
def list_server_groups() -> Response:
    session, caller = current(), current_caller()
    everywhere = flag("all_projects")
    if everywhere and not caller.is_admin:
        raise Forbidden("Only operators may list the server groups of every project.")
    found = server_groups.list_groups(session, caller, everywhere=everywhere)
    found = found[_offset() :][: limit()]
    members = server_groups.members(session, [each.id for each in found])
    return jsonify({"server_groups": [_shown(each, members[each.id]) for each in found]})


@bp.post("/os-server-groups")
@require("instances:write")
@documented("Create a server group.", body=NewServerGroup)
def create_server_group() -> Response:
    form = read(NewServerGroup).server_group
    group = server_groups.create(
        current(),
        current_caller(),
        form.name,
        _policy(form),
        most_per_host=form.rules.max_server_per_host if form.rules else None,
    )
    return jsonify({"server_group": _shown(group, [])})


@bp.get(ONE)
@require("instances:read")
@documented("Show a server group.")
def show_server_group(group_id: str) -> Response:
    group = server_groups.get(current(), current_caller(), group_id)
    members = server_groups.members(current(), [group.id])
    return jsonify({"server_group": _shown(group, members[group.id])})


@bp.delete(ONE)
@require("instances:write")
@documented("Delete a server group; its instances stay.", status=204)
def delete_server_group(group_id: str) -> Response:
    session, caller = current(), current_caller()
    server_groups.delete(session, caller, server_groups.get(session, caller, group_id))
    return empty(204)


def _policy(form: ServerGroupForm) -> str:
    """The policy, from the fields that this microversion has. Raises BadRequest."""
    new = has("group.rules", minor())
    for name in ("policies",) if new else ("policy", "rules"):
        if name in form.model_fields_set:
            since = "does not exist since" if new else "needs"
            raise BadRequest(
                f"Field 'server_group.{name}' {since} microversion 2.64.",
                field=f"server_group.{name}",
            )
    policy = form.policy if new else next(iter(form.policies or []), None)
    if policy is None:
        name = "policy" if new else "policies"
        raise BadRequest(f"Field 'server_group.{name}' is missing.", field=f"server_group.{name}")
    if policy.startswith("soft-") and not has("group.soft", minor()):
        raise BadRequest(
            f"Policy {policy!r} needs microversion 2.15.", field="server_group.policies"
        )
    return policy


def _offset() -> int:
    text = request.args.get("offset", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("Query parameter 'offset' must be a whole number.", field="offset")
    return int(text[:9])


def _shown(group: ServerGroup, members: list[Instance]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": group.id,
        "name": group.name,
        "members": [instance.id for instance in members],
    }
    if has("group.project", minor()):
        body.update(project_id=group.project_id, user_id=group.user_id)
    if not has("group.rules", minor()):
        return {**body, "policies": [group.policy], "metadata": {}}
    rules = {"max_server_per_host": group.most_per_host} if group.most_per_host else {}
    return {**body, "policy": group.policy, "rules": rules}
