"""How an image is deleted: hosts drop their copies, then the bytes and the quota go.

The image is out of everybody's sight from the request on.  A host that is
away is not waited for: its own cache forgets what nobody uses.
"""

from __future__ import annotations

from agents.wire.commands import EnsureImageAbsent
from webcloud.conductor.operation import Done, Operation, Run, Step, Wait
from webcloud.hosts import commands, presence
from webcloud.hosts import queries as hosts
from webcloud.identity import quotas
from webcloud.images import place
from webcloud.images.models import Image
from webcloud.live import publish
from webcloud.words import mark

FORWARD_ONLY = "Deleting only ever goes on; it is never taken back."
PATIENCE_SECONDS = 30


def drop_caches(run: Run) -> Done | Wait:
    """Ask every host that is there; what one cannot do at once, its cache does by use."""
    started = run.operation.created_at
    if (run.now - started).total_seconds() > PATIENCE_SECONDS:
        commands.withdraw(run.session, run.operation)
        return Done()
    waiting: Wait | None = None
    for host in hosts.list_hosts(run.session):
        if not presence.is_alive(host) or run.subject_id not in host.cached_images:
            continue
        outcome = commands.ask(
            run, host.id, EnsureImageAbsent(run.subject_id), part=f"host-{host.id}"
        )
        if isinstance(outcome, Wait):
            waiting = outcome
    return waiting or Done()


def remove(run: Run) -> Done | Wait:
    """Remove the files, give the quota back, close the row."""
    here = place.current()
    if not here.downloads.stopped(run.subject_id):
        return Wait(0.2, mark("stopping the download"))
    image = run.session.get_one(Image, run.subject_id)
    here.store.delete(image.id)
    if image.status != "deleted":
        used = place.whole_gib(image.size or 0) if image.status == "active" else 0
        quotas.release(run.session, image.project_id, {"images": 1, "image_gb": used})
        image.status, image.stage, image.updated_at = "deleted", "", run.now
        image.deleted_at = image.deleted_at or run.now
    return Done()


class DeleteImage(Operation):
    """Remove an image and every copy of it."""

    kind = "image.delete"
    subject_type = "image"
    words = mark("Delete image")
    deadline_seconds = 300
    forward_only = True
    steps = (
        Step("drop_caches", mark("Removing the hosts' copies"), drop_caches, no_undo=FORWARD_ONLY),
        Step("remove", mark("Removing the image"), remove, no_undo=FORWARD_ONLY),
    )

    @staticmethod
    def finished(run: Run) -> None:
        image = run.session.get_one(Image, run.subject_id)
        publish.changed(run.session, "image", image.id, image.project_id)
