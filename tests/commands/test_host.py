"""``webcloud host`` on a database of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.hosts.test_service import put_instance
from tests.support import schemas
from tests.support.rooms import add_host
from webcloud.commands.host import command
from webcloud.config import Config
from webcloud.db import Database, now
from webcloud.errors import NotFound
from webcloud.hosts import queries


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An installation in ``tmp_path`` that has never been started."""
    file = Config(state_dir=tmp_path).database_file
    file.parent.mkdir(parents=True)
    url = schemas.chosen.with_tables(file)
    if schemas.chosen.kind != "sqlite":
        monkeypatch.setenv("WEBCLOUD_DATABASE_URL", url)
    return Database(url)


def host(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--state", str(tmp_path)])


def test_without_hosts_the_list_says_how_to_enrol_one(tmp_path: Path, database: Database) -> None:
    assert "Enrol one with" in host(tmp_path, "list").output


def test_hosts_are_listed_with_when_they_were_heard(tmp_path: Path, database: Database) -> None:
    with database.transaction() as session:
        add_host(session, "n1")
        add_host(session, "n2", last_seen_at=None)
        add_host(session, "n3", last_seen_at=now() - timedelta(minutes=2))
        add_host(session, "n4", enabled=False, disabled_reason="new disks")
    lines = host(tmp_path, "list").output.splitlines()
    assert re.search(r"up, seen [0-9] s ago", lines[0])
    assert "never seen" in lines[1]
    assert "SILENT, seen 120 s ago" in lines[2]
    assert lines[3].endswith("disabled: new disks")


def test_a_lost_host_is_given_up_only_when_that_is_confirmed(
    tmp_path: Path, database: Database
) -> None:
    with database.transaction() as session:
        host_id = add_host(session, "n1", last_seen_at=now() - timedelta(hours=1)).id
    assert host(tmp_path, "give-up", "n1").exit_code == 1
    with database.reading() as session:
        assert not queries.get(session, host_id).given_up
    done = host(tmp_path, "give-up", "n1", "--yes")
    assert "was given up" in done.output
    with database.reading() as session:
        assert queries.get(session, host_id).given_up


def test_giving_up_an_unknown_host_says_where_to_look(tmp_path: Path, database: Database) -> None:
    done = host(tmp_path, "give-up", "n9", "--yes")
    assert done.exit_code != 0
    assert "n9" in f"{done.output}{done.exception}"


def test_a_host_is_closed_shown_opened_and_removed(tmp_path: Path, database: Database) -> None:
    with database.transaction() as session:
        host_id = add_host(session, "n1", versions={"kernel": "6.18"}, address="10.0.0.7").id
    assert "takes no new" in host(tmp_path, "disable", "n1", "--reason", "new disks").output
    shown = host(tmp_path, "show", "n1").output
    for words in (host_id, "kernel 6.18", "calls from 10.0.0.7", "Closed for new instances"):
        assert words in shown
    assert "command line" in shown
    assert "takes new" in host(tmp_path, "enable", "n1").output
    assert "was removed" in host(tmp_path, "remove", "n1").output
    assert "No host is enrolled" in host(tmp_path, "list").output


@pytest.mark.parametrize("verb", ["show", "enable", "disable", "remove"])
def test_a_verb_on_an_unknown_host_says_where_to_look(
    verb: str, tmp_path: Path, database: Database
) -> None:
    done = host(tmp_path, verb, "n9")
    assert done.exit_code == 1
    assert "n9" in str(done.exception)


def test_a_host_gets_ratios_of_its_own_and_gives_them_back(
    tmp_path: Path, database: Database
) -> None:
    with database.transaction() as session:
        add_host(session, "n1")
    told = host(tmp_path, "ratios", "n1", "--cpu", "4", "--disk", "0.9")
    assert told.output == "n1: cpu 4, memory 1, disk 0.9\n"
    with database.reading() as session:
        (row,) = queries.list_hosts(session)
        assert (row.cpu_ratio, row.memory_ratio, row.disk_ratio) == (4.0, None, 0.9)
    assert host(tmp_path, "ratios", "n1").output == "n1: cpu 16, memory 1, disk 1\n"
    assert isinstance(host(tmp_path, "ratios", "n2").exception, NotFound)


def test_a_host_in_use_is_not_removed_by_a_process_of_its_own(
    tmp_path: Path, database: Database
) -> None:
    with database.transaction() as session:
        put_instance(session, add_host(session, "n1").id)
    argv = [sys.executable, "-P", "-m", "webcloud", "host", "remove", "n1"]
    done = subprocess.run(
        [*argv, "--state", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "1 instances" in done.stderr


def test_a_drain_says_what_it_would_do_before_it_does_it(
    tmp_path: Path, database: Database
) -> None:
    with database.transaction() as session:
        host_id = add_host(session, "n1").id
        put_instance(session, host_id)
    told = host(tmp_path, "drain", "n1", "--dry-run")
    assert told.output.startswith("db1  stays: ")
    assert host(tmp_path, "drain", "n1").exit_code == 1, "nobody has confirmed it"
    with database.reading() as session:
        assert queries.get(session, host_id).enabled
    assert "is being drained" in host(tmp_path, "drain", "n1", "--yes").output
    with database.reading() as session:
        assert queries.get(session, host_id).draining_since is not None
    assert "stays closed" in host(tmp_path, "drain", "n1", "--cancel").output
    with database.reading() as session:
        row = queries.get(session, host_id)
        assert (row.draining_since, row.enabled) == (None, False)
