"""Why no host can take an instance, in one sentence for users, who know no hosts.

It says what is true of all hosts at once.  When the hosts that suit the
request all lack the same, it says how much there is; when each lacks
something else, that nothing is free together.
"""

from __future__ import annotations

from collections.abc import Sequence

from webcloud.scheduler.filters import ROOM, SUITABLE
from webcloud.scheduler.request import Candidate, Request
from webcloud.words import Said, say


def why_none(request: Request, refused: Sequence[tuple[Candidate, str]]) -> Said:
    """The sentence, from every host with the name of the filter that refused it."""
    if not refused:
        return say("No host has joined this cloud yet.")
    names = {name for _, name in refused}
    room = {each.name for each in ROOM}
    if not names & room:
        last = next(each for each in reversed(SUITABLE) if each.name in names)
        return last.nowhere(request, [host for host, name in refused if name == last.name])
    suitable = [host for host, name in refused if name in room]
    for each in ROOM:
        if all(each.refusal(request, host) for host in suitable):
            return each.nowhere(request, suitable)
    return say("No host has the memory, the vCPUs and the disk of this flavor free together.")
