"""What fate does: processes die, hosts fall silent, messages are lost, disks fill."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from agents.controller_api import Unreachable
from tests.stateful.base import CHOICE, HOST, Base
from tests.support.stepped_host import SteppedHost, through
from webcloud.conductor import taking
from webcloud.hosts import enrolment, queries
from webcloud.instances import reconcile


class Fate(Base):
    """Mishaps, one at a time."""

    @rule(rounds=st.integers(1, 20))
    def some_work_is_done(self, rounds: int) -> None:
        """Enough, at times, that what was begun has ended and something else can begin."""
        self._count()
        for _ in range(rounds):
            self.world.work()

    @precondition(lambda self: self.world.unfinished())
    @rule()
    def a_worker_dies(self) -> None:
        self._count()
        taking.claim(self.world.cloud.database, "soon dead")

    @rule()
    def leases_end(self) -> None:
        self._count()
        self.world.leases_end()

    @rule(number=HOST)
    def an_agent_is_killed(self, number: int) -> None:
        self._count()
        self.world.hosts[number].kill()

    @rule(number=HOST)
    def a_host_falls_silent(self, number: int) -> None:
        self._count()
        self.world.hosts[number].silent = True

    @rule(number=HOST)
    def a_host_speaks_again(self, number: int) -> None:
        self._count()
        self.world.hosts[number].silent = False

    @precondition(lambda self: any(host.silent for host in self.world.hosts))
    @rule()
    def silence_is_noticed(self) -> None:
        self._count()
        self.world.notice_silence()

    @rule(number=HOST, fault=st.sampled_from(["lost", "unanswered", "twice"]))
    def a_message_suffers(self, number: int, fault: str) -> None:
        self._count()
        host = self.world.hosts[number]
        host.wire = lambda _method, _path, send: _suffer(host, fault, send)

    @rule(number=HOST)
    def a_disk_fills(self, number: int) -> None:
        self._count()
        self.world.full.add(self.world.hosts[number].name)
        self.world.honest_trouble = True

    @rule()
    def disks_have_room_again(self) -> None:
        self._count()
        self.world.full.clear()

    @rule(number=HOST)
    def a_credential_is_revoked_and_the_host_joins_anew(self, number: int) -> None:
        self._count()
        host = self.world.hosts[number]
        with self.world.cloud.database.transaction() as session:
            enrolment.revoke(session, queries.get(session, host.id))
        # What is under way there waits for it; nothing counts as done meanwhile.
        host.silent = True
        self.world.work()
        host.invite()
        host.silent, host.wire = False, through
        for _ in range(2):
            host.round()

    def _harm(self, choice: int, *powers: str) -> tuple[str, Any]:
        candidates = self.world.idle(*powers)
        if not candidates:
            return "", None
        instance_id = candidates[choice % len(candidates)]
        return instance_id, self.world.domain(instance_id)

    @rule(choice=CHOICE, kindly=st.booleans())
    def a_guest_goes_off_by_itself(self, choice: int, kindly: bool) -> None:
        self._count()
        instance_id, domain = self._harm(choice, "running")
        if domain is not None:
            domain.shutdown() if kindly else domain.destroy()
            self.world.instances[instance_id]["power"] = "shutoff"
            self.world.notice()

    @rule(choice=CHOICE)
    def a_domain_is_taken_away(self, choice: int) -> None:
        self._count()
        instance_id, domain = self._harm(choice, "running", "shutoff")
        if domain is not None:
            if domain.isActive():
                domain.destroy()
            domain.undefine()
            self.world.instances[instance_id]["power"] = "absent"
            self.world.notice()

    @rule()
    def hosts_look_at_themselves(self) -> None:
        self._count()
        self.world.survey()

    @rule()
    def what_moves_have_left_is_cleared(self) -> None:
        self._count()
        reconcile.clear_leftovers(self.world.cloud.database)

    @rule()
    def everything_comes_to_rest(self) -> None:
        self._count()
        self.world.drain()


def _suffer(host: SteppedHost, fault: str, send: Any) -> Any:
    """One request suffers, then the wire is whole again."""
    host.wire = through
    if fault == "lost":
        raise Unreachable("lost")
    send()
    if fault == "twice":
        return send()
    raise Unreachable("unanswered")
