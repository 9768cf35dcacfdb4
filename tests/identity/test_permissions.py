"""The closed table of permissions and its decision."""

from __future__ import annotations

import pytest
from flask import Flask

from webcloud.errors import Forbidden
from webcloud.identity import permissions
from webcloud.identity.callers import SYSTEM, Caller
from webcloud.identity.permissions import PERMISSIONS, Who


def caller(role: str | None, project: str = "p1") -> Caller:
    roles = permissions.expand(frozenset({role} if role else ()))
    return Caller("u1", "mai", project, "blue", roles)


LADDER = {
    None: {Who.PUBLIC, Who.LOGIN},
    "reader": {Who.PUBLIC, Who.LOGIN, Who.READER},
    "member": {Who.PUBLIC, Who.LOGIN, Who.READER, Who.MEMBER},
    "admin": {Who.PUBLIC, Who.LOGIN, Who.READER, Who.MEMBER, Who.ADMIN},
}


@pytest.mark.parametrize("role", LADDER)
@pytest.mark.parametrize("needed", Who)
def test_each_role_includes_the_ones_below_it_and_nothing_above(
    role: str | None, needed: Who
) -> None:
    assert permissions.allows(needed, caller(role)) is (needed in LADDER[role])


@pytest.mark.parametrize("needed", [Who.READER, Who.MEMBER, Who.ADMIN])
def test_roles_count_for_nothing_outside_a_project(needed: Who) -> None:
    assert not permissions.allows(needed, caller("admin", project=""))


def test_the_agents_permission_is_never_a_users() -> None:
    assert not permissions.allows(Who.AGENT, caller("admin"))


def test_an_unknown_role_grants_nothing() -> None:
    assert permissions.expand(frozenset({"owner", "Admin"})) == frozenset()


def test_the_refusal_says_which_role_is_missing() -> None:
    with pytest.raises(Forbidden, match="needs the role member in project blue"):
        permissions.check(Who.MEMBER, caller("reader"))


def test_the_refusal_says_when_there_is_no_project() -> None:
    with pytest.raises(Forbidden, match="not for any project"):
        permissions.check(Who.READER, caller(None, project=""))


def test_who_is_allowed_meets_no_refusal() -> None:
    permissions.check(Who.ADMIN, caller("admin"))


def test_an_unknown_permission_does_not_exist() -> None:
    with pytest.raises(LookupError, match="instances:fly"):
        permissions.who("instances:fly")
    assert permissions.who("instances:write") is Who.MEMBER


def test_the_table_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(TypeError):
        PERMISSIONS["public"] = Who.ADMIN  # type: ignore[index]


def test_only_the_system_and_admins_operate_the_cloud() -> None:
    assert SYSTEM.is_admin
    assert caller("admin").is_admin
    assert not caller("member").is_admin


@pytest.mark.parametrize("declared", [None, "instances:fly"])
def test_sec_S70_an_application_with_an_undeclared_route_does_not_start(
    declared: str | None,
) -> None:
    app = Flask("example")

    def view() -> str:
        return ""

    if declared is not None:
        view.webcloud_permission = declared  # type: ignore[attr-defined]
    app.add_url_rule("/open", "open", view)
    with pytest.raises(LookupError, match="'open' has no known permission"):
        permissions.check_routes(app)


def test_an_application_whose_routes_all_declare_starts() -> None:
    app = Flask("example", static_folder=".")

    def view() -> str:
        return ""

    view.webcloud_permission = "public"  # type: ignore[attr-defined]
    app.add_url_rule("/open", "open", view)
    permissions.check_routes(app)
