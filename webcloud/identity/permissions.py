"""The closed table of permissions: who may do what.

A route names one of these in ``webcloud.web.require``; what is not in the
table does not exist, and ``check_routes`` stops the application from starting
with a route that names none or an unknown one.  There is no "allow by
default", and the decision uses nothing but the caller's rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from flask import Flask

from webcloud.errors import Forbidden
from webcloud.identity.callers import Caller
from webcloud.words import say


class Who(Enum):
    """The kinds of caller a permission can ask for, from anybody to the operator."""

    PUBLIC = "public"  # anybody, logged in or not
    AGENT = "agent"  # a host's agent; webcloud.hosts checks its credential
    LOGIN = "login"  # any authenticated user, in a project or not
    READER = "reader"  # may look at what the project owns
    MEMBER = "member"  # may change what the project owns
    ADMIN = "admin"  # operates the cloud


PERMISSIONS: Mapping[str, Who] = MappingProxyType(
    {
        "public": Who.PUBLIC,
        "agent": Who.AGENT,
        "login": Who.LOGIN,
        "identity:read": Who.LOGIN,
        "identity:admin": Who.ADMIN,
        "credentials:read": Who.LOGIN,
        "credentials:write": Who.MEMBER,
        "instances:read": Who.READER,
        "instances:write": Who.MEMBER,
        "instances:admin": Who.ADMIN,
        "flavors:read": Who.READER,
        "flavors:admin": Who.ADMIN,
        "keypairs:read": Who.READER,
        "keypairs:write": Who.MEMBER,
        "images:read": Who.READER,
        "images:write": Who.MEMBER,
        "images:admin": Who.ADMIN,
        "networks:read": Who.READER,
        "networks:write": Who.MEMBER,
        "networks:admin": Who.ADMIN,
        "hosts:read": Who.ADMIN,
        "hosts:admin": Who.ADMIN,
        "consoles:open": Who.MEMBER,
        "activity:read": Who.READER,
        "activity:write": Who.MEMBER,
        "quotas:read": Who.READER,
        "quotas:admin": Who.ADMIN,
        "admin:read": Who.ADMIN,
        "admin:write": Who.ADMIN,
    }
)

# A role includes the ones below it.
IMPLIED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "admin": frozenset({"admin", "member", "reader"}),
        "member": frozenset({"member", "reader"}),
        "reader": frozenset({"reader"}),
    }
)


def who(permission: str) -> Who:
    """Who has this permission; raises LookupError for a name that does not exist."""
    try:
        return PERMISSIONS[permission]
    except KeyError:
        raise LookupError(f"there is no permission called {permission!r}") from None


def expand(roles: frozenset[str]) -> frozenset[str]:
    """The roles with those they include; an unknown role grants nothing."""
    return frozenset(one for role in roles for one in IMPLIED.get(role, ()))


def allows(needed: Who, caller: Caller) -> bool:
    """Whether this authenticated caller is enough of what is needed."""
    if needed in (Who.PUBLIC, Who.LOGIN):
        return True
    return bool(caller.project_id) and needed.value in caller.roles


def check(needed: Who, caller: Caller) -> None:
    """Raises Forbidden, saying what is missing, unless the caller is allowed."""
    if allows(needed, caller):
        return
    if not caller.project_id:
        raise Forbidden(
            "This login is not for any project.",
            next_step="Log in again and name a project.",
        )
    raise Forbidden(
        say(
            "This needs the role {role} in project {project_name}.",
            role=needed.value,
            project_name=caller.project_name,
        ),
        next_step="Ask an operator of this cloud for the role.",
    )


def check_routes(app: Flask) -> None:
    """Stop the start of an application with a route whose permission is not in the table.

    Flask's own ``static`` is the one exception.  Raises LookupError naming the route.
    """
    for endpoint, view in app.view_functions.items():
        if endpoint == "static":
            continue
        name = getattr(view, "webcloud_permission", None)
        if name not in PERMISSIONS:
            raise LookupError(f"route {endpoint!r} has no known permission, but {name!r}")
