"""The stock OpenStack clients against a listening server: what they print and what they get."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from werkzeug.serving import make_server

from tests.support.people import PASSWORD, make_person
from webcloud import create_app
from webcloud.config import Config

OPENSTACK = Path(sys.executable).with_name("openstack")


@pytest.fixture
def login(config: Config) -> Iterator[dict[str, str]]:
    """Where a server listens, and the operator's login to it, as clients are told."""
    with make_server("127.0.0.1", 0, lambda *_: [], threaded=True) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        app = create_app(dataclasses.replace(config, public_url=address))
        make_person(app, "mai", "member", "blue")
        server.app = app
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {
                "auth_url": f"{address}/identity",
                "username": "admin",
                "password": PASSWORD,
                "project_name": "admin",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            }
        finally:
            server.shutdown()
            thread.join()
            app.extensions["webcloud"].database.engine.dispose()


def client(login: dict[str, str], *words: str) -> Any:
    """What the command line client prints, as JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    told = {f"OS_{name.upper()}": value for name, value in login.items()}
    answer = subprocess.run(
        [str(OPENSTACK), *words, "-f", "json"],
        env={**kept, **told},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_the_command_line_client_logs_in_and_reads(login: dict[str, str]) -> None:
    token = client(login, "token", "issue")
    assert {"expires", "id", "project_id", "user_id"} <= set(token)
    catalog = client(login, "catalog", "list")
    assert {one["Type"] for one in catalog} == {"identity", "compute", "image", "network"}
    projects = client(login, "project", "list")
    assert {one["Name"] for one in projects} == {"admin", "blue"}


def test_the_sdk_makes_changes_and_uses_a_credential(login: dict[str, str]) -> None:
    with openstack.connect(**login) as operator:
        identity = operator.identity
        assert [one.name for one in identity.roles()] == ["admin", "member", "reader"]
        project = identity.create_project(name="sea", description="salt")
        user = identity.create_user(name="lan", password=PASSWORD, default_project_id=project.id)
        identity.assign_project_role_to_user(project, user, identity.find_role("member"))
        assert identity.find_user("lan").id == user.id
        assert {one.name for one in identity.user_projects(user)} == {"sea"}
        identity.update_project(project, description="sweet")
        assert identity.find_project("sea").description == "sweet"
    lans = {**login, "username": "lan", "project_name": "sea"}
    with openstack.connect(**lans) as lan:
        made = lan.identity.create_application_credential(user.id, name="script")
        assert [one.name for one in lan.identity.application_credentials(user.id)] == ["script"]
    with openstack.connect(
        auth_url=login["auth_url"],
        auth_type="v3applicationcredential",
        application_credential_id=made.id,
        application_credential_secret=made.secret,
    ) as script:
        assert script.current_project_id == project.id
        assert [one.name for one in script.identity.projects()] == ["sea"]
