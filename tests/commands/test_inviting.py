"""What ``webcloud host add`` prints, and to which addresses it invites nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.commands.test_host import database
from webcloud.commands import inviting
from webcloud.commands.host import command
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import BadRequest, Conflict
from webcloud.hosts import enrolment

__all__ = ["database"]


def config(**settings: str) -> Config:
    return Config(**settings).with_defaults_filled()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"listen": "0.0.0.0:8774"},
        {"listen": "[::]:8774"},
        {"listen": "[::1]:8774"},
        {"public_url": "http://localhost:8774"},
    ],
)
def test_an_address_that_only_this_machine_reaches_is_refused_with_what_to_do(
    settings: dict[str, str],
) -> None:
    with pytest.raises(Conflict, match="do not reach") as refused:
        inviting.address(config(**settings), None)
    assert "--listen" in (refused.value.next_step or "")
    assert "WEBCLOUD_PUBLIC_URL" in (refused.value.next_step or "")


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({"listen": "10.0.0.1:8774"}, None, "http://10.0.0.1:8774"),
        ({"public_url": "https://cloud.example/"}, None, "https://cloud.example"),
        ({}, "http://10.0.0.2:8774/", "http://10.0.0.2:8774"),
        ({}, "http://127.0.0.1:8774", "http://127.0.0.1:8774"),
    ],
)
def test_an_address_that_others_reach_is_taken(
    settings: dict[str, str], given: str | None, expected: str
) -> None:
    assert inviting.address(config(**settings), given) == expected


@pytest.mark.parametrize(
    "given",
    ["cloud", "ftp://cloud", "http://cloud/path", "http://u@cloud", "http://c:x", "http://[c"],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(BadRequest):
        inviting.address(config(), given)


def test_the_token_is_in_no_argument_and_the_rest_is_quoted() -> None:
    printed = inviting.command("http://c;reboot", "secret")
    first, *rest = printed.splitlines()
    assert "secret" not in first
    assert "'http://c;reboot'" in first
    assert rest == ["secret", "TOKEN"]


@pytest.mark.parametrize(("address", "words"), [("https://c", "--ca-file"), ("http://c", "https")])
def test_how_far_the_way_can_be_trusted_is_said(address: str, words: str) -> None:
    assert words in inviting.explanation(address, "n2")


def test_the_printed_token_enrols_that_host(tmp_path: Path, database: Database) -> None:
    arguments = ["add", "n2", "--controller", "http://10.0.0.1:8774", "--state", str(tmp_path)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    token = done.stdout.splitlines()[1]
    with database.transaction() as session:
        machine = "99999999-9999-4999-8999-999999999999"
        assert enrolment.join(session, token, machine, 2)[0].name == "n2"


def test_a_cloud_on_loopback_makes_no_token(tmp_path: Path, database: Database) -> None:
    done = CliRunner().invoke(command, ["add", "n2", "--state", str(tmp_path)])
    assert done.exit_code == 1
    assert "do not reach" in str(done.exception)
