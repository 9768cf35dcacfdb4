"""What all rules share: a world of one run, its images, and how an instance is asked for."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from tests.images.calls import QCOW2
from tests.stateful.world import World
from tests.support.session_libvirtd import Hypervisors

ACTIONS: dict[str, dict[str, Any]] = {
    "start": {"os-start": None},
    "stop": {"os-stop": None},
    "reboot": {"reboot": {"type": "SOFT"}},
    "hard_reboot": {"reboot": {"type": "HARD"}},
}
ALLOWED = {
    "running": {"stop", "reboot", "hard_reboot"},
    "shutoff": {"start"},
    "absent": {"start", "stop", "hard_reboot"},
    "broken": set(),
}
CHOICE = st.integers(0, 999)
HOST = st.integers(0, 1)


class Base(RuleBasedStateMachine):
    """``steps`` counts every rule that was run, over all runs."""

    hypervisors: ClassVar[Hypervisors]
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.hypervisors)
        self.names = 0
        self.world.images[self.world.uploads.active(QCOW2)] = "active"
        self._set_quota(10)

    def teardown(self) -> None:
        try:
            self.world.drain()
        finally:
            self.world.end()

    def _count(self) -> None:
        type(self).steps += 1

    def _set_quota(self, quota: int) -> None:
        body = {"quota_set": {"instances": quota, "force": True}}
        path = f"/os-quota-sets/{self.world.user.project_id}"
        assert self.world.admin.call("PUT", path, body).status_code == 200
        self.world.quota = quota

    def _fresh(self) -> str:
        self.names += 1
        return f"vm{self.names}"

    def _image(self) -> str | None:
        return next((key for key, at in self.world.images.items() if at == "active"), None)

    def _create(self, name: str, **fields: Any) -> Any:
        body = {"name": name, "flavorRef": "1", "imageRef": self._image(), **fields}
        return self.world.compute.post("/servers", {"server": body})

    def _accepted(self, names: list[str]) -> None:
        listed = self.world.compute.get("/servers/detail")["servers"]
        ids = {each["name"]: each["id"] for each in listed}
        for name in names:
            self.world.instances[ids[name]] = {
                "name": name, "power": "absent", "busy": "create", "deleted": False,
                "image": self._image(),
            }  # fmt: skip

    def _room(self, count: int) -> bool:
        # What is being deleted counts until it is gone.
        return len(self.world.instances) + count <= self.world.quota

    def _may_create(self, count: int) -> bool:
        return self._room(count) and self._image() is not None and len(self.world.closed) < 2
