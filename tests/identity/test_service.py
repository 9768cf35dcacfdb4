"""Users, projects and roles; the first administrator and the last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.support.people import PASSWORD, Person, make_person
from webcloud.audit.models import AuditEntry
from webcloud.db import Database
from webcloud.errors import BadRequest, Conflict, NotFound
from webcloud.identity import bootstrap, passwords, queries, quotas, service
from webcloud.identity.callers import SYSTEM
from webcloud.identity.models import Project, RoleAssignment, User

LAST = "without an administrator"
Deed = Callable[[Session, User, Project], None]

DEEDS: dict[str, Deed] = {
    "disable": lambda s, user, _: service.set_user_enabled(s, SYSTEM, user, False),
    "delete": lambda s, user, _: service.delete_user(s, SYSTEM, user),
    "withdraw": lambda s, user, project: service.withdraw(s, SYSTEM, user, project, "admin"),
    "disable project": lambda s, _, project: service.set_project_enabled(s, SYSTEM, project, False),
    "delete project": lambda s, _, project: service.delete_project(s, SYSTEM, project),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_the_last_administrator_stays(deed: str, admin: Person, database: Database) -> None:
    with database.reading() as session, pytest.raises(Conflict, match=LAST):
        user = queries.user(session, admin.user_id)
        DEEDS[deed](session, user, queries.project(session, admin.project_id))


@pytest.mark.parametrize("deed", DEEDS)
def test_with_another_administrator_each_of_these_is_allowed(
    deed: str, app: Any, admin: Person, database: Database
) -> None:
    make_person(app, "second", "admin", "second")
    with database.transaction() as session:
        user = queries.user(session, admin.user_id)
        DEEDS[deed](session, user, queries.project(session, admin.project_id))


def test_a_disabled_administrator_does_not_count(
    app: Any, admin: Person, database: Database
) -> None:
    second = make_person(app, "second", "admin", "second")
    with database.transaction() as session:
        service.set_user_enabled(session, SYSTEM, queries.user(session, second.user_id), False)
    with database.reading() as session, pytest.raises(Conflict, match=LAST):
        service.delete_user(session, SYSTEM, queries.user(session, admin.user_id))


def test_a_project_that_owns_something_stays(member: Person, database: Database) -> None:
    with database.transaction() as session:
        quotas.claim(session, member.project_id, {"instances": 2})
    with database.reading() as session, pytest.raises(Conflict, match="still owns 2 instances"):
        service.delete_project(session, SYSTEM, queries.project(session, member.project_id))


def test_names_are_used_once(admin: Person, member: Person, database: Database) -> None:
    with database.reading() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        with pytest.raises(Conflict, match="a user called admin"):
            service.create_user(session, SYSTEM, name="admin", password_hash=None)
        with pytest.raises(Conflict, match="a user called admin"):
            service.describe_user(session, SYSTEM, user, name="admin")
        with pytest.raises(Conflict, match="a project called admin"):
            service.create_project(session, SYSTEM, name="admin")
        with pytest.raises(Conflict, match="a project called admin"):
            service.describe_project(session, SYSTEM, project, name="admin")


def test_what_is_described_is_kept_and_the_rest_stays(member: Person, database: Database) -> None:
    with database.transaction() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        service.describe_user(session, SYSTEM, user, name="may", email="may@example.org")
        service.describe_user(session, SYSTEM, user, default_project_id=project.id)
        service.describe_project(session, SYSTEM, project, name="navy")
        service.describe_project(session, SYSTEM, project, description="ships")
    with database.reading() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        assert queries.home_project(session, user) == project
    assert (user.name, user.email) == ("may", "may@example.org")
    assert (project.name, project.description) == ("navy", "ships")


def test_roles_can_be_given_and_taken_twice(member: Person, database: Database) -> None:
    for deed in (service.grant, service.grant, service.withdraw, service.withdraw):
        with database.transaction() as session:
            user = queries.user(session, member.user_id)
            deed(session, SYSTEM, user, queries.project(session, member.project_id), "reader")
    with database.reading() as session:
        entries = session.scalars(
            select(AuditEntry.action).where(AuditEntry.detail["role"].as_string() == "reader")
        ).all()
    assert entries == ["role.grant", "role.withdraw"]


@pytest.mark.parametrize("role", ["owner", "", "Admin"])
def test_an_unknown_role_is_refused(role: str, member: Person, database: Database) -> None:
    with database.reading() as session:
        user = queries.user(session, member.user_id)
        project = queries.project(session, member.project_id)
        for deed in (service.grant, service.withdraw):
            with pytest.raises(BadRequest, match="no role"):
                deed(session, SYSTEM, user, project, role)


def test_what_does_not_exist_is_not_found(app: Any, database: Database) -> None:
    with database.reading() as session:
        for look in (queries.user, queries.project):
            with pytest.raises(NotFound):
                look(session, "no-such")


def test_the_first_administrator_is_made_once(app: Any, database: Database) -> None:
    with database.transaction() as session:
        first = bootstrap.ensure_admin(session, PASSWORD)
        again = bootstrap.ensure_admin(session)
        assert first == again
        assert passwords.matches(first[0].password_hash, PASSWORD)
        assert session.scalars(select(RoleAssignment.role)).all() == ["admin"]
    with database.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    made = ["project.create", "user.create", "role.grant", "user.password"]
    assert actions == made


def test_a_new_password_for_the_administrator_ends_the_old_one(
    app: Any, admin: Person, database: Database
) -> None:
    with database.transaction() as session:
        user, _ = bootstrap.ensure_admin(session, "another password")
    assert passwords.matches(user.password_hash, "another password")
    assert not passwords.matches(user.password_hash, PASSWORD)
    with database.reading() as session, pytest.raises(BadRequest, match="8 to 1024"):
        bootstrap.ensure_admin(session, "short")


@pytest.mark.parametrize("password", ["", " " * 20, "seven77", "x" * 1025, "nul\0nul\0nul"])
def test_an_unusable_new_password_is_refused(password: str) -> None:
    with pytest.raises(BadRequest):
        passwords.check_acceptable(password)


def test_no_hash_and_a_broken_hash_fit_nothing(cheap_hasher: None) -> None:
    assert not passwords.matches(None, PASSWORD)
    assert not passwords.matches("not a hash", PASSWORD)
    assert passwords.matches(passwords.hash_password(PASSWORD), PASSWORD)
    assert passwords.hash_password(PASSWORD).startswith("$argon2id$")
