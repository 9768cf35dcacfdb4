"""The conductor's threads: they take due operations and carry them on.

``Conductor`` starts the workers, the watchdog and the periodic work.  An
accepted operation begins within milliseconds, because accepting rings a bell
in this process, by the operation's name; work accepted elsewhere is found by
looking once a second, which one thread does for all.
A worker keeps an operation while its steps end, and gives it back when one
waits.  An error in the loop itself, such as a database that is away, is
logged and tried again: a worker thread never ends by an error.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from webcloud.conductor import leases, registry, retention, signals, steps, taking
from webcloud.conductor.clocks import ClockWatch
from webcloud.conductor.leases import Lease
from webcloud.conductor.periodic import PeriodicRunner
from webcloud.conductor.watchdog import SECONDS as WATCHDOG_SECONDS
from webcloud.conductor.watchdog import Watchdog, exit_process
from webcloud.conductor.window import Window
from webcloud.db import Database, now

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0


class Conductor:
    """Carries out the operations of one database with ``workers`` threads."""

    def __init__(
        self,
        database: Database,
        workers: int = 4,
        *,
        lease_seconds: float = leases.SECONDS,
        watchdog_seconds: float = WATCHDOG_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        on_overrun: Callable[[], None] = exit_process,
    ) -> None:
        if watchdog_seconds >= lease_seconds:
            raise ValueError("the watchdog must act before a lease ends")
        self._database = database
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._name = f"{socket.gethostname()[:40]}:{os.getpid()}"
        self._bell = threading.Condition()
        # Operations that are due, oldest first; what is lost of it is found by looking.
        self._ready: OrderedDict[str, None] = OrderedDict()
        self._look_at = 0.0  # on the monotonic clock
        self._window = Window()
        self._woken_at = math.inf  # When the one that waits for the time to look ends waiting.
        self._at_work: set[str] = set()  # Operations that a thread here asks for or has.
        self._stopping = threading.Event()
        self._watchdog = Watchdog(watchdog_seconds, on_overrun)
        self._periodic = PeriodicRunner(database)
        self._clock = ClockWatch(database)
        self._threads = [
            threading.Thread(
                target=self._work, args=(f"{self._name}:{number}",), name=f"conductor-{number}"
            )
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.daemon = True

    def start(self) -> None:
        """Begin; once per object."""
        signals.on_accepted(self.ring)
        registry.register_periodic("conductor.retention", retention.EVERY_SECONDS, retention.sweep)
        self._clock.start()
        self._watchdog.start()
        self._periodic.start()
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Finish the steps being run, give the rest back, and end the threads.

        What takes longer is left to the daemon threads and, when the process
        ends, to whoever takes over after the lease.
        """
        until = time.monotonic() + seconds
        signals.forget(self.ring)
        self._stopping.set()
        with self._bell:
            self._bell.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._periodic.stop(until)
        self._watchdog.stop()
        self._clock.stop()

    def works(self) -> bool:
        """Whether every worker's thread is alive."""
        return all(thread.is_alive() for thread in self._threads)

    def ring(self, operation_id: str = "") -> None:
        """This operation is due; without an id, look for what is due now."""
        with self._bell:
            if operation_id:
                self._ready[operation_id] = None
            else:
                self._look_at = 0.0
            self._bell.notify()

    def hint(self, name: str) -> None:
        """Run the reconciler of this name soon."""
        self._periodic.hint(name)

    def _work(self, worker: str) -> None:
        while not self._stopping.is_set():
            try:
                self._carry_next(worker)
            except Exception:
                log.exception("worker %s cannot work; it tries again", worker)
                self._stopping.wait(self._poll_seconds)

    def _carry_next(self, worker: str) -> None:
        """Wait for an operation that is due and carry it on, or look for some that are."""
        operation_id = self._await_ready()
        if operation_id is None:
            if not self._stopping.is_set():
                self._look()
            return
        known = operation_id in self._at_work
        self._at_work.add(operation_id)
        try:
            lease = taking.claim(
                self._database, worker, self._lease_seconds, operation_id, early=False
            )
            if not known:
                self._window.note(gained=lease is not None)
            if lease is not None:
                self._carry(lease)
        finally:
            if not known:
                self._at_work.discard(operation_id)
        if lease is not None and lease.again_at is not None:
            with self._bell:
                self._look_by(lease.again_at)

    def _await_ready(self) -> str | None:
        """The id of an operation that is due, or None when it is this thread's turn to look."""
        with self._bell:
            while not self._stopping.is_set():
                if self._ready:
                    found = self._ready.popitem(last=False)[0]
                    if self._look_at < self._woken_at:
                        # Another one is to wait for that time.
                        self._bell.notify()
                    return found
                if self._look_at <= time.monotonic():
                    # Only this thread looks; if it fails, another does a moment later.
                    self._look_at = time.monotonic() + self._poll_seconds
                    return None
                self._wait()
            return None

    def _wait(self) -> None:
        """Until the bell rings; one thread waits no longer than until it is time to look."""
        until = self._look_at
        if until >= self._woken_at:
            self._bell.wait()
            return
        self._woken_at = until
        self._bell.wait(max(0.0, until - time.monotonic()))
        if self._woken_at == until:
            self._woken_at = math.inf

    def _look(self) -> None:
        """Find what is due, and when to look again: for all threads of this process."""
        size = self._window.size
        found = taking.due(self._database, size)
        moment = now()
        waiting = [run_at for _, run_at in found if run_at > moment]
        due = [operation_id for operation_id, run_at in found if run_at <= moment]
        ready = [operation_id for operation_id in due if operation_id not in self._at_work]
        picked = self._window.pick(ready)
        with self._bell:
            self._ready.update(dict.fromkeys(picked))
            if picked and (len(picked) < len(ready) or len(due) == size):
                self._look_at = 0.0
            elif waiting:
                self._look_by(waiting[0])
            self._bell.notify(len(picked))

    def _look_by(self, moment: datetime) -> None:
        left = max(0.0, (moment - now()).total_seconds())
        self._look_at = min(self._look_at, time.monotonic() + left)

    def _carry(self, lease: Lease) -> None:
        self._watchdog.watch(lease)
        try:
            while steps.execute(self._database, lease):
                if self._stopping.is_set():
                    taking.hand_back(self._database, lease)
                    return
        finally:
            self._watchdog.forget(lease)
