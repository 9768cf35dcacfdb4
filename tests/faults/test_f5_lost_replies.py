"""F5: what is said between agent and controller is lost, late or said twice.

One after the other a report never arrives, arrives and is not answered, arrives
twice, and the list of commands is lost on either way; with each of these the
agent may be killed.  Each command's effect happens once all the same, because
the journal answers the repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from agents.controller_api import Unreachable
from tests.faults.cases import every_step
from tests.support.operations import Factory, check, drive
from tests.support.small_cloud import SmallCloud
from tests.support.stepped_host import Answer, SteppedHost, Wire
from webcloud.conductor.leases import Lease
from webcloud.conductor.models import OperationRow
from webcloud.conductor.operation import Operation

Send = Callable[[], Answer]
Change = Callable[[Send], Answer]
COMMANDS, REPORTS = "/agents/v1/commands", "/agents/v1/reports"


def lose_answer(send: Send) -> Answer:
    send()
    raise Unreachable("the answer was lost")


def lose_request(_send: Send) -> Answer:
    raise Unreachable("the request was lost")


def send_twice(send: Send) -> Answer:
    send()
    return send()


EVERY = [
    (REPORTS, lose_request),
    (REPORTS, lose_answer),
    (REPORTS, send_twice),
    (COMMANDS, lose_request),
    (COMMANDS, lose_answer),
]


@pytest.mark.parametrize("killed", [False, True], ids=["agent_lives", "agent_killed"])
@every_step
def test_lost_and_repeated_messages_change_nothing(
    operation: type[Operation], factory: Factory, step: str, killed: bool, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    left: dict[tuple[str, str], list[Change]] = {}
    standing = [""]

    def faulty(host: SteppedHost) -> Wire:
        for path, change in EVERY:
            left.setdefault((host.name, path), []).append(change)

        def wire(_method: str, path: str, send: Send) -> Answer:
            faults = left.get((host.name, path), [])
            if standing[0] != step or not faults:
                return send()
            if killed:
                host.kill()
            return faults.pop(0)(send)

        return wire

    def follow(row: OperationRow, _lease: Lease | None) -> None:
        standing[0] = row.step if row.finished_at is None else ""

    for host in cloud.hosts:
        host.wire = faulty(host)
    row = drive(cloud.database, given, moment=follow)
    effects = Counter(command.id for host in cloud.hosts for command in host.begun)
    assert set(effects.values()) <= {1}, "the journal did not answer a repeat"
    check(cloud, row, given, status="done")
