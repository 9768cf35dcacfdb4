"""What is refused."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.stateful.base import ACTIONS, ALLOWED, CHOICE, Base


class Refusals(Base):
    """Wishes that cannot be, and what they are answered."""

    @precondition(lambda self: self.world.instances)
    @rule(choice=CHOICE, action=st.sampled_from(sorted(ACTIONS)))
    def ask_for_what_is_not_possible(self, choice: int, action: str) -> None:
        self._count()
        refused = [
            key
            for key, each in sorted(self.world.instances.items())
            if each["busy"] or action not in ALLOWED[each["power"]]
        ]
        if refused:
            path = f"/servers/{refused[choice % len(refused)]}/action"
            answer = self.world.compute.post(path, ACTIONS[action])
            # One that has been unwound or done meanwhile is not busy any more.
            assert answer.status_code in (409, 404), answer.text

    @precondition(lambda self: not self._room(1) and self._image() is not None)
    @rule()
    def create_beyond_the_quota(self) -> None:
        self._count()
        answer = self._create(self._fresh())
        assert answer.status_code in (403, 413), answer.text

    @precondition(lambda self: self._may_create(1) and self.world.live())
    @rule()
    def create_with_a_name_that_is_taken(self) -> None:
        self._count()
        name = next(iter(self.world.live().values()))["name"]
        assert self._create(name).status_code == 409

    @rule(field=st.sampled_from(["flavorRef", "imageRef", "networks"]))
    def create_from_what_does_not_exist(self, field: str) -> None:
        self._count()
        nowhere = "3a5d0ea0-0000-4000-8000-000000000000"
        value: Any = [{"uuid": nowhere}] if field == "networks" else nowhere
        answer = self._create(self._fresh(), **{field: value})
        assert 400 <= answer.status_code < 500, answer.text
