"""Which versions of the agents' contract this controller speaks, and to whom.

It speaks its own and the one before, so that the controller is updated first
and the agents one by one.  An agent of another version is refused with words
that say what to update; one of the version before is never sent what it does
not know (see ``agents.wire.since``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from agents.wire import OLDEST_VERSION, WIRE_VERSION, codec
from agents.wire.commands import Batch, knows, verb_of
from webcloud.errors import Unavailable
from webcloud.hosts.models import Host
from webcloud.words import mark, say

UPDATE_AGENT = mark("Update the agent on that host.")
UPDATE_CONTROLLER = mark("Update the controller first, then the agents.")


class AgentTooOld(Unavailable):
    """The host's agent does not know what it would have to do."""

    code = "agent_too_old"


class AgentTooNew(Unavailable):
    """The host's agent speaks a version of the contract that this controller does not know."""

    code = "agent_too_new"


def problem(name: str, wire_version: int) -> Unavailable | None:
    """Why an agent of this version cannot be spoken with, or None when it can."""
    if wire_version < OLDEST_VERSION:
        return AgentTooOld(
            say("The agent on host {name} is too old for this controller.", name=name),
            next_step=UPDATE_AGENT,
        )
    if wire_version > WIRE_VERSION:
        return AgentTooNew(
            say("The agent on host {name} is newer than this controller.", name=name),
            next_step=UPDATE_CONTROLLER,
        )
    return None


def no_problem() -> ColumnElement[bool]:
    """``problem_of`` being None, as a condition on rows of hosts."""
    return Host.wire_version.between(OLDEST_VERSION, WIRE_VERSION)


def problem_of(host: Host) -> Unavailable | None:
    """The same for a host as it described itself last."""
    return problem(host.name, host.wire_version)


def spoken(host: Host) -> int:
    """The version to write in for this host: its own, if that is one of ours."""
    return min(max(host.wire_version, OLDEST_VERSION), WIRE_VERSION)


def encoded(host: Host, payload: Any) -> dict[str, Any]:
    """The payload as the host's agent reads it. Raises AgentTooOld."""
    version = spoken(host)
    try:
        if knows(version, verb_of(payload)):
            return codec.encode(payload, version)
    except codec.TooNew as error:
        raise _cannot(host) from error
    raise _cannot(host)


def takes_batches(host: Host) -> bool:
    """Whether the host's agent can be given several commands in one."""
    return knows(spoken(host), verb_of(Batch(())))


def _cannot(host: Host) -> AgentTooOld:
    return AgentTooOld(
        say("The agent on host {name} is of an older version and cannot do this.", name=host.name),
        next_step=UPDATE_AGENT,
    )
