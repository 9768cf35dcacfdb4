"""F5: what is said between agent and controller is lost, late or said twice.

One after the other a report never arrives, arrives and is not answered, arrives
twice, and the list of commands is lost on either way; with each of these the
agent may be killed.  Each command's effect happens once all the same, because
the journal answers the repeat.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults import mishaps
from tests.faults.cases import every_step
from tests.support.operations import Factory, check, drive
from tests.support.small_cloud import SmallCloud
from webcloud.conductor.operation import Operation


@pytest.mark.parametrize("killed", [False, True], ids=["agent_lives", "agent_killed"])
@every_step
def test_lost_and_repeated_messages_change_nothing(
    operation: type[Operation], factory: Factory, step: str, killed: bool, cloud: SmallCloud
) -> None:
    given = factory(cloud)
    messages = mishaps.Messages(cloud, step, killed=killed)
    row = drive(cloud.database, given, moment=messages.follow)
    effects = Counter(command.id for host in cloud.hosts for command in host.begun)
    assert set(effects.values()) <= {1}, "the journal did not answer a repeat"
    check(cloud, row, given, status="done")
