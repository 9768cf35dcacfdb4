"""Images: what root disks are made from, from the first byte received to deletion.

Terms: the *store* keeps one file per active image, named by its id; a *part*
is an unfinished upload or import beside it; *inspection* reads headers with
our own code and decides what a file is; an *import* fetches a URL; the *demo
image* is built from this machine's own kernel.  Invariants: no QEMU program
sees a file before inspection has passed it; bytes of an active image never
change; sha512 and sha256 are taken from the very bytes that were inspected.

Read in this order: models, inspection, store, service, operations, api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

SWEEP_SECONDS = 600.0


def register(app: Flask) -> None:
    """Add the image API, the pages, the operations, the sweep, and what hosts download."""
    from webcloud.conductor import registry
    from webcloud.hosts import observers
    from webcloud.images import api, dashboard, files, place, reconcile, upload_page
    from webcloud.images.operations import delete_image, import_image

    place.configure(app.extensions["webcloud"].config)
    registry.register(import_image.ImportImage)
    registry.register(delete_image.DeleteImage)
    registry.register_periodic("images.sweep", SWEEP_SECONDS, reconcile.sweep)
    registry.register_periodic("images.drop_copies", SWEEP_SECONDS, reconcile.drop_copies)
    observers.opens_images(files.open_for_host)
    api.register(app)
    app.register_blueprint(dashboard.blueprint)
    app.register_blueprint(upload_page.blueprint)
