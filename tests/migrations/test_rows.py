"""What users have stored survives going back a version and forward again, where it can.

A table or a column that the older version does not know is lost on the way
back; everything that both versions know is there afterwards as it was.
"""

from __future__ import annotations

from tests.migrations.conftest import every_version
from tests.migrations.rows import Rows, fill, rows_of
from webcloud import migrations


def assert_kept(before: Rows, after: Rows) -> None:
    """Each table and column that both know has the same rows."""
    for table in before.keys() & after.keys():
        if not after[table]:
            assert not before[table], f"{table} has lost its rows"
            continue
        common = before[table][0].keys() & after[table][0].keys() if before[table] else set()
        for old, new in zip(before[table], after[table], strict=True):
            for column in common:
                assert new[column] == old[column], f"{table}.{column}"


def test_every_table_can_be_given_a_row(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    fill(empty_url)
    assert all(len(rows) == 1 for rows in rows_of(empty_url).values())


def test_rows_survive_every_version_back_and_forward_twice(empty_url: str) -> None:
    migrations.upgrade(empty_url)
    fill(empty_url)
    versions = every_version()
    for older in [*versions[:-1][::-1], "base"]:
        rows, newer = rows_of(empty_url), migrations.current(empty_url)
        migrations.downgrade(empty_url, older)
        kept = rows_of(empty_url)
        assert_kept(rows, kept)
        migrations.upgrade(empty_url, newer or "head")
        assert_kept(kept, rows_of(empty_url))
        migrations.downgrade(empty_url, older)
    assert rows_of(empty_url) == {}
    migrations.upgrade(empty_url)
    assert migrations.current(empty_url) == migrations.newest()
