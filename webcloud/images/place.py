"""Where this process keeps images and what it allows: set once when the application is built.

Operations run in threads that know no web application, so they ask here.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from webcloud.config import Config
from webcloud.images.download import Limits
from webcloud.images.downloads import Downloads
from webcloud.images.store import ImageStore

GB = 10**9
GIB = 1024**3


@dataclass(frozen=True)
class Place:
    """``limit`` is the largest image in bytes, as a file and as a disk."""

    store: ImageStore
    downloads: Downloads
    limit: int


_current: list[Place] = []


def configure(config: Config) -> Place:
    """Set the place from the settings; an unchanged one keeps its downloads."""
    store = ImageStore(config.image_dir)
    limit = config.image_max_gb * GB
    limits = Limits(limit, allow_private=config.import_allow_private)
    if _current and (_current[0].store.root, _current[0].downloads.limits) == (store.root, limits):
        return _current[0]
    _current[:] = [Place(store, Downloads(store, limits), limit)]
    return _current[0]


def current() -> Place:
    """Raises LookupError before ``configure``."""
    if not _current:
        raise LookupError("the image store is not configured in this process")
    return _current[0]


def whole_gib(size: int) -> int:
    """What an image of ``size`` bytes counts towards the quota ``image_gb``."""
    return -(-size // GIB)


def is_image_id(text: str) -> bool:
    """Whether the text can be an image's id: a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
