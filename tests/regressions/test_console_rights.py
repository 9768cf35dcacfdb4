"""A console link must not outlive its maker's rights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.console_site import INSTANCE, PROJECT, USER, prepare
from tests.support.rooms import fresh_database
from webcloud.consoles import service
from webcloud.db import now
from webcloud.identity.callers import Caller
from webcloud.identity.models import Project, RoleAssignment
from webcloud.instances.models import Instance

CALLER = Caller(USER, "ada", PROJECT, "lab", frozenset({"member"}))


def test_sec_S74_a_console_link_ends_with_the_role_it_was_made_by(tmp_path: Path) -> None:
    data = fresh_database(tmp_path)
    prepare(data)
    with data.transaction() as session:
        token = service.open_console(session, CALLER, session.get_one(Instance, INSTANCE), "vnc")
        session.delete(session.get_one(RoleAssignment, (USER, PROJECT, "member")))
        session.add(RoleAssignment(user_id=USER, project_id=PROJECT, role="reader"))
    with pytest.raises(service.TokenRefused) as refused, data.transaction() as session:
        service.redeem(session, token, "vnc", None)
    assert refused.value.reason == "token_session"
    with data.transaction() as session:
        session.add(Project(id="p2", name="operators", created_at=now()))
        session.flush()
        session.add(RoleAssignment(user_id=USER, project_id="p2", role="admin"))
    with data.transaction() as session:
        assert service.redeem(session, token, "vnc", None).instance_id == INSTANCE
