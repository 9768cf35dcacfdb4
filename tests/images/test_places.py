"""What others take from images: hosts their bytes, the first start its demo, people the list."""

from __future__ import annotations

import json
import lzma
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from tests.images.calls import QCOW2, Images, carry_out
from tests.support.fake_hosts import Asked, answer_hosts
from tests.support.people import Person
from tests.support.rooms import add_host
from webcloud.db import Database, now
from webcloud.errors import Busy, NotFound, Unavailable
from webcloud.hosts.models import Host, HostCommand
from webcloud.identity.callers import Caller
from webcloud.images import (
    addresses,
    catalogue,
    demo_install,
    demo_kernel,
    files,
    place,
    queries,
    reconcile,
)
from webcloud.images.models import Image


@pytest.fixture
def caller(admin: Person) -> Caller:
    return Caller(admin.user_id, "admin", admin.project_id, "admin", frozenset({"admin"}))


def test_a_host_gets_the_bytes_of_active_images_only(
    app: Flask, images: Images, database: Database
) -> None:
    active, queued = images.active(), str(images.create()["id"])
    with database.reading() as session, app.test_request_context(headers={"Range": "bytes=2-5"}):
        host = add_host(session)
        answer = files.open_for_host(session, host, active)
        answer.direct_passthrough = False
        assert (answer.status_code, answer.get_data()) == (206, QCOW2[2:6])
        for other in (queued, "../../etc/passwd", "11111111-2222-4333-8444-555555555555"):
            with pytest.raises(NotFound):
                files.open_for_host(session, host, other)
        place.current().store.delete(active)
        with pytest.raises(NotFound):
            files.open_for_host(session, host, active)


def test_a_host_that_was_away_drops_the_copy_of_a_deleted_image_later(
    images: Images, database: Database
) -> None:
    gone, kept = images.active(), images.active()
    with database.transaction() as session:
        away = add_host(session, "away", cached_images=[gone, kept], last_seen_at=None).id
        add_host(session, "without")
    images.call("DELETE", f"/images/{gone}")
    carry_out(database, gone)
    reconcile.drop_copies(database)
    assert told(database) == []
    with database.transaction() as session:
        session.get_one(Host, away).last_seen_at = now()
    reconcile.drop_copies(database)
    assert told(database) == [(away, "ensure_image_absent", {"image_id": gone})]


def told(database: Database) -> list[tuple[str, str, object]]:
    with database.reading() as session:
        rows = session.scalars(select(HostCommand).where(HostCommand.operation_id.is_(None)))
        return [(row.host_id, row.verb, row.payload) for row in rows]


def test_deleting_asks_only_the_hosts_that_have_a_copy(images: Images, database: Database) -> None:
    image_id = images.active()
    with database.transaction() as session:
        having = add_host(session, "with", cached_images=[image_id]).id
        add_host(session, "without")
        add_host(session, "away", cached_images=[image_id], last_seen_at=None)
    images.call("DELETE", f"/images/{image_id}")
    asked: list[tuple[str, str]] = []

    def answer(command: Asked) -> dict[str, object]:
        asked.append((command.host_id, command.verb))
        return {}

    carry_out(database, image_id, lambda: answer_hosts(database, answer) and None)
    assert asked == [(having, "ensure_image_absent")]
    with database.reading() as session:
        assert session.get_one(Image, image_id).status == "deleted"


def test_the_demo_image_is_installed_once_for_everybody(
    app: Flask, database: Database, caller: Caller, images: Images
) -> None:
    said: list[str] = []
    first = demo_install.install(database, caller, said.append)
    assert said
    assert demo_install.install(database, caller) == first
    shown = images.show(first)
    assert (shown["name"], shown["status"], shown["visibility"]) == ("demo", "active", "public")
    assert place.current().store.image_ids() == {first}


def test_a_demo_image_whose_making_was_cut_off_is_made_ready_and_not_made_twice(
    app: Flask, database: Database, caller: Caller, images: Images
) -> None:
    def cut_off(target: Path, _progress: object) -> None:
        target.with_name(f"{target.name}.part").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_install.demo, "build", cut_off)
        with pytest.raises(KeyboardInterrupt):
            demo_install.install(database, caller)
    (half,) = images.call("GET", "/images").json["images"]
    assert half["status"] == "saving"
    made = demo_install.install(database, caller)
    assert made == half["id"]
    assert images.names() == ["demo"]
    assert images.show(made)["status"] == "active"
    assert [each.name for each in place.current().store.root.iterdir()] == [made]


def test_while_a_demo_image_is_made_nobody_else_makes_it(
    app: Flask, database: Database, caller: Caller, images: Images
) -> None:
    real, refused = demo_install.demo.build, []

    def build(target: Path, progress: Any) -> object:
        with pytest.raises(Busy) as busy:
            demo_install.install(database, caller)
        refused.append(busy)
        return real(target, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_install.demo, "build", build)
        made = demo_install.install(database, caller)
    assert refused
    assert images.names() == ["demo"]
    assert images.show(made)["status"] == "active"


def test_a_demo_image_that_cannot_be_built_leaves_no_image(
    app: Flask, database: Database, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable):
        demo_install.install(database, caller)
    with database.reading() as session:
        assert queries.list_images(session, caller) == []


def test_every_catalogue_entry_is_complete_and_may_be_fetched() -> None:
    assert len({entry.key for entry in catalogue.ENTRIES}) == len(catalogue.ENTRIES) >= 8
    for entry in catalogue.ENTRIES:
        assert catalogue.get(entry.key) is entry
        for url in (entry.url, entry.checksum_url):
            addresses.check_form(url)
            assert urlsplit(url).scheme == "https"
        assert entry.user
    with pytest.raises(NotFound):
        catalogue.get("none")


@pytest.mark.parametrize("packing", ["", ".xz", ".gz", ".zst"])
def test_packed_modules_are_unpacked(tmp_path: Path, packing: str) -> None:
    plain = tmp_path / "virtio-net.ko"
    plain.write_bytes(b"module" * 100)
    packed = plain.with_name(plain.name + packing)
    if packing == ".xz":
        packed.write_bytes(lzma.compress(plain.read_bytes()))
    elif packing:
        program = {".gz": "gzip", ".zst": "zstd"}[packing]
        packed.write_bytes(
            subprocess.run([program, "-c", str(plain)], check=True, capture_output=True).stdout
        )
    module = demo_kernel._unpacked(packed)
    assert (module.file_name, module.content) == ("virtio_net.ko", plain.read_bytes())


def test_a_kernel_that_a_guest_cannot_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text("kernel/drivers/net/virtio_net.ko:\n")
    (tmp_path / "modules.builtin").write_text("kernel/drivers/x.ko\n")
    kernel = demo_kernel.Kernel("1.0", tmp_path / "vmlinuz", tmp_path)
    with pytest.raises(Unavailable, match="virtio_pci"):
        demo_kernel.load_modules(kernel)


def test_answers_never_contain_a_path_of_the_server(images: Images) -> None:
    image_id = images.active()
    answer = images.call("GET", f"/images/{image_id}/file", headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    root = str(place.current().store.root)
    assert root not in json.dumps(images.show(image_id)) + str(answer.headers) + answer.text
