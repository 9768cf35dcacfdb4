"""Quotas of a project: what it may use, and what it uses.

Members see their own project's, operators everyone's.  Nova's limits that
this cloud has no counterpart for are fixed figures, zero where the thing
itself does not exist.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, jsonify, request
from pydantic import BeforeValidator, Field

from webcloud.db import current
from webcloud.errors import BadRequest
from webcloud.identity import quotas
from webcloud.identity import service as identity
from webcloud.identity.api.reading import project_with_quota
from webcloud.identity.callers import current_caller
from webcloud.instances import key_pairs
from webcloud.instances.api.dialect import bp, minor, read
from webcloud.instances.fields import MAX_METADATA
from webcloud.instances.forms import Closed, whole
from webcloud.instances.microversion import has
from webcloud.openapi import documented
from webcloud.web import require

# Nova's name -> ours.
NAMES = {
    "instances": "instances",
    "cores": "vcpus",
    "ram": "memory_mb",
    "key_pairs": "key_pairs",
    "server_groups": "server_groups",
    "server_group_members": "server_group_members",
}
FIXED = {"metadata_items": MAX_METADATA}
FILES = {
    "injected_files": 0,
    "injected_file_content_bytes": 0,
    "injected_file_path_bytes": 0,
}
NETWORKS = {"fixed_ips": -1, "floating_ips": 0, "security_groups": 1, "security_group_rules": 2}

Limit = Annotated[int, BeforeValidator(whole), Field(ge=-1, le=2**31 - 1)] | None


class QuotaForm(Closed):
    """The ``quota_set`` object; -1 means no limit, absent leaves it as it is."""

    instances: Limit = None
    cores: Limit = None
    ram: Limit = None
    key_pairs: Limit = None
    server_groups: Limit = None
    server_group_members: Limit = None
    force: bool = False


class QuotaUpdate(Closed):
    """The body of PUT /os-quota-sets/<project>."""

    quota_set: QuotaForm


@bp.get("/limits")
@require("quotas:read")
@documented("What the project may use and uses.", query=("reserved", "tenant_id"))
def show_limits() -> Response:
    session, caller = current(), current_caller()
    project_id = project_with_quota(request.args.get("tenant_id") or caller.project_id)
    use = quotas.usage(session, project_id)
    absolute = {
        "maxTotalInstances": use["instances"].limit,
        "maxTotalCores": use["vcpus"].limit,
        "maxTotalRAMSize": use["memory_mb"].limit,
        "maxTotalKeypairs": use["key_pairs"].limit,
        "maxServerMeta": MAX_METADATA,
        "maxServerGroups": use["server_groups"].limit,
        "maxServerGroupMembers": use["server_group_members"].limit,
        "totalInstancesUsed": use["instances"].used,
        "totalCoresUsed": use["vcpus"].used,
        "totalRAMUsed": use["memory_mb"].used,
        "totalServerGroupsUsed": use["server_groups"].used,
    }
    if not has("limits.without_networks", minor()):
        absolute.update(
            maxTotalFloatingIps=0,
            totalFloatingIpsUsed=0,
            maxSecurityGroups=1,
            maxSecurityGroupRules=2,
            totalSecurityGroupsUsed=1,
        )
    if not has("quota.without_files", minor()):
        absolute.update(maxPersonality=0, maxPersonalitySize=0)
    return jsonify({"limits": {"rate": [], "absolute": absolute}})


@bp.get("/os-quota-sets/<project_id>")
@require("quotas:read")
@documented("A project's compute quota.", query=("user_id",))
def show_quota(project_id: str) -> Response:
    found = quotas.limits(current(), project_with_quota(project_id))
    return _quota(project_id, {name: found[ours] for name, ours in NAMES.items()})


@bp.get("/os-quota-sets/<project_id>/defaults")
@require("quotas:read")
@documented("The compute quota of a new project.")
def show_default_quota(project_id: str) -> Response:
    project_with_quota(project_id)
    return _quota(project_id, {name: quotas.DEFAULTS[ours] for name, ours in NAMES.items()})


@bp.get("/os-quota-sets/<project_id>/detail")
@require("quotas:read")
@documented("A project's compute quota with what is used of it.", query=("user_id",))
def show_quota_use(project_id: str) -> Response:
    session = current()
    use = quotas.usage(session, project_with_quota(project_id))
    caller = current_caller()
    body = {}
    for name, ours in NAMES.items():
        in_use = use[ours].used
        if name == "key_pairs":
            in_use = key_pairs.count(session, caller.user_id)
        body[name] = {"in_use": in_use, "limit": use[ours].limit, "reserved": 0}
    for name, maximum in _fixed().items():
        body[name] = {"in_use": 0, "limit": maximum, "reserved": 0}
    return jsonify({"quota_set": {"id": project_id, **body}})


@bp.put("/os-quota-sets/<project_id>")
@require("quotas:admin")
@documented("Set a project's compute quota.", body=QuotaUpdate)
def set_quota(project_id: str) -> Response:
    session = current()
    form = read(QuotaUpdate).quota_set
    project_with_quota(project_id)
    use = quotas.usage(session, project_id)
    wanted: dict[str, int] = {}
    for name, ours in NAMES.items():
        maximum = getattr(form, name)
        if maximum is None:
            continue
        if not form.force and 0 <= maximum < use[ours].used:
            raise BadRequest(
                f"Quota limit {maximum} for {name} is below the {use[ours].used} in use.",
                field=f"quota_set.{name}",
                next_step="Give a higher one, or say force.",
            )
        wanted[ours] = maximum
    identity.set_quota(session, current_caller(), project_id, wanted)
    found = quotas.limits(session, project_id)
    return _quota(None, {name: found[ours] for name, ours in NAMES.items()})


def _quota(project_id: str | None, limits: dict[str, int]) -> Response:
    body: dict[str, Any] = {} if project_id is None else {"id": project_id}
    return jsonify({"quota_set": {**body, **limits, **_fixed()}})


def _fixed() -> dict[str, int]:
    fixed = dict(FIXED)
    if not has("limits.without_networks", minor()):
        fixed.update(NETWORKS)
    if not has("quota.without_files", minor()):
        fixed.update(FILES)
    return fixed
