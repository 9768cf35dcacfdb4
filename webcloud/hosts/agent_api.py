"""The HTTP API that agents use: join, commands, reports, inventory, domains, surveys, images.

Every call but ``join`` carries ``Authorization: Bearer <host_id>.<secret>``.
A host is answered only about itself: a report on another host's command, or
asking for an image that is not needed there, is refused and audited.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from agents.wire import codec, reports
from agents.wire.commands import EnsureImage
from webcloud import bodies, db, web
from webcloud.errors import BadRequest, Conflict, NotFound, Unauthorized
from webcloud.hosts import commands, enrolment, observers, presence, versions
from webcloud.hosts import reports as incoming
from webcloud.hosts.models import Host
from webcloud.identity import rate_limit

blueprint = Blueprint("agents", __name__, url_prefix="/agents/v1")


# Joins that may be refused per minute and address: each of them is written down.
refusals = rate_limit.Attempts(30)


class JoinForm(BaseModel):
    """The body of a join request."""

    model_config = ConfigDict(extra="forbid", strict=True)
    token: str = Field(max_length=128)
    name: str = Field(max_length=255)
    host_uuid: str = Field(max_length=36)
    wire_version: int


@blueprint.post("/join")
@web.require("agent", transaction=False)
def join() -> tuple[Response, int]:
    """A join that is refused changes nothing but the audit log, and only so often a minute."""
    form = web.parse(JoinForm, web.json_body())
    address = request.remote_addr or ""
    refusals.check(rate_limit.address_key(address))
    try:
        with web.database().transaction() as session:
            host, secret = enrolment.join(session, form.token, form.host_uuid, form.wire_version)
    except (Unauthorized, Conflict) as error:
        refusals.failed(rate_limit.address_key(address))
        with web.database().transaction() as session:
            enrolment.note_refused(session, error, form.token, form.name, address)
        raise
    return jsonify({"host_id": host.id, "secret": secret, "name": host.name}), 201


@blueprint.get("/commands")
@web.require("agent", transaction=False)
def open_commands() -> Response:
    # One session after the other: who waited for a second one while holding
    # the first could, with many hosts, leave none for anybody.
    with web.database().reading() as session:
        found = commands.open_for(session, _credential()[0])
        host = calling_host(session)
    if presence.is_stale(host):
        presence.note(web.database(), host.id)
    else:
        presence.heard(web.database(), host.id)
    problem = versions.problem_of(host)
    if problem is not None:
        raise problem
    version = versions.spoken(host)
    return jsonify({"commands": [codec.encode(command, version) for command in found]})


@blueprint.post("/reports")
@web.require("agent")
def report() -> Response:
    session = db.current()
    body = web.json_body()
    listed = body.get("reports") if isinstance(body, dict) else None
    if isinstance(listed, list):
        ids = [str(item.get("command_id")) for item in listed if isinstance(item, dict)]
        commands.read_with_host(session, _credential()[0], ids)
    host = calling_host(session)
    if not isinstance(listed, list):
        raise BadRequest("Expected {'reports': [...]}.", field="reports")
    for item in listed:
        incoming.accept(session, host, _decoded(reports.Report, item))
    return jsonify({})


@blueprint.put("/inventory")
@web.require("agent", transaction=False)
def inventory() -> Response:
    # In a transaction of its own: that an agent's version is refused is kept,
    # so that the host's page can say so.
    bodies.take_in()
    body = web.json_body()
    with web.database().transaction() as session:
        host = calling_host(session)
        problem = incoming.note_if_refused(session, host, body)
        if problem is None:
            incoming.take_inventory(session, host, _decoded(reports.Inventory, body))
            host.address = (request.remote_addr or "")[:64]
    if problem is not None:
        raise problem
    return jsonify({})


@blueprint.post("/domains")
@web.require("agent")
def domains() -> Response:
    session = db.current()
    host = calling_host(session)
    states = _decoded(reports.DomainStates, web.json_body())
    again = False
    if incoming.is_newer(host, states):
        again = observers.tell(session, host, states)
        incoming.remember(session, host, states)
    return jsonify({"again": again})


@blueprint.put("/survey")
@web.require("agent")
def survey() -> Response:
    session = db.current()
    host = calling_host(session)
    observers.tell_survey(session, host, _decoded(reports.SurveyReport, web.json_body()))
    return jsonify({})


@blueprint.get("/images/<image_id>")
@web.require("agent")
def image_bytes(image_id: str) -> Response:
    """The bytes of an image that this host has been told to have, and of no other."""
    session = db.current()
    host = calling_host(session)
    if commands.awaited(session, host.id, EnsureImage, image_id=image_id) is None:
        with web.database().transaction() as noting:
            incoming.note_foreign(noting, host, "image", image_id)
        raise NotFound("This host has not been told to have such an image.")
    return observers.image_for(session, host, image_id)


def calling_host(session: Session) -> Host:
    """The host whose credential this request carries. Raises Unauthorized."""
    return enrolment.authenticate(session, *_credential())


def _credential() -> tuple[str, str]:
    """Host id and secret as they were sent, unchecked. Raises Unauthorized."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    host_id, _, secret = credential.partition(".")
    if scheme != "Bearer" or not secret:
        raise Unauthorized("A host credential is needed.")
    return host_id, secret


def _decoded(kind: type[Any], data: Any) -> Any:
    try:
        return codec.decode(kind, data)
    except codec.WireError as error:
        raise BadRequest(f"The message does not follow the contract: {error}.") from error
