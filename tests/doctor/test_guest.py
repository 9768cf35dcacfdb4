"""The last hop: a guest's console is opened, or why not is said."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from tests.doctor.places import database_of, place, states
from tests.support.console_agent import ConsoleAgent, Guest, greet_and_echo
from tests.support.console_site import add_instance
from tests.support.rooms import add_host
from webcloud.db import new_id
from webcloud.doctor import guest
from webcloud.instances.models import Instance
from webcloud.supervising import programs


def test_a_guest_whose_agent_is_away_fails_at_the_last_hop(tmp_path: Path) -> None:
    config = replace(place(tmp_path), virt="qemu")
    database = database_of(config)
    assert states(guest.console(config)) == ["note"]
    with database.transaction() as session:
        add_instance(session, new_id(), new_id())
        session.execute(update(Instance).values(host_id=add_host(session, "elsewhere").id))
    assert states(guest.console(config)) == ["note"], "another host's agent is not asked here"
    with database.transaction() as session:
        session.execute(update(Instance).values(host_id=_here(session)))
    (found,) = guest.console(config)
    assert found.state == "failing"
    assert "agent_down" in found.words


def _here(session: Session) -> str:
    return add_host(session, programs.host_name()).id


def _silent(guest: socket.socket) -> None:
    guest.recv(1)


def _foreign(guest: socket.socket) -> None:
    guest.sendall(b"SSH-2.0-Other")


@pytest.mark.parametrize(
    ("talk", "state", "words"),
    [
        (greet_and_echo, "ok", "VNC socket answers"),
        (_silent, "failing", "QEMU does not talk"),
        (_foreign, "failing", "is not VNC"),
    ],
)
def test_a_guest_s_console_is_opened_and_its_greeting_read(
    talk: Guest, state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest, "GREETING_SECONDS", 5.0 if talk is not _silent else 0.1)
    config = replace(place(tmp_path), virt="qemu", run_dir=tmp_path)
    instance_id = new_id()
    with database_of(config).transaction() as session:
        add_instance(session, instance_id, new_id())
        session.execute(update(Instance).values(host_id=_here(session)))
    with ConsoleAgent(config.console_socket, talk) as agent:
        (found,) = guest.console(config)
        assert found.state == state
        assert words in found.words
        assert [(asked.instance_id, asked.boot) for asked in agent.asked] == [(instance_id, 3)]
