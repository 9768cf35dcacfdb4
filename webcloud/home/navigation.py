"""The rail: pages grouped by the reason people come, only those that exist and are allowed.

A page exists when its endpoint is registered, and is shown when the caller
has the permission which that route declares; nothing is listed twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, g, request, url_for
from flask_babel import gettext

from webcloud.frontend import sessions
from webcloud.identity import permissions
from webcloud.identity import queries as identity
from webcloud.identity.callers import Caller
from webcloud.identity.models import Project
from webcloud.version import __version__
from webcloud.words import mark

# group -> (endpoint, words, icon)
GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        mark("Compute"),
        (
            ("instances_pages.index", mark("Instances"), "server"),
            ("images_pages.index", mark("Images"), "photo"),
            ("key_pairs_pages.index", mark("Key pairs"), "key"),
            ("groups_pages.index", mark("Server groups"), "components"),
        ),
    ),
    (mark("Network"), (("networks_pages.index", mark("Networks"), "network"),)),
    (mark("Project"), (("activity_pages.index", mark("Activity"), "activity"),)),
    (
        mark("Cloud"),
        (
            ("hosts_pages.index", mark("Hosts"), "server-2"),
            ("aggregates_pages.index", mark("Aggregates"), "box"),
            ("flavors_pages.index", mark("Flavors"), "ruler-measure"),
            ("health_pages.index", mark("Health"), "heartbeat"),
        ),
    ),
)


@dataclass(frozen=True)
class Page:
    """One entry of the rail, in the reader's language."""

    words: str
    icon: str
    href: str
    current: bool


@dataclass(frozen=True)
class Group:
    words: str
    pages: list[Page]


def navigation() -> list[Group]:
    """The groups with at least one page for this caller."""
    caller: Caller | None = g.get("caller")
    if caller is None:
        return []
    groups = []
    for words, entries in GROUPS:
        pages = [_page(*entry) for entry in entries if _offered(entry[0], caller)]
        if pages:
            groups.append(Group(gettext(words), pages))
    return groups


def frame() -> dict[str, Any]:
    """What the templates of every page may use."""
    return {
        "caller": g.get("caller"),
        "navigation": navigation,
        "my_projects": my_projects,
        "here": here,
        "version": __version__,
        "may": may,
    }


def my_projects() -> list[Project]:
    """The projects the caller can switch to; none on a page without a session."""
    caller: Caller | None = g.get("caller")
    if caller is None:
        return []
    user_id = caller.user_id
    return sessions.read(lambda session: list(identity.projects_of(session, user_id)), [])


def here() -> str:
    """This page's address, to come back to after a form of the frame."""
    return request.full_path.rstrip("?") if request.method == "GET" else "/"


def may(permission: str) -> bool:
    """Whether the caller has a permission; a button that cannot work is not shown."""
    caller: Caller | None = g.get("caller")
    return caller is not None and permissions.allows(permissions.who(permission), caller)


def _offered(endpoint: str, caller: Caller) -> bool:
    view = current_app.view_functions.get(endpoint)
    if view is None:
        return False
    return permissions.allows(permissions.who(getattr(view, "webcloud_permission", "")), caller)


def _page(endpoint: str, words: str, icon: str) -> Page:
    same = (request.blueprint or "").split("_")[0] == endpoint.split("_", maxsplit=1)[0]
    return Page(gettext(words), icon, url_for(endpoint), same)
