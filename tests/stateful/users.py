"""What users do."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.images import corpus
from tests.images.calls import QCOW2
from tests.images.web import Site, serving_site
from tests.stateful.base import ACTIONS, ALLOWED, CHOICE, Base

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGHlDZpEKMxyJVTSEWoK9MiOeEhq9wE2mJ4Ab7QwEpCH mai"


class Users(Base):
    """Instances, images and keys come, change and go."""

    @precondition(lambda self: self._may_create(1))
    @rule()
    def create_one(self) -> None:
        self._count()
        name = self._fresh()
        answer = self._create(name)
        assert answer.status_code == 202, answer.text
        self._accepted([name])

    @precondition(lambda self: self._may_create(3))
    @rule(count=st.integers(2, 3))
    def create_several(self, count: int) -> None:
        self._count()
        name = self._fresh()
        answer = self._create(name, min_count=count, max_count=count)
        assert answer.status_code == 202, answer.text
        self._accepted([f"{name}-{number}" for number in range(1, count + 1)])

    def _act(self, choice: int, action: str) -> None:
        self._count()
        powers = [power for power, allowed in ALLOWED.items() if action in allowed]
        candidates = self.world.idle(*powers)
        if not candidates:
            return
        instance_id = candidates[choice % len(candidates)]
        answer = self.world.compute.post(f"/servers/{instance_id}/action", ACTIONS[action])
        assert answer.status_code == 202, answer.text
        self.world.instances[instance_id]["busy"] = action

    @rule(choice=CHOICE)
    def start(self, choice: int) -> None:
        self._act(choice, "start")

    @rule(choice=CHOICE)
    def stop(self, choice: int) -> None:
        self._act(choice, "stop")

    @rule(choice=CHOICE)
    def reboot_softly(self, choice: int) -> None:
        self._act(choice, "reboot")

    @rule(choice=CHOICE)
    def reboot_hard(self, choice: int) -> None:
        self._act(choice, "hard_reboot")

    @precondition(lambda self: self.world.instances)
    @rule(choice=CHOICE)
    def delete(self, choice: int) -> None:
        self._count()
        ids = sorted(self.world.instances)
        instance_id = ids[choice % len(ids)]
        answer = self.world.compute.call("DELETE", f"/servers/{instance_id}")
        assert answer.status_code == 204, answer.text
        self.world.instances[instance_id].update(deleted=True, busy="delete")

    @precondition(lambda self: self.world.images and len(self.world.images) < 4)
    @rule()
    def upload_an_image(self) -> None:
        self._count()
        self.world.images[self.world.uploads.active(QCOW2)] = "active"

    @precondition(lambda self: len(self.world.images) < 4)
    @rule()
    def import_an_image(self) -> None:
        self._count()
        made = self.world.uploads.create()["id"]
        with serving_site(Site(corpus.Qcow2().build())) as site:
            answer = self.world.uploads.call(
                "POST",
                f"/images/{made}/import",
                json={"method": {"name": "web-download", "uri": site.url()}},
            )
            assert answer.status_code == 202, answer.text
            self.world.images[made] = "active"
            # The site is gone after this rule, so the import ends within it.
            self.world.finish(made)

    @precondition(lambda self: len(self.world.images) > 1)
    @rule(choice=CHOICE)
    def delete_an_image(self, choice: int) -> None:
        self._count()
        unused = sorted(self.world.images)[:-1]
        image_id = unused[choice % len(unused)]
        answer = self.world.uploads.call("DELETE", f"/images/{image_id}")
        assert answer.status_code == 204, answer.text
        del self.world.images[image_id]
        # Who is being created from it may come too late for its bytes.
        if any(each["busy"] == "create" for each in self.world.instances.values()):
            self.world.honest_trouble = True

    @rule(number=st.integers(0, 2))
    def import_a_key(self, number: int) -> None:
        self._count()
        name = f"key{number}"
        body = {"keypair": {"name": name, "public_key": KEY, "type": "ssh"}}
        answer = self.world.compute.post("/os-keypairs", body)
        assert answer.status_code == (409 if name in self.world.keys else 201), answer.text
        self.world.keys.add(name)

    @rule(number=st.integers(0, 2))
    def delete_a_key(self, number: int) -> None:
        self._count()
        name = f"key{number}"
        answer = self.world.compute.call("DELETE", f"/os-keypairs/{name}")
        assert answer.status_code == (204 if name in self.world.keys else 404), answer.text
        self.world.keys.discard(name)
