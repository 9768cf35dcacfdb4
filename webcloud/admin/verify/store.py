"""I8: every active image has its file, every file its image, with the right bytes.

``contents`` reads every byte, so it belongs outside any transaction.  A disk on
its way between hosts lies beside them as long as its move lasts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.admin.verify.problem import Problem
from webcloud.conductor.models import OperationRow
from webcloud.images.models import Image

# Beside the folder of images; see ``Config.transfer_dir``.
TRANSFERS = "transfers"
# States in which a partial file may lie beside the store's finished ones.
UNDER_WAY = ("queued", "saving", "importing")


def check(session: Session, image_dir: Path) -> list[Problem]:
    problems = []
    images = {image.id: image for image in session.scalars(select(Image))}
    files = (
        {path.name: path for path in image_dir.iterdir() if path.is_file()}
        if image_dir.is_dir()
        else {}
    )
    for image in images.values():
        if image.status != "active":
            continue
        path = files.get(image.id)
        if path is None:
            problems.append(Problem("I8", image.id, "is active but has no file"))
        elif path.stat().st_size != image.size:
            problems.append(Problem("I8", image.id, "has a file of the wrong size"))
    for name in sorted(files):
        image_id = name.split(".", 1)[0]
        owner = images.get(image_id)
        if owner is None or (owner.status != "active" and owner.status not in UNDER_WAY):
            problems.append(Problem("I8", name, "is a file that belongs to no image"))
    return problems


def contents(images: Iterable[tuple[str, str]], image_dir: Path) -> list[Problem]:
    """The (id, sha256) of active images against their files; what has gone meanwhile is passed."""
    problems = []
    for image_id, expected in images:
        try:
            with (image_dir / image_id).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            continue
        except OSError:
            problems.append(Problem("I8", image_id, "has a file that cannot be read"))
            continue
        if found != expected:
            problems.append(Problem("I8", image_id, "has a file with other bytes than were stored"))
    return problems


def checksums(session: Session) -> list[tuple[str, str]]:
    """The (id, sha256) of every active image."""
    query = select(Image.id, Image.sha256).where(Image.status == "active")
    return [(image_id, sha256 or "") for image_id, sha256 in session.execute(query)]


def check_transfers(session: Session, image_dir: Path) -> list[Problem]:
    """What lies there of moves that have ended; what begins meanwhile is not judged."""
    folder = image_dir.with_name(TRANSFERS)
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    under_way = set(
        session.scalars(
            select(OperationRow.id).where(
                OperationRow.id.in_(names), OperationRow.finished_at.is_(None)
            )
        )
    )
    return [
        Problem("I8", name, "is a disk on its way of a move that has ended")
        for name in names
        if name not in under_way
    ]
