"""A project's network quota in Neutron's shape.

Only networks and ports are counted; Neutron's other resources have the limit
0 here, because there are none of them.
"""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ConfigDict, Field

from webcloud.db import current
from webcloud.identity import quotas
from webcloud.identity import service as identity
from webcloud.identity.api.reading import project_with_quota
from webcloud.identity.callers import current_caller
from webcloud.openapi import documented
from webcloud.web import json_body, parse, require

bp = Blueprint("network_quotas", __name__, url_prefix="/network/v2.0/quotas")
# Neutron's name -> ours.
NAMES = {"network": "networks", "port": "ports"}
FIXED = {
    "subnet": -1,
    "router": 0,
    "floatingip": 0,
    "security_group": 1,
    "security_group_rule": 2,
}

Limit = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class QuotaForm(BaseModel):
    """The ``quota`` object; -1 means no limit, absent leaves it as it is."""

    model_config = ConfigDict(extra="forbid", strict=True)

    network: Limit | None = None
    port: Limit | None = None
    check_limit: bool = False
    force: bool = False


class QuotaUpdate(BaseModel):
    """The body of PUT /quotas/<project>."""

    model_config = ConfigDict(extra="forbid", strict=True)

    quota: QuotaForm


@bp.get("/<project_id>")
@require("quotas:read")
@documented("A project's network quota.")
def show(project_id: str) -> Response:
    return _quota(project_with_quota(project_id))


@bp.get("/<project_id>/default")
@require("quotas:read")
@documented("The network quota of a new project.")
def show_default(project_id: str) -> Response:
    project_with_quota(project_id)
    limits = {name: quotas.DEFAULTS[ours] for name, ours in NAMES.items()}
    return jsonify({"quota": limits | FIXED})


@bp.get("/<project_id>/details")
@require("quotas:read")
@documented("A project's network quota with what is used of it.")
def show_use(project_id: str) -> Response:
    use = quotas.usage(current(), project_with_quota(project_id))
    body = {
        name: {"limit": use[ours].limit, "used": use[ours].used, "reserved": 0}
        for name, ours in NAMES.items()
    }
    fixed = {name: {"limit": most, "used": 0, "reserved": 0} for name, most in FIXED.items()}
    return jsonify({"quota": body | fixed})


@bp.put("/<project_id>")
@require("quotas:admin")
@documented("Set a project's network quota.", body=QuotaUpdate)
def update(project_id: str) -> Response:
    session = current()
    project_with_quota(project_id)
    form = parse(QuotaUpdate, json_body()).quota
    given = {NAMES["network"]: form.network, NAMES["port"]: form.port}
    wanted = {ours: maximum for ours, maximum in given.items() if maximum is not None}
    identity.set_quota(session, current_caller(), project_id, wanted)
    return _quota(project_id)


def _quota(project_id: str) -> Response:
    found = quotas.limits(current(), project_id)
    return jsonify({"quota": {name: found[ours] for name, ours in NAMES.items()} | FIXED})
