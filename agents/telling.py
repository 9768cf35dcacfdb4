"""Tells the controller about the host and its guests, unasked.

One thread: domain changes at once, all domains and the inventory when they
have changed, which is looked at every 15 s and every minute, after every
reconnection, when the controller could not use the last list yet, and else
every quarter of an hour.  The list of all domains also says which survey of the host
still holds.  What a command does to a domain is told by its report; only what
then is otherwise than reported is told besides.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from agents.channel import Backoff
from agents.compute.states import DomainWatcher
from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.errors import AgentError
from agents.wire.reports import Inventory

log = logging.getLogger(__name__)

SWEEP_SECONDS, INVENTORY_SECONDS = 15.0, 60.0
# What has not changed is told again after so long, should a controller have forgotten it.
REPEAT_SECONDS = 900.0
# Less than this is no change of the room on a disk, in bytes.
ROOM = 256 * 1024**2


class Told:
    """What was delivered last, until that is forgotten or old."""

    def __init__(self) -> None:
        self._content: object = None
        self._until = 0.0
        self.mark = 0

    def is_news(self, content: object) -> bool:
        return content != self._content or time.monotonic() >= self._until

    def delivered(self, content: object, mark: int) -> None:
        """``mark`` is from before it was sent: what was forgotten since is not delivered."""
        if mark == self.mark:
            self._content = content
            self._until = time.monotonic() + REPEAT_SECONDS * secrets.SystemRandom().uniform(0.8, 1)

    def forget(self) -> None:
        """It must be told again, whatever it is."""
        self._content = None
        self.mark += 1


class Teller:
    """``domain_event("")`` asks for a full sweep."""

    def __init__(
        self,
        api: ControllerApi,
        watcher: DomainWatcher,
        inventory: Callable[[], Inventory],
        standing: Callable[[], tuple[str, float]],
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._api = api
        self._watcher = watcher
        self._inventory = inventory
        self._standing = standing
        self._sweep_seconds = sweep_seconds
        self._condition = threading.Condition()
        self._changed: set[str] = set()
        self._held: set[str] = set()
        self._reported: dict[str, str] = {}
        self._sweep_at = 0.0
        self._inventory_at = 0.0
        self._told_states = Told()
        self._told_inventory = Told()
        self._stopped = False

    def domain_event(self, instance_id: str, *, at_work: bool = False) -> None:
        """``at_work``: a command is at it, whose end is told by ``settled``."""
        with self._condition:
            if at_work:
                self._held.add(instance_id)
                return
            if instance_id:
                self._held.discard(instance_id)
                self._changed.add(instance_id)
            else:
                self._sweep_at = 0.0
            self._condition.notify_all()

    def settled(self, instance_id: str, power: str | None) -> None:
        """No command is at the domain any more; ``power`` is what its report has told."""
        with self._condition:
            if instance_id not in self._held:
                return
            self._held.discard(instance_id)
            if power is not None:
                self._reported[instance_id] = power
            self._changed.add(instance_id)
            self._condition.notify_all()

    def inventory_changed(self) -> None:
        with self._condition:
            self._inventory_at = 0.0
            self._condition.notify_all()

    def tell_all(self) -> None:
        """Full states and inventory, now: after a connection was made or came back."""
        with self._condition:
            self._told_states.forget()
            self._told_inventory.forget()
        self.inventory_changed()
        self.domain_event("")

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def run(self) -> None:
        """Until ``stop``; meant for a thread of its own."""
        backoff = Backoff("telling the controller about this host")
        while self._wait():
            try:
                self._tell()
            except (Unreachable, Refused, AgentError, OSError) as error:
                self._pause(backoff.failed(error))
                continue
            backoff.worked()

    def _wait(self) -> bool:
        with self._condition:
            while not self._stopped:
                now = time.monotonic()
                pause = min(self._sweep_at, self._inventory_at) - now
                if self._changed or pause <= 0:
                    return True
                self._condition.wait(pause)
            return False

    def _tell(self) -> None:
        now = time.monotonic()
        with self._condition:
            changed, self._changed = self._changed, set()
            reported, self._reported = self._reported, {}
            sweep, inventory = now >= self._sweep_at, now >= self._inventory_at
            if sweep:
                self._sweep_at = now + self._sweep_seconds
            if inventory:
                self._inventory_at = now + INVENTORY_SECONDS
        try:
            # A host that has not been described yet has no guests to tell of.
            if inventory:
                self._tell_inventory()
            if sweep:
                self._tell_all_domains()
            elif changed:
                some = self._watcher.changed(changed, reported)
                if some is not None:
                    self._told_states.forget()
                    self._api.domains(some)
        except (Unreachable, Refused, AgentError, OSError):
            # What could not be told is told by the next full sweep.
            with self._condition:
                self._told_states.forget()
                self._sweep_at = 0.0
                self._inventory_at = 0.0 if inventory else self._inventory_at
            raise

    def _tell_inventory(self) -> None:
        inventory = self._inventory()
        told = self._told_inventory
        if told.is_news(replace(inventory, disk_free=inventory.disk_free // ROOM)):
            mark = told.mark
            self._api.inventory(inventory)
            told.delivered(replace(inventory, disk_free=inventory.disk_free // ROOM), mark)

    def _tell_all_domains(self) -> None:
        digest, age = self._standing()
        states = replace(self._watcher.full(), survey_digest=digest, survey_age=age)
        told, content = self._told_states, (states.full, states.domains, digest)
        if told.is_news(content):
            mark = told.mark
            if not self._api.domains(states):
                told.delivered(content, mark)

    def _pause(self, seconds: float) -> None:
        with self._condition:
            if not self._stopped:
                self._condition.wait_for(lambda: self._stopped, seconds)
