"""What operators do."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.stateful.base import CHOICE, HOST, Base
from webcloud.errors import Conflict
from webcloud.hosts import queries, service
from webcloud.instances import draining, moving
from webcloud.instances.models import Instance
from webcloud.instances.operations.move import MoveInstance


class Operators(Base):
    """Quotas and flavors change, hosts close, are drained and open, instances are moved."""

    @rule(quota=st.integers(4, 12))
    def change_the_quota(self, quota: int) -> None:
        self._count()
        self._set_quota(quota)

    @rule(number=st.integers(0, 1))
    def make_or_delete_a_flavor(self, number: int) -> None:
        self._count()
        key = f"odd{number}"
        if key in self.world.flavors:
            answer = self.world.admin.call("DELETE", f"/flavors/{key}")
            self.world.flavors.discard(key)
        else:
            body = {"flavor": {"id": key, "name": key, "ram": 64, "vcpus": 1, "disk": 1}}
            answer = self.world.admin.post("/flavors", body)
            self.world.flavors.add(key)
        assert answer.status_code in (200, 202), answer.text

    @precondition(lambda self: not self.world.closed)
    @rule(number=HOST)
    def close_a_host(self, number: int) -> None:
        self._count()
        self._open(number, False)

    @precondition(lambda self: self.world.closed)
    @rule()
    def open_the_hosts(self) -> None:
        self._count()
        for number in range(2):
            self._open(number, True)

    @precondition(lambda self: not self.world.closed and self.world.live())
    @rule(number=HOST)
    def drain_a_host(self, number: int) -> None:
        self._count()
        self.world.drain()  # What is busy is not moved.
        self._tell(number, draining.begin)
        self.world.closed.add(self.world.hosts[number].name)
        self.world.honest_trouble = True
        self._go_on_draining()

    @precondition(lambda self: self.world.closed)
    @rule()
    def drains_go_on(self) -> None:
        self._count()
        self._go_on_draining()

    def _go_on_draining(self) -> None:
        draining.step(self.world.cloud.database)
        self.world.learn_of(MoveInstance.kind, "move")

    def _tell(self, number: int, deed: Callable[..., object], *what: str) -> None:
        with self.world.cloud.database.transaction() as session:
            host = queries.get(session, self.world.hosts[number].id)
            deed(session, self.world.caller(self.world.operator), host, *what)

    def _open(self, number: int, wanted: bool) -> None:
        name = self.world.hosts[number].name
        if wanted:
            self._tell(number, service.enable)
        else:
            self._tell(number, service.disable, "testing")
        self.world.closed.discard(name) if wanted else self.world.closed.add(name)
        self.world.honest_trouble = self.world.honest_trouble or not wanted

    @precondition(lambda self: self.world.live())
    @rule(choice=CHOICE)
    def move_to_another_host(self, choice: int) -> None:
        self._count()
        if not self.world.idle("running", "shutoff"):
            self.world.drain()
        candidates = self.world.idle("running", "shutoff")
        if not candidates:
            return
        instance_id = candidates[choice % len(candidates)]
        caller = self.world.caller(self.world.operator)
        try:
            with self.world.cloud.database.transaction() as session:
                moving.begin(session, caller, session.get_one(Instance, instance_id))
        except Conflict as refused:
            imageless = self.world.instances[instance_id]["image"] not in self.world.images
            assert self.world.closed or imageless, f"none takes it, though it could: {refused}"
            return
        self.world.instances[instance_id]["busy"] = "move"
