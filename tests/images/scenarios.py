"""How each operation on an image is brought about, for the fault tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.images import corpus
from tests.images.web import Site, serving_site
from tests.support.operations import Scenario, scenario
from tests.support.rooms import add_project
from tests.support.small_cloud import SmallCloud
from webcloud.conductor import queries as operations
from webcloud.db import new_id
from webcloud.identity.callers import Caller
from webcloud.identity.models import QuotaUsage
from webcloud.images import place, service, uploads
from webcloud.images.forms import NewImage, NewImport
from webcloud.images.models import Image

# The site of the scenario that runs now; the one before is closed.
_open_sites = contextlib.ExitStack()


def caller_in(session: Session) -> Caller:
    project = add_project(session)
    return Caller(new_id(), "mai", project.id, project.name, frozenset({"member"}))


def used(session: Session, resource: str) -> int:
    return session.scalar(select(QuotaUsage.used).where(QuotaUsage.resource == resource)) or 0


def gone(session: Session) -> None:
    """The only image is deleted, with its bytes and its quota."""
    assert session.scalars(select(Image)).one().status == "deleted"
    assert place.current().store.image_ids() == set()
    assert used(session, "images") == used(session, "image_gb") == 0


def delete_it(caller: Caller, image_id: str) -> Callable[[Session], str]:
    """The user deletes the image."""
    return lambda session: service.delete(session, caller, session.get_one(Image, image_id))


@scenario("image.import")
def importing(cloud: SmallCloud) -> Scenario:
    here = place.current()
    _open_sites.close()
    site = _open_sites.enter_context(serving_site(Site(corpus.Qcow2().build())))
    with cloud.database.transaction() as session:
        caller = caller_in(session)
        image = service.create(session, caller, NewImage(name="x", disk_format="qcow2"))

    def prepare() -> str:
        with cloud.database.transaction() as session:
            row = session.get_one(Image, image.id)
            return service.start_import(session, caller, row, NewImport(url=site.url()))

    def settled(session: Session) -> None:
        row = session.get_one(Image, image.id)
        assert (row.status, row.size, row.fault) == ("active", len(site.data), "")
        assert here.store.path(image.id).read_bytes() == site.data
        assert here.store.sizes().keys() == here.store.image_ids() == {image.id}
        assert used(session, "image_gb") == 1

    def clean_slate(session: Session) -> None:
        row = session.get_one(Image, image.id)
        assert row.status == "killed"
        assert row.fault
        assert here.store.image_ids() == set()
        assert used(session, "image_gb") == 0

    return Scenario(
        prepare, settled, clean_slate, lambda: time.sleep(0.02), delete_it(caller, image.id), gone
    )


@scenario("image.delete")
def deleting(cloud: SmallCloud) -> Scenario:
    host = cloud.add_host()
    with cloud.database.transaction() as session:
        caller = caller_in(session)
        image = service.create(session, caller, NewImage(name="x", disk_format="qcow2"))
    uploads.whole(cloud.database, caller, image.id, [corpus.Qcow2().build()], None)
    host.fetch(image.id)

    def prepare() -> str:
        with cloud.database.transaction() as session:
            return service.delete(session, caller, session.get_one(Image, image.id))

    def settled(session: Session) -> None:
        gone(session)
        assert host.agent.images.cached() == ()

    def clean_slate(session: Session) -> None:
        # Deleting is never taken back: the image is out of sight, and asking again ends it.
        assert session.get_one(Image, image.id).deleted_at is not None
        assert operations.active_operation(session, "image", image.id) is None

    return Scenario(prepare, settled, clean_slate, cloud.round, delete_it(caller, image.id), gone)
