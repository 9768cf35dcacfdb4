"""Runs every check."""

from __future__ import annotations

from pathlib import Path

from webcloud.admin.verify import addresses, hosts, records, store
from webcloud.admin.verify.problem import Problem
from webcloud.db import Database


def run(
    database: Database,
    image_dir: Path | None = None,
    *,
    quick: bool = False,
    survey_timeout: float = 15.0,
) -> list[Problem]:
    """All problems there are. ``image_dir`` None leaves the files of the controller unchecked.

    ``quick`` compares the sizes of images, not all of their bytes.
    """
    checksums = []
    with database.reading() as session:
        problems = records.check(session) + addresses.check(session)
        if image_dir is not None:
            problems += store.check(session, image_dir)
            problems += store.check_transfers(session, image_dir)
            checksums = [] if quick else store.checksums(session)
    if image_dir is not None:
        problems += store.contents(checksums, image_dir)
    return problems + hosts.check(database, survey_timeout)
