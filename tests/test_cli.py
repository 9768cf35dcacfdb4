"""The command line as a whole: what it knows, and how it tells of errors."""

from __future__ import annotations

import sys

import click
import pytest
from click.testing import CliRunner

from webcloud import cli
from webcloud.errors import NotFound


def raising(error: Exception) -> click.Command:
    @click.command
    def verb() -> None:
        raise error

    return verb


def ended(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Exit code and complaint when a verb raises this."""
    monkeypatch.setattr(cli, "cli", raising(error))
    monkeypatch.setattr(sys, "argv", ["webcloud"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().err


def test_a_verb_that_is_not_one_is_refused_with_the_way_to_the_list() -> None:
    result = CliRunner().invoke(cli.cli, ["frobnicate"])
    assert result.exit_code == 2
    assert "No such command" in result.output
    assert "--help" in result.output


def test_every_verb_is_loaded_when_it_is_asked_for() -> None:
    context = click.Context(cli.cli)
    for verb in cli.cli.list_commands(context):
        command = cli.cli.get_command(context, verb)
        assert command is not None
        assert command.name == verb


def test_an_error_of_ours_is_one_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = NotFound("There is no such user.", next_step="See the list.")
    assert ended(error, monkeypatch, capsys) == (
        1,
        "webcloud: There is no such user. See the list.\n",
    )


def test_a_setting_that_cannot_be_read_is_one_plain_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ValueError("WEBCLOUD_THREADS must be a whole number")
    assert ended(error, monkeypatch, capsys) == (1, f"webcloud: {error}\n")


def test_any_other_error_is_a_defect_and_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="a defect"):
        ended(ValueError("a defect"), monkeypatch, capsys)
