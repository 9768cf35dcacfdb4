"""The OpenAPI document says all that the application serves, and is one."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
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


def test_every_body_and_status_is_told_as_the_view_has_it(app: Flask) -> None:
    """Read from the views' own source: the forms that they parse and what they return."""
    parsed = 0
    for rule in app.url_map.iter_rules():
        if not openapi.is_api_route(rule):
            continue
        view = app.view_functions[rule.endpoint]
        said = view.webcloud_documentation  # type: ignore[attr-defined]
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(view))))
        where = f"{sorted(rule.methods or ())} {rule.rule}"
        forms = set(names_of_forms(tree))
        if forms:
            parsed += 1
            assert said.body is not None, where
            assert said.body.__name__ in forms, where
        statuses = set(returned_statuses(tree))
        assert not statuses or said.status in statuses | {200}, where
        if 200 not in statuses and {201, 202, 204} & statuses and "GET" not in where:
            assert said.status in statuses, where
    assert parsed > 20


def names_of_forms(tree: ast.AST) -> Iterator[str]:
    """The X of each parse(X, ...) and read(X)."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("parse", "read"):
            form = call.args[0]
            yield form.attr if isinstance(form, ast.Attribute) else getattr(form, "id", "")


def returned_statuses(tree: ast.AST) -> Iterator[int]:
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Return):
            for node in ast.walk(statement):
                value = getattr(node, "value", None)
                if type(value) is int and 200 <= value < 400:
                    yield value


def test_a_patch_and_a_header_that_matter_are_told(document: dict[str, Any]) -> None:
    patch = document["paths"]["/image/v2/images/{image_id}"]["patch"]
    (media_type,) = patch["requestBody"]["content"]
    assert media_type == "application/openstack-images-v2.1-json-patch"
    create = document["paths"]["/compute/v2.1/servers"]["post"]
    assert "Idempotency-Key" in [each["name"] for each in create["parameters"]]
    login = document["paths"]["/identity/v3/auth/tokens"]["post"]
    assert "201" in login["responses"]


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
