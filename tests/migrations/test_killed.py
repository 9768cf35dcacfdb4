"""A migration that is killed -9 at any statement is finished by running it again.

Each version is broken off at its first, middle and last statement, forward
and back, on each kind of database; a new version is tried without a new test.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, inspect

from tests.migrations.conftest import every_version
from tests.migrations.rows import fill, rows_of
from webcloud import migrations
from webcloud.db import Database
from webcloud.models import metadata

CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")


class Statements:
    """Counts the statements that change something; kills its process after the one it is told."""

    def __init__(self, kill_after: int = 0) -> None:
        self._kill_after = kill_after
        self.count = 0

    def __enter__(self) -> Statements:
        event.listen(Engine, "after_cursor_execute", self._after)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "after_cursor_execute", self._after)

    def _after(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(CHANGES):
            self.count += 1
            if self.count == self._kill_after:
                os.kill(os.getpid(), signal.SIGKILL)


def killed(work: Callable[[], None], statement: int) -> bool:
    """Do the work in a process that is killed after this statement; False if it ended before."""
    return was_killed(begin(work, statement))


def begin(work: Callable[[], None], statement: int) -> int:
    """The id of the process that does the work."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with Statements(kill_after=statement):
                work()
            status = 0
        finally:
            os._exit(status)
    return child


def was_killed(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def length_of(work: Callable[[], None]) -> int:
    with Statements() as statements:
        work()
    return statements.count


def assert_newest(url: str) -> None:
    database = Database(url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.engine.dispose()


def test_every_version_is_reached_though_killed_on_the_way(empty_url: str) -> None:
    for version in every_version():
        before = migrations.current(empty_url)

        def up(version: str = version) -> None:
            migrations.upgrade(empty_url, version)

        def down(version: str | None = before) -> None:
            migrations.downgrade(empty_url, version or "base")

        steps, back = length_of(up), length_of(down)
        for statement in sorted({1, (steps + 1) // 2, steps}):
            # After the earlier kills less may be left to do than the first time.
            killed(up, statement)
        assert killed(up, 1) or migrations.current(empty_url) == version
        up()
        killed(down, (back + 1) // 2)
        down()
        assert migrations.current(empty_url) == before
        up()
    assert_newest(empty_url)


def test_rows_are_whole_after_a_migration_was_killed_both_ways(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    fill(empty_url)
    last = every_version()[-2]
    before = rows_of(empty_url)
    killed(lambda: migrations.downgrade(empty_url, last), 1)
    migrations.downgrade(empty_url, last)
    killed(lambda: migrations.upgrade(empty_url), 1)
    migrations.upgrade(empty_url)
    assert_newest(empty_url)
    after = rows_of(empty_url)
    for table, rows in after.items():
        assert not rows or len(rows) == len(before[table])


def test_two_programs_that_start_at_once_bring_the_schema_up_once(empty_url: str) -> None:
    children = [begin(lambda: migrations.upgrade(empty_url), statement=10**6) for _ in range(2)]
    assert [was_killed(child) for child in children] == [False, False]
    assert migrations.current(empty_url) == migrations.newest()
    assert_newest(empty_url)


def test_a_table_made_by_somebody_else_is_not_taken_for_ours(empty_url: str) -> None:
    database = Database(empty_url)
    with database.transaction() as session:
        session.connection().exec_driver_sql("CREATE TABLE unrelated (id INTEGER)")
    migrations.upgrade(empty_url)
    assert "unrelated" in inspect(database.engine).get_table_names()
    database.engine.dispose()
