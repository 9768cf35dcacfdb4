"""Five guests whose hearts beat on their serial ports, while agent and controller are killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import websocket

from tests.support.boot_sector import HEARTBEAT, beat, disk
from tests.support.guest_cloud import GuestCloud, is_active, qemu_pid
from tests.support.guest_console import SerialConsole, VncConsole
from tests.support.stock_api import wait_for

pytestmark = pytest.mark.guests

GUESTS, KILLS = 5, 20


class Watched:
    """Uses an open console again and again on a thread of its own; keeps why it ended."""

    def __init__(self, name: str, use: Callable[[], None]) -> None:
        self.uses = 0
        self.cut = ""
        self._name, self._use = name, use
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._use()
            except (OSError, AssertionError, websocket.WebSocketException) as error:
                self.cut = f"{self._name}: {type(error).__name__}: {error}"
                return
            self.uses += 1


@contextmanager
def watching(watched: list[Watched]) -> Iterator[None]:
    """Every one of these consoles is used while the block runs, and none is cut."""
    try:
        yield
    finally:
        for each in watched:
            each.end()
    assert [each.cut for each in watched if each.cut] == []
    assert all(each.uses > 0 for each in watched)


def beats(cloud: GuestCloud, server_id: str) -> list[int]:
    """What the guest has counted so far, from its serial log."""
    text = (cloud.folder(server_id) / "console.log").read_bytes()
    return [beat(line) for line in text.split(b"\n")[:-1] if len(line) == 4]


def kill_again_and_again(
    cloud: GuestCloud, part: str, victims: list[Callable[[GuestCloud], int]]
) -> None:
    """KILLS times, the victims in turn; each is the process that must be another one after."""
    rng = random.Random(part)
    for number in range(KILLS):
        victim = victims[number % len(victims)]
        old = victim(cloud)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda who=victim, dead=old: who(cloud) != dead, 30, f"no {part} is started")
        # Sometimes while it still starts, sometimes when it is at work.
        time.sleep(rng.uniform(0.1, 0.8))
    cloud.wait_answering(60)


def agent(cloud: GuestCloud) -> int:
    return cloud.pid("agent")


def web_server(cloud: GuestCloud) -> int:
    """The process that starts the controller's worker, which ends with it."""
    return cloud.pid("controller")


def worker(cloud: GuestCloud) -> int:
    """The process that is the controller: dashboard, APIs, conductor."""
    found: list[str] = []

    def has_one() -> bool:
        pid = cloud.pid("controller")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[:] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return bool(found)

    wait_for(has_one, 30, "the web server starts no worker")
    return int(found[0])


def test_no_guest_stops_and_no_console_is_cut_by_twenty_kills_of_each_part(
    cloud: GuestCloud,
) -> None:
    image_id = cloud.api.upload("heartbeat", disk(HEARTBEAT))
    ids = [cloud.api.create(f"heart-{number}", image_id) for number in range(GUESTS)]
    for server_id in ids:
        cloud.api.wait(server_id, "ACTIVE")
    pids = {server_id: qemu_pid(server_id) for server_id in ids}
    with ExitStack() as stack:
        screens = [stack.enter_context(VncConsole(cloud.api, each)) for each in ids]
        drawn = [Watched("screen", lambda s=screen: look(s)) for screen in screens]  # type: ignore[misc]
        with watching(drawn):
            kill_again_and_again(cloud, "agent", [agent])
            wait_for(lambda: answers(cloud, ids[0]), 60, "the agent does not answer")
            wait_for(lambda: are_up(cloud, ids), 60, "the host still counts as silent")
            ports = [stack.enter_context(SerialConsole(cloud.api, each)) for each in ids]
            heard: list[list[int]] = [[] for _ in ports]
            read = [
                Watched("serial", lambda p=port, h=into: listen(p, h))  # type: ignore[misc]
                for port, into in zip(ports, heard, strict=True)
            ]
            with watching(read):
                kill_again_and_again(cloud, "controller", [web_server, worker])
    for numbers in heard:
        # The first line may have begun before we listened.
        assert_unbroken(numbers[1:])
    for server_id in ids:
        assert is_active(server_id)
        assert qemu_pid(server_id) == pids[server_id]
        counted = beats(cloud, server_id)
        assert counted[0] == 0
        assert_unbroken(counted)


def answers(cloud: GuestCloud, server_id: str) -> bool:
    """Whether the agent of today answers a question, as it must to open a console."""
    try:
        return bool(cloud.api.console_log(server_id))
    except AssertionError:
        return False


def are_up(cloud: GuestCloud, ids: list[str]) -> bool:
    return all(cloud.api.show(server_id)["status"] == "ACTIVE" for server_id in ids)


def look(screen: VncConsole) -> None:
    assert screen.picture()
    time.sleep(0.5)


def listen(port: SerialConsole, into: list[int]) -> None:
    into.append(beat(port.read_until(b"\n", 30)))


def assert_unbroken(numbers: list[int]) -> None:
    """Each beat is one more than the one before."""
    assert len(numbers) > 20, f"only {len(numbers)} beats"
    first = numbers[0]
    assert numbers == list(range(first, first + len(numbers)))
