"""Host aggregates, in Nova's shape. For operators.

An aggregate's properties are called metadata here; the one named
``availability_zone`` also stands beside them.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, jsonify
from pydantic import AfterValidator, Field, model_validator

from webcloud.db import current
from webcloud.field_faults import wrong
from webcloud.hosts import aggregates, zones
from webcloud.hosts.models import Aggregate
from webcloud.identity.callers import current_caller
from webcloud.instances.api.dialect import bp, empty, minor, read
from webcloud.instances.fields import METADATA_KEY, Name
from webcloud.instances.forms import Closed
from webcloud.instances.microversion import has
from webcloud.instances.serialize import precise
from webcloud.openapi import documented
from webcloud.web import require
from webcloud.words import say

ONE = "/os-aggregates/<aggregate_id>"
LONGEST = 255


def _properties(value: dict[str, str | None]) -> dict[str, str | None]:
    for key, text in value.items():
        if not METADATA_KEY.fullmatch(key):
            raise wrong(
                say(
                    "a metadata key has 1 to 255 letters, digits, spaces and the characters - _ : ."
                )
            )
        if text is not None and len(text) > LONGEST:
            raise wrong(say("the value of {key!r} is longer than 255 characters", key=key))
    return value


class NewAggregateForm(Closed):
    """The ``aggregate`` object of POST /os-aggregates."""

    name: Name
    availability_zone: str | None = Field(default=None, max_length=255)


class NewAggregate(Closed):
    """The body of POST /os-aggregates."""

    aggregate: NewAggregateForm


class AggregateForm(Closed):
    """The ``aggregate`` object of PUT /os-aggregates/<id>."""

    name: Name | None = None
    availability_zone: str | None = Field(default=None, max_length=255)


class UpdateAggregate(Closed):
    """The body of PUT /os-aggregates/<id>."""

    aggregate: AggregateForm


class HostForm(Closed):
    host: Annotated[str, Field(min_length=1, max_length=255)]


class PropertiesForm(Closed):
    """Properties to set; one that is null is removed."""

    metadata: Annotated[dict[str, str | None], AfterValidator(_properties)]


class AggregateAction(Closed):
    """The body of POST /os-aggregates/<id>/action: exactly one of these."""

    add_host: HostForm | None = None
    remove_host: HostForm | None = None
    set_metadata: PropertiesForm | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> AggregateAction:
        if len(self.model_fields_set) != 1:
            raise wrong(say("give exactly one of add_host, remove_host and set_metadata"))
        return self


@bp.get("/os-aggregates")
@require("hosts:read")
@documented("List aggregates.")
def list_aggregates() -> Response:
    found = aggregates.list_aggregates(current())
    names = aggregates.host_names(current(), [each.id for each in found])
    return jsonify({"aggregates": [_shown(each, names[each.id]) for each in found]})


@bp.post("/os-aggregates")
@require("hosts:admin")
@documented("Create an aggregate.", body=NewAggregate)
def create_aggregate() -> Response:
    form = read(NewAggregate).aggregate
    made = aggregates.create(current(), current_caller(), form.name, form.availability_zone)
    body = _shown(made, [])
    # Nova leaves these out of the answer to a create, and clients know it.
    del body["hosts"], body["metadata"]
    return jsonify({"aggregate": body})


@bp.get(ONE)
@require("hosts:read")
@documented("Show an aggregate.")
def show_aggregate(aggregate_id: str) -> Response:
    return _answer(aggregates.get(current(), aggregate_id))


@bp.put(ONE)
@require("hosts:admin")
@documented("Rename an aggregate, or make it another zone.", body=UpdateAggregate)
def update_aggregate(aggregate_id: str) -> Response:
    aggregate = aggregates.get(current(), aggregate_id)
    form = read(UpdateAggregate).aggregate
    aggregates.update(
        current(), current_caller(), aggregate, name=form.name, zone=form.availability_zone
    )
    return _answer(aggregate)


@bp.delete(ONE)
@require("hosts:admin")
@documented("Delete an aggregate that has no hosts.")
def delete_aggregate(aggregate_id: str) -> Response:
    aggregates.delete(current(), current_caller(), aggregates.get(current(), aggregate_id))
    return empty(200)


@bp.post(f"{ONE}/action")
@require("hosts:admin")
@documented("Add or remove a host, or set properties.", body=AggregateAction)
def act_on_aggregate(aggregate_id: str) -> Response:
    session, caller = current(), current_caller()
    aggregate = aggregates.get(session, aggregate_id)
    form = read(AggregateAction)
    if form.add_host is not None:
        aggregates.add_host(session, caller, aggregate, form.add_host.host)
    if form.remove_host is not None:
        aggregates.remove_host(session, caller, aggregate, form.remove_host.host)
    if form.set_metadata is not None:
        aggregates.set_properties(session, caller, aggregate, form.set_metadata.metadata)
    return _answer(aggregate)


def _answer(aggregate: Aggregate) -> Response:
    current().flush()
    names = aggregates.host_names(current(), [aggregate.id])
    return jsonify({"aggregate": _shown(aggregate, names[aggregate.id])})


def _shown(aggregate: Aggregate, hosts: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.properties.get(zones.KEY),
        "metadata": aggregate.properties,
        "hosts": hosts,
        "created_at": precise(aggregate.created_at),
        "updated_at": precise(aggregate.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
    if has("aggregate.uuid", minor()):
        body["uuid"] = aggregate.uuid
    return body
