"""Pages as a logged-in browser asks for them, and rows that make them show something."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.support.people import Person
from webcloud.conductor import events
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation
from webcloud.conductor.plan import new_state
from webcloud.db import new_id, now
from webcloud.instances.models import Flavor, Instance, KeyPair, Placement
from webcloud.instances.operations.create import CreateInstance

HTML = {"Accept": "text/html"}


def get(
    client: FlaskClient, path: str, *, language: str = "en", part: bool = False
) -> TestResponse:
    """A page, or with ``part`` the fragment that a hint refetches."""
    headers = {**HTML, "Accept-Language": language}
    if part:
        headers["HX-Request"] = "true"
    return client.get(path, headers=headers)


def send(
    client: FlaskClient, path: str, token: str, *, part: bool = False, **fields: object
) -> TestResponse:
    """A form of a page, with its CSRF token."""
    headers = {**HTML, "HX-Request": "true"} if part else HTML
    return client.post(path, data={"csrf_token": token, **fields}, headers=headers)


def put_instance(
    session: Session,
    person: Person,
    name: str,
    image_id: str,
    host_id: str | None,
    **columns: object,
) -> Instance:
    """A running instance of the flavor tiny."""
    flavor = session.get_one(Flavor, "1")
    values: dict[str, object] = {
        "id": new_id(),
        "name": name,
        "hostname": "guest",
        "project_id": person.project_id,
        "user_id": person.user_id,
        "image_id": image_id,
        "flavor_id": flavor.id,
        "flavor_name": flavor.name,
        "vcpus": flavor.vcpus,
        "memory_mb": flavor.memory_mb,
        "disk_gb": flavor.disk_gb,
        "host_id": host_id,
        "observed_power": "running",
        "built": True,
        "created_at": now(),
        "updated_at": now(),
    }
    instance = Instance(**{**values, **columns})
    session.add(instance)
    session.flush()
    session.add(
        Placement(
            instance_id=instance.id,
            at=now(),
            host_id=host_id,
            reasons=[
                {"host": "n1", "weights": {"memory": 0.5}},
                {"host": "n2", "filter": "alive", "refusal": "does not answer"},
            ],
        )
    )
    return instance


def put_operation(
    session: Session,
    instance: Instance,
    kind: type[Operation] = CreateInstance,
    *,
    status: str = "running",
    step: str = "",
    **columns: object,
) -> OperationRow:
    """An operation on the instance that has come as far as ``step``, with its log."""
    names = [each.name for each in kind.steps]
    step = step or names[0]
    under_way = status in ("queued", "running", "unwinding")
    moment = now() - timedelta(seconds=90)
    values: dict[str, object] = {
        "id": new_id(),
        "kind": kind.kind,
        "subject_type": "instance",
        "subject_id": instance.id,
        "subject_name": instance.name,
        "project_id": instance.project_id,
        "user_id": instance.user_id,
        "request_id": "req-0123",
        "active_key": f"instance:{instance.id}" if under_way else None,
        "state": new_state(kind),
        "step": step,
        "status": status,
        "run_at": moment,
        "deadline_at": now() + timedelta(minutes=10),
        "created_at": moment,
        "finished_at": None if under_way else now(),
    }
    row = OperationRow(**{**values, **columns})
    session.add(row)
    session.flush()
    events.record(session, row, "accepted")
    for name in names:
        events.record(session, row, "started", step=name)
        if name == step:
            break
        events.record(session, row, "done", step=name, ms=42)
    return row


def put_key(session: Session, person: Person, name: str = "laptop") -> None:
    """A key pair of the person's."""
    session.add(
        KeyPair(
            id=new_id(),
            user_id=person.user_id,
            name=name,
            public_key="ssh-ed25519 AAAA me@laptop",
            fingerprint="SHA256:abc",
            created_at=now(),
        )
    )
