"""Uploads in chunks, and what happens when an image is deleted in the middle of things."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.images import corpus
from tests.images.calls import QCOW2, Images, carry_out, used
from tests.images.web import Site, serving_site
from tests.support.people import Person
from webcloud.conductor import queries as operations
from webcloud.db import Database
from webcloud.errors import BadRequest, Busy, Conflict, NotFound, TooLarge
from webcloud.identity.callers import Caller
from webcloud.images import activation, place, service, uploads
from webcloud.images.forms import NewImport
from webcloud.images.models import Image
from webcloud.images.place import is_image_id
from webcloud.images.refusals import ImageRefused
from webcloud.images.store import ImageStore, UploadGone, Verified, WrongOffset


@pytest.fixture
def caller(member: Person) -> Caller:
    roles = frozenset({"member", "reader"})
    return Caller(member.user_id, member.name, member.project_id, member.project_name, roles)


@pytest.fixture
def image_id(images: Images) -> str:
    return str(images.create()["id"])


def test_an_upload_in_chunks_goes_on_after_an_interruption(
    database: Database, caller: Caller, image_id: str, images: Images
) -> None:
    assert uploads.begin(database, caller, image_id, len(QCOW2)) == 0
    assert uploads.append(database, caller, image_id, 0, [QCOW2[:1000]]) == 1000

    def cut() -> Iterator[bytes]:
        yield QCOW2[1000:1500]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        uploads.append(database, caller, image_id, 1000, cut())
    shown = images.show(image_id)
    assert (shown["status"], shown["webcloud_stage"]) == ("saving", "receive")
    with pytest.raises(WrongOffset):
        uploads.append(database, caller, image_id, 1000, [b"x"])
    with pytest.raises(WrongOffset):
        uploads.finish(database, caller, image_id)
    assert uploads.begin(database, caller, image_id, len(QCOW2)) == 1500
    uploads.append(database, caller, image_id, 1500, [QCOW2[1500:]])
    uploads.finish(database, caller, image_id)
    assert images.show(image_id)["status"] == "active"
    assert images.call("GET", f"/images/{image_id}/file").data == QCOW2
    for late in (uploads.append, lambda *given: uploads.finish(*given[:3])):
        with pytest.raises(Conflict):
            late(database, caller, image_id, 0, [b"x"])


def test_chunks_that_are_refused_leave_a_queued_image(
    database: Database, caller: Caller, image_id: str, images: Images
) -> None:
    uploads.begin(database, caller, image_id, None)
    uploads.append(database, caller, image_id, 0, [corpus.Qcow2(incompatible=4).build()])
    with pytest.raises(ImageRefused):
        uploads.finish(database, caller, image_id)
    assert images.show(image_id)["status"] == "queued"
    assert place.current().store.image_ids() == set()


def test_a_size_over_the_limit_or_without_a_format_never_begins(
    database: Database, caller: Caller, image_id: str, images: Images
) -> None:
    with pytest.raises(TooLarge):
        uploads.begin(database, caller, image_id, place.current().limit + 1)
    answer = images.call("POST", "/images", json={"name": "no format"})
    unformed = str(answer.json["id"])
    with pytest.raises(BadRequest, match="format"):
        uploads.begin(database, caller, unformed, 10)
    with database.transaction() as session, pytest.raises(BadRequest, match="format"):
        row = session.get_one(Image, unformed)
        service.start_import(session, caller, row, NewImport(url="http://x.example/y"))
    assert images.show(image_id)["status"] == images.show(unformed)["status"] == "queued"


def test_deleting_between_chunks_ends_the_upload(
    database: Database, caller: Caller, image_id: str, images: Images
) -> None:
    uploads.begin(database, caller, image_id, None)
    uploads.append(database, caller, image_id, 0, [b"x"])
    images.call("DELETE", f"/images/{image_id}")
    for call in (
        lambda: uploads.append(database, caller, image_id, 1, [b"x"]),
        lambda: uploads.finish(database, caller, image_id),
        lambda: uploads.begin(database, caller, image_id, None),
    ):
        with pytest.raises(NotFound):
            call()
    carry_out(database, image_id)
    assert place.current().store.image_ids() == set()
    assert used(database, images.person) == (0, 0)


def test_deleting_while_a_chunk_arrives_leaves_nothing(
    database: Database, caller: Caller, image_id: str, images: Images
) -> None:
    def deleted_meanwhile() -> Iterator[bytes]:
        yield b"x"
        images.call("DELETE", f"/images/{image_id}")

    uploads.begin(database, caller, image_id, None)
    with pytest.raises(UploadGone):
        uploads.append(database, caller, image_id, 0, deleted_meanwhile())
    carry_out(database, image_id)
    assert place.current().store.image_ids() == set()


def test_deleting_while_the_bytes_are_checked_leaves_nothing(
    database: Database,
    caller: Caller,
    image_id: str,
    images: Images,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uploads.begin(database, caller, image_id, None)
    uploads.append(database, caller, image_id, 0, [QCOW2])
    real = activation.activate

    def too_late(session: Session, image: Image, verified: object) -> None:
        raise AssertionError("a deleted image became active")

    def keep_then_delete(kept: str) -> None:
        real_keep(kept)
        images.call("DELETE", f"/images/{image_id}")

    store = place.current().store
    real_keep = store.keep
    monkeypatch.setattr(store, "keep", keep_then_delete)
    monkeypatch.setattr(activation, "activate", too_late)
    with pytest.raises(UploadGone):
        uploads.finish(database, caller, image_id)
    monkeypatch.setattr(activation, "activate", real)
    carry_out(database, image_id)
    assert store.image_ids() == set()
    assert used(database, images.person) == (0, 0)


def test_deleting_wins_over_an_import_under_way(
    database: Database, image_id: str, images: Images
) -> None:
    with serving_site(Site(QCOW2, gate=threading.Event())) as site:
        body = {"method": {"name": "web-download", "uri": site.url()}}
        assert images.call("POST", f"/images/{image_id}/import", json=body).status_code == 202

        def delete_once() -> None:
            images.call("DELETE", f"/images/{image_id}")
            assert site.gate is not None
            site.gate.set()

        carry_out(database, image_id, delete_once)
    with database.reading() as session:
        successor = operations.active_operation(session, "image", image_id)
        assert successor is not None
        assert successor.kind == "image.delete"
    carry_out(database, image_id)
    assert place.current().store.image_ids() == set()
    assert used(database, images.person) == (0, 0)


def test_only_a_uuid_is_an_image_id() -> None:
    assert is_image_id("11111111-2222-4333-8444-555555555555")
    assert not is_image_id("11111111222243338444555555555555")
    assert not is_image_id("demo")


def test_of_two_that_finish_one_upload_the_second_changes_nothing(
    images: Images,
    image_id: str,
    caller: Caller,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a reload during the check, which sends the end of the upload again."""
    uploads.begin(database, caller, image_id, len(QCOW2))
    uploads.append(database, caller, image_id, 0, [QCOW2])
    real, refused = ImageStore.verify, []

    def verify(store: ImageStore, *rest: Any) -> Verified:
        for again in (
            lambda: uploads.finish(database, caller, image_id),
            lambda: uploads.append(database, caller, image_id, len(QCOW2), [b"more"]),
            lambda: uploads.begin(database, caller, image_id, None, afresh=True),
        ):
            with pytest.raises(Busy):
                again()
            refused.append(again)
        return real(store, *rest)

    monkeypatch.setattr(ImageStore, "verify", verify)
    uploads.finish(database, caller, image_id)
    assert len(refused) == 3
    with pytest.raises(Conflict):
        uploads.finish(database, caller, image_id)
    assert images.show(image_id)["status"] == "active"
    assert images.call("GET", f"/images/{image_id}/file").data == QCOW2


def test_an_upload_that_broke_off_leaves_the_one_that_goes_on_alone(
    images: Images, image_id: str, caller: Caller, database: Database
) -> None:

    def breaking_off() -> Iterator[bytes]:
        yield QCOW2[:10]
        raise OSError("the connection broke")

    def taken_over(self: ImageStore, *_rest: Any) -> int:
        with pytest.raises(OSError, match="broke"):
            real(self, image_id, 0, breaking_off(), 1 << 30)
        held.enter_context(self.writing(image_id))
        raise OSError("the connection broke")

    real = ImageStore.append
    with ExitStack() as held, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageStore, "append", taken_over)
        with pytest.raises(OSError, match="broke"):
            uploads.whole(database, caller, image_id, [QCOW2], len(QCOW2))
    assert images.show(image_id)["status"] == "saving"
    assert place.current().store.received(image_id) == 10
