"""Every route of the application as a request a test can send, and what the database holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from agents.wire import WIRE_VERSION
from webcloud.db import Base, Database
from webcloud.identity.authentication import API_PREFIXES
from webcloud.identity.permissions import PERMISSIONS, Who

NOBODY = "0f0f0f0f-dead-4000-8000-00000000beef"
READING = {"GET", "HEAD", "OPTIONS"}
CHOICES = {"kind": "vnc"}
# Where the proof is in the body: a wrong one.
BODIES = {
    "/agents/v1/join": {
        "token": "x",
        "name": "x",
        "host_uuid": NOBODY,
        "wire_version": WIRE_VERSION,
    }
}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}


@dataclass(frozen=True)
class Route:
    """One method of one address; arguments name things that do not exist."""

    method: str
    path: str
    rule: str
    endpoint: str
    permission: str | None
    websocket: bool

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"

    @property
    def needed(self) -> Who:
        return PERMISSIONS[self.permission or ""]

    @property
    def is_api(self) -> bool:
        return any(self.path == one or self.path.startswith(f"{one}/") for one in API_PREFIXES)

    @property
    def is_agents(self) -> bool:
        return self.path.startswith("/agents/")

    @property
    def changes(self) -> bool:
        return self.method not in READING

    @property
    def has_arguments(self) -> bool:
        return "<" in self.rule

    def send(self, client: FlaskClient, **headers: str) -> TestResponse:
        """Send it, with an empty JSON object where something is to be changed."""
        sent = {"Accept": "application/json", **(UPGRADE if self.websocket else {}), **headers}
        if not self.changes or not (self.is_api or self.is_agents):
            return client.open(self.path, method=self.method, headers=sent)
        body = BODIES.get(self.path, {})
        return client.open(self.path, method=self.method, headers=sent, json=body)


def routes(app: Flask, known: Mapping[str, str] = MappingProxyType({})) -> Iterator[Route]:
    """All but Flask's own ``static``; ``known`` gives values for arguments by name."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint)):
        if rule.endpoint == "static":
            continue
        permission = getattr(app.view_functions[rule.endpoint], "webcloud_permission", None)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(
                method, _path(rule, known), rule.rule, rule.endpoint, permission, rule.websocket
            )


def everything_in(database: Database) -> dict[str, list[Any]]:
    """Every row of every table, to compare before and after."""
    with database.reading() as session:
        return {
            table.name: sorted(repr(row) for row in session.execute(table.select()))
            for table in Base.metadata.sorted_tables
        }


def _path(rule: Rule, known: Mapping[str, str]) -> str:
    arguments = {name: _argument(rule, name, known) for name in rule.arguments}
    built = rule.build(arguments)
    assert built is not None, f"no address for {rule.rule} from {arguments}"
    return built[1]


def _argument(rule: Rule, name: str, known: Mapping[str, str]) -> Any:
    converter = rule._converters[name]
    choices = getattr(converter, "items", None)
    if choices:
        return sorted(choices)[0]
    if type(converter).__name__ in ("IntegerConverter", "FloatConverter"):
        return 987654
    return known.get(name, CHOICES.get(name, NOBODY))
