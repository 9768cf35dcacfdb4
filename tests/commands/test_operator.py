"""Who acts for whoever owns the machine."""

from __future__ import annotations

import pytest

from webcloud.commands import operator
from webcloud.db import Database
from webcloud.errors import NotFound
from webcloud.identity import queries


def test_the_work_is_that_of_the_user_admin_in_the_project_admin(database: Database) -> None:
    with database.reading() as session:
        caller = operator.caller(session)
        user = queries.user_named(session, "admin")
    assert user is not None
    assert (caller.user_id, caller.user_name, caller.project_name) == (user.id, "admin", "admin")
    assert "admin" in caller.roles


@pytest.mark.parametrize("gone", [queries.user_named, queries.project_named])
def test_before_the_first_start_there_is_nobody_to_act(gone: object, database: Database) -> None:
    with database.transaction() as session:
        row = gone(session, "admin")  # type: ignore[operator]
        row.name = "somebody"
        session.flush()
        with pytest.raises(NotFound) as refused:
            operator.caller(session)
    assert refused.value.next_step == "Start webcloud up once."
