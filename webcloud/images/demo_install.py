"""Puts the demo image into the store, as the public image called ``demo``."""

from __future__ import annotations

from collections.abc import Callable

from webcloud.db import Database
from webcloud.identity.callers import Caller
from webcloud.images import demo, place, queries, service, uploads
from webcloud.images.forms import NewImage

NAME = "demo"


def install(
    database: Database, caller: Caller, progress: Callable[[str], None] = lambda words: None
) -> str:
    """The id of the public demo image, built and stored first when there is none.

    ``caller`` must be an operator within the project that is to own it.
    Raises Unavailable naming the package to install.
    """
    with database.reading() as session:
        present = queries.active_with_name(session, NAME)
    if present is not None:
        return present.id
    store = place.current().store
    with database.transaction() as session:
        form = NewImage(
            name=NAME,
            disk_format="raw",
            container_format="bare",
            visibility="public",
            min_ram=96,
            properties={"os_distro": "webcloud-demo", "os_admin_user": "root"},
        )
        image_id = service.create(session, caller, form).id
    try:
        uploads.begin(database, caller, image_id, None, afresh=True)
        demo.build(store.part(image_id), progress)
        uploads.finish(database, caller, image_id)
    except Exception:
        with database.transaction() as session:
            service.delete(session, caller, queries.get(session, caller, image_id))
        raise
    return image_id
