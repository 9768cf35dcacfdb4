"""openstacksdk and the `openstack` command, unchanged, against the image API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openstack
import pytest
from flask import Flask
from openstack.connection import Connection

from tests.images import corpus
from tests.images.web import Site, serving_site
from tests.support.live_server import free_port, serving
from tests.support.people import PASSWORD, Person
from webcloud.conductor.runner import Conductor
from webcloud.config import Config


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def config(config: Config, port: int) -> Config:
    address = f"127.0.0.1:{port}"
    return replace(
        config, listen=address, public_url=f"http://{address}", import_allow_private=True
    )


@pytest.fixture
def address(app: Flask, port: int) -> Iterator[str]:
    """The cloud's address, with a conductor at work."""
    conductor = Conductor(app.extensions["webcloud"].database, workers=1)
    conductor.start()
    with serving(app, port) as served:
        yield served
    conductor.stop()


def environment(address: str, person: Person) -> dict[str, str]:
    return {
        "OS_AUTH_URL": f"{address}/identity",
        "OS_USERNAME": person.name,
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": person.project_name,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }


@pytest.fixture
def cloud(address: str, member: Person) -> Iterator[Connection]:
    connection = openstack.connect(
        auth_url=f"{address}/identity",
        username=member.name,
        password=PASSWORD,
        project_name=member.project_name,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_envvars=False,
        load_yaml_config=False,
    )
    yield connection
    connection.close()


def test_the_sdk_uploads_reads_back_changes_and_deletes(cloud: Connection, tmp_path: Path) -> None:
    file = tmp_path / "disk.qcow2"
    file.write_bytes(corpus.Qcow2().build())
    image = cloud.image.create_image(
        "first", filename=str(file), disk_format="qcow2", container_format="bare", validate=False
    )
    image = cloud.image.get_image(image.id)
    assert (image.status, image.size) == ("active", file.stat().st_size)
    assert image.hash_algo == "sha512"
    assert cloud.image.find_image("first").id == image.id
    back = tmp_path / "back"
    cloud.image.download_image(image, output=str(back))
    assert back.read_bytes() == file.read_bytes()
    changed = cloud.image.update_image(image, name="second", min_ram=64, os_distro="test")
    assert (changed.name, changed.min_ram, changed.os_distro) == ("second", 64, "test")
    cloud.image.delete_image(image, ignore_missing=False)
    assert cloud.image.find_image("second") is None


def test_the_sdk_pages_through_a_list(cloud: Connection) -> None:
    made = {
        cloud.image.create_image(
            f"n{number}", disk_format="raw", container_format="bare", allow_duplicates=True
        ).id
        for number in range(5)
    }
    assert {image.id for image in cloud.image.images(limit=2)} == made


def test_the_sdk_imports_from_a_web_address(cloud: Connection) -> None:
    with serving_site(Site(corpus.raw())) as site:
        image = cloud.image.create_image(
            "fetched", disk_format="raw", container_format="bare", allow_duplicates=True
        )
        cloud.image.import_image(image, method="web-download", uri=site.url())
        end = time.monotonic() + 15
        while (image := cloud.image.get_image(image.id)).status != "active":
            assert time.monotonic() < end, image
            time.sleep(0.1)
    assert image.size == len(corpus.raw())


def test_the_openstack_command_creates_lists_shows_and_deletes(
    address: str, member: Person, tmp_path: Path
) -> None:
    file = tmp_path / "disk.img"
    file.write_bytes(corpus.raw())

    def run(*words: str) -> Any:
        argv = [str(Path(sys.executable).with_name("openstack")), "image", *words]
        given = {**os.environ, **environment(address, member)}
        done = subprocess.run(argv, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "json" in words else done.stdout

    made = run("create", "--file", str(file), "--disk-format", "raw", "cli", "-f", "json")
    assert made["status"] == "active"
    run("set", "--property", "hw_disk_bus=virtio", "--min-disk", "1", "cli")
    shown = run("show", "cli", "-f", "json")
    assert (shown["min_disk"], shown["properties"]["hw_disk_bus"]) == (1, "virtio")
    run("save", "--file", str(tmp_path / "saved"), "cli")
    assert (tmp_path / "saved").read_bytes() == file.read_bytes()
    run("delete", "cli")
    assert run("list", "-f", "json") == []
