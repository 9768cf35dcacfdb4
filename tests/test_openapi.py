"""The OpenAPI document says all that the application serves, and is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from webcloud import openapi


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json  # type: ignore[assignment]
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_api_route_is_in_it(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.split("/")[1] in ("identity", "compute", "image", "network")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    told = {(path, method) for path, method, _ in operations(document)}
    assert len(served) > 60
    assert served - told == set()


def test_it_names_nothing_but_the_api(document: dict[str, Any]) -> None:
    roots = {path.split("/")[1] for path in document["paths"]}
    assert roots <= {"identity", "compute", "image", "network", "openapi.json"}


def test_every_operation_is_whole(document: dict[str, Any]) -> None:
    ids = []
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        ids.append(operation["operationId"])
        assert operation["summary"].strip(), where
        assert operation["responses"], where
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"{([^}]+)}", path)), where
        assert all(each["required"] for each in operation["parameters"] if each["in"] == "path")
    assert len(ids) == len(set(ids))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    yield value
                else:
                    yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert "#/components/schemas/CreateServer" in found
    for reference in found:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_bodies_are_closed_and_named_as_on_the_wire(document: dict[str, Any]) -> None:
    server = document["components"]["schemas"]["ServerForm"]
    assert server["additionalProperties"] is False
    assert {"name", "flavorRef", "imageRef"} <= set(server["properties"])
    assert {"name", "flavorRef"} <= set(server["required"])


def test_public_routes_ask_for_no_token(document: dict[str, Any]) -> None:
    assert document["paths"]["/compute/v2.1"]["get"]["security"] == []
    assert document["paths"]["/compute/v2.1/servers"]["get"]["security"] == [{"token": []}]


def test_the_head_is_what_readers_look_for(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "webcloud"
    assert document["servers"][0]["url"].startswith("http")
    assert set(openapi.METHODS) >= {"GET", "POST"}
