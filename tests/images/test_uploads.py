"""Bytes that come by upload or import: kept whole, or not at all."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from tests.images import corpus
from tests.images.calls import QCOW2, Images, carry_out, used
from tests.images.web import Site, serving_site
from webcloud.db import Database
from webcloud.identity import quotas
from webcloud.images import place, reconcile
from webcloud.images.models import Image
from webcloud.images.store import ImageStore, UploadGone


def test_an_upload_becomes_an_active_image_with_its_checksums(images: Images) -> None:
    image_id = images.active(hw_disk_bus="virtio", tags=["b", "a", "a"], min_ram=64)
    shown = images.show(image_id)
    assert shown["status"] == "active"
    assert (shown["size"], shown["virtual_size"]) == (len(QCOW2), 10 * corpus.MIB)
    assert shown["os_hash_value"] == hashlib.sha512(QCOW2).hexdigest()
    assert (shown["hw_disk_bus"], shown["tags"], shown["min_ram"]) == ("virtio", ["a", "b"], 64)
    got = images.call("GET", f"/images/{image_id}/file")
    assert (got.status_code, got.data) == (200, QCOW2)
    part = images.call("GET", f"/images/{image_id}/file", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.data) == (206, b"QFI\xfb")


def test_sec_S10_the_bytes_of_an_active_image_never_change(images: Images) -> None:
    image_id = images.active()
    assert images.put(image_id, corpus.raw()).status_code == 409
    answer = images.call(
        "POST", f"/images/{image_id}/import",
        json={"method": {"name": "web-download", "uri": "http://93.184.216.34/x"}},
    )  # fmt: skip
    assert answer.status_code == 409
    assert images.call("GET", f"/images/{image_id}/file").data == QCOW2


@pytest.mark.parametrize(
    ("data", "declared", "code"),
    [
        (corpus.Qcow2(backing=b"/etc/shadow").build(), "qcow2", "qcow2_backing_file"),
        (corpus.raw(), "qcow2", "format_mismatch"),
        (corpus.vmdk_text(), "raw", "format_mismatch"),
        (b"", "raw", "image_empty"),
    ],
)
def test_refused_bytes_leave_nothing_and_the_reason(
    images: Images, database: Database, data: bytes, declared: str, code: str
) -> None:
    image_id = str(images.create(disk_format=declared)["id"])
    answer = images.put(image_id, data)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    shown = images.show(image_id)
    assert (shown["status"], shown["size"]) == ("queued", None)
    assert shown["webcloud_fault"]
    assert place.current().store.image_ids() == set()
    assert used(database, images.person) == (1, 0)
    assert images.put(image_id, QCOW2 if declared == "qcow2" else corpus.raw()).status_code == 204


def test_sec_S8_an_upload_without_a_length_is_cut_at_the_limit(
    images: Images, database: Database
) -> None:
    here = place.current()
    place._current[:] = [replace(here, limit=100_000)]
    image_id = str(images.create(disk_format="raw")["id"])
    endless = io.BytesIO(b"x" * 1_000_000)
    answer = images.client.put(
        f"/image/v2/images/{image_id}/file", input_stream=endless,
        headers={**images.person.headers, "Transfer-Encoding": "chunked"},
        content_type="application/octet-stream",
        environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    assert answer.status_code == 413
    assert endless.tell() <= 100_000 + 256 * 1024
    assert images.put(image_id, b"x" * 100_001).status_code == 413
    assert here.store.image_ids() == set()
    assert images.show(image_id)["status"] == "queued"


def test_a_quota_that_does_not_allow_the_bytes_keeps_none(
    images: Images, database: Database
) -> None:
    image_id = str(images.create(disk_format="raw")["id"])
    with database.transaction() as session:
        quotas.set_limits(session, images.person.project_id, {"image_gb": 0, "images": 1})
    assert images.put(image_id, corpus.raw()).status_code == 403
    assert place.current().store.image_ids() == set()
    assert images.call("POST", "/images", json={"name": "more"}).status_code == 403
    assert used(database, images.person) == (1, 0)


def test_deleting_removes_bytes_and_gives_the_quota_back(
    images: Images, database: Database
) -> None:
    image_id = images.active()
    assert used(database, images.person) == (1, 1)
    assert images.call("DELETE", f"/images/{image_id}").status_code == 204
    assert images.call("GET", f"/images/{image_id}").status_code == 404
    assert images.names() == []
    carry_out(database, image_id)
    assert place.current().store.image_ids() == set()
    assert used(database, images.person) == (0, 0)


def test_an_import_ends_active_or_says_why(images: Images, database: Database) -> None:
    body = {"method": {"name": "web-download", "uri": ""}}
    good, bad = (str(images.create(disk_format="raw")["id"]) for _ in range(2))
    with serving_site(Site(corpus.raw(), texts={"/no": "not an image, or is it?"})) as site:
        for image_id, path in ((good, "/image.img"), (bad, "/nothing")):
            body["method"]["uri"] = site.url(path)
            answer = images.call("POST", f"/images/{image_id}/import", json=body)
            assert answer.status_code == 202, answer.text
            assert images.show(image_id)["status"] == "importing"
            assert images.put(image_id, b"x").status_code == 409
            carry_out(database, image_id)
    assert images.show(good)["status"] == "active"
    shown = images.show(bad)
    assert shown["status"] == "killed"
    assert "404" in shown["webcloud_fault"]


def test_sec_S12_an_import_of_a_forbidden_address_is_refused_at_once(images: Images) -> None:
    image_id = images.create()["id"]
    for uri in ("file:///etc/passwd", "http://u:p@h/", "http://0x7f.1/", "ftp://x/"):
        body = {"method": {"name": "web-download", "uri": uri}}
        assert images.call("POST", f"/images/{image_id}/import", json=body).status_code == 400
    assert images.show(image_id)["status"] == "queued"


def test_the_sweep_removes_what_no_image_owns(images: Images, database: Database) -> None:
    store = place.current().store
    kept = images.active()
    for stray in ("22222222-2222-4333-8444-555555555555", "33333333-2222-4333-8444-555555555555"):
        store.append(stray, 0, [b"x"], 100)
    store.keep("33333333-2222-4333-8444-555555555555")
    reconcile.sweep(database)
    assert store.image_ids() == {kept}


def test_an_upload_that_nobody_continues_is_given_up(
    app: Flask, images: Images, database: Database
) -> None:
    image_id = str(images.create()["id"])
    place.current().store.append(image_id, 0, [b"x"], 100)
    with database.transaction() as session:
        row = session.get_one(Image, image_id)
        row.status, row.updated_at = "saving", row.updated_at - 2 * reconcile.ABANDONED
    with place.current().store.writing(image_id):
        reconcile.sweep(database)
    assert images.show(image_id)["status"] == "saving"
    reconcile.sweep(database)
    assert images.show(image_id)["status"] == "queued"
    assert place.current().store.image_ids() == set()


def test_an_image_that_is_deleted_while_it_is_uploaded_leaves_no_part(
    images: Images, database: Database
) -> None:
    image_id = str(images.create()["id"])
    store = place.current().store
    real = ImageStore.append

    def deleted_meanwhile(self: ImageStore, *rest: Any) -> int:
        assert images.call("DELETE", f"/images/{image_id}").status_code == 204
        carry_out(database, image_id)
        raise UploadGone("The image was deleted while it was uploaded.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageStore, "append", deleted_meanwhile)
        assert images.put(image_id, QCOW2).status_code == 409
    assert real is ImageStore.append
    assert store.image_ids() == set()


def test_what_an_upload_left_beside_its_active_image_is_swept(
    images: Images, database: Database
) -> None:
    image_id = images.active()
    store = place.current().store
    store.append(image_id, 0, [b"late"], 100)
    reconcile.sweep(database)
    assert store.unfinished() == set()
    assert images.call("GET", f"/images/{image_id}/file").data == QCOW2
