"""S10: a guest never boots from bytes that are not those that were stored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.boot_sector import ECHO, disk
from tests.support.guest_cloud import GuestCloud

pytestmark = pytest.mark.guests


def test_one_wrong_byte_in_the_image_store_ends_the_creation_and_leaves_nothing(
    cloud: GuestCloud,
) -> None:
    api = cloud.api
    image_id = api.upload("rotten", disk(ECHO))
    stored = cloud.state / "controller" / "images" / image_id
    flip(stored, 700_000)
    server_id = api.create("kilo", image_id)
    cloud.tap_of(server_id)
    server = api.wait(server_id, "ERROR")
    assert "image" in server["fault"]["message"].lower()
    assert cloud.left_of(server_id) == []
    assert not (cloud.state / "agent" / "images" / image_id).exists()
    assert not list((cloud.state / "agent").rglob("*.part"))
    told = cloud.run("verify")
    assert told.stdout == f"I8 {image_id}: has a file with other bytes than were stored\n"
    assert cloud.run("verify", "--quick").returncode == 0, "its size is right"
    api.delete(server_id)
    api.wait_gone(server_id)

    flip(stored, 700_000)
    cloud.verify()
    api.wait(api.create("lima", image_id), "ACTIVE")


def test_an_image_larger_than_the_flavors_disk_is_refused_by_name(
    cloud: GuestCloud, tmp_path: Path
) -> None:
    large = tmp_path / "large.qcow2"
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", str(large), "2G"]
    subprocess.run(argv, check=True)
    image_id = cloud.api.upload("large", large.read_bytes(), "qcow2")
    server = {
        "name": "mike",
        "imageRef": image_id,
        "flavorRef": cloud.api.flavor("tiny"),
        "networks": "auto",
    }
    answer = cloud.api.call("POST", "/compute/v2.1/servers", {"server": server}, status=400)
    message = next(iter(answer.values()))["message"]
    assert "2" in message, message
    assert "disk" in message.lower(), message


def flip(path: Path, position: int) -> None:
    """Turn one bit over."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))
