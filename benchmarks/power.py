"""Create, stop, start, hard reboot and delete, against bare libvirt in the same run.

The guest sleeps until its power button is pressed and then ends at once, so
that what is measured is the cloud and libvirt and not an operating system.
A bare guest of the same description takes its turns right after ours.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import libvirt

from benchmarks.bare import BareGuest
from benchmarks.figure import Figure
from tests.support.boot_sector import BUTTON, disk
from tests.support.guest_cloud import GuestCloud
from tests.support.libvirt_daemon import URI
from tests.support.stock_api import StockApi

ROUNDS, POSTS = 5, 20
LOOK_SECONDS = 0.02
# A guest sleeps when it takes less of a processor than this: its firmware takes a whole one,
# and does not hear the power button.
ASLEEP, LOOK_ASLEEP_SECONDS = 0.2, 0.5
ANCHORS = {
    "create": "1,144 ms without a network, 3,170 with",
    "delete": "2,664 ms in all",
    "stop": "2,097 ms in all",
    "start": "1,572 ms in all",
    "hard_reboot": "3,134 ms in all",
}


def measure(cloud: GuestCloud) -> Iterator[Figure]:
    image_id = cloud.api.upload("benchmark", disk(BUTTON))
    ours: dict[str, list[float]] = defaultdict(list)
    bare: dict[str, list[float]] = defaultdict(list)
    _round(cloud, image_id, defaultdict(list), defaultdict(list))  # Fills the host's image cache.
    for _ in range(ROUNDS):
        _round(cloud, image_id, ours, bare)
    alone: dict[str, list[float]] = defaultdict(list)
    while len(ours["post"]) + len(alone["post"]) < POSTS:
        server_id = _create(cloud.api, image_id, alone)
        cloud.api.delete(server_id)
        cloud.api.wait_gone(server_id)
    posts = [seconds * 1000 for seconds in [*ours["post"], *alone["post"]]]
    yield Figure(
        "post_servers",
        "POST /servers answered, median",
        statistics.median(posts),
        "ms",
        40,
        "304 ms",
        detail=f"{len(posts)} requests, {min(posts):.0f} to {max(posts):.0f}",
    )
    for verb, anchor in ANCHORS.items():
        beyond = [(a - b) * 1000 for a, b in zip(ours[verb], bare[verb], strict=True)]
        yield Figure(
            f"{verb}_beyond_bare",
            f"{verb.replace('_', ' ')}, beyond bare libvirt",
            statistics.median(beyond),
            "ms",
            400,
            anchor,
            detail=f"{_median(ours[verb])}, libvirt alone {_median(bare[verb])}",
        )


def _round(
    cloud: GuestCloud, image_id: str, ours: dict[str, list[float]], bare: dict[str, list[float]]
) -> None:
    """Every verb once on ours, and once on a bare guest of the same description.

    Each has the machine to itself, and sleeps when its turn comes.
    """
    api = cloud.api
    server_id = _create(api, image_id, ours)
    copy = BareGuest(cloud.folder(server_id), _xml(server_id))
    try:
        _await_sleep(server_id)
        ours["stop"].append(_until(api, server_id, "os-stop", "SHUTOFF"))
        ours["start"].append(_until(api, server_id, "os-start", "ACTIVE"))
        _await_sleep(server_id)
        ours["hard_reboot"].append(_until(api, server_id, "reboot", "ACTIVE", {"type": "HARD"}))
        _await_sleep(server_id)
        began = time.perf_counter()
        api.delete(server_id)
        _poll(lambda: not api.exists(server_id))
        ours["delete"].append(time.perf_counter() - began)

        bare["create"].append(copy.create())
        copy.destroy()
        copy.define()
        copy.start()
        _await_sleep(copy.id)
        bare["stop"].append(copy.shut_down())
        bare["start"].append(copy.start())
        _await_sleep(copy.id)
        bare["hard_reboot"].append(copy.destroy() + copy.start())
        _await_sleep(copy.id)
        bare["delete"].append(copy.destroy() + copy.undefine())
    finally:
        copy.remove()


def _create(api: StockApi, image_id: str, ours: dict[str, list[float]]) -> str:
    """Notes the answer's time, and the time from the answer to the running domain."""
    flavor = api.flavor("tiny")
    server = {"name": "benchmark", "imageRef": image_id, "flavorRef": flavor, "networks": "auto"}
    began = time.perf_counter()
    created = api.call("POST", "/compute/v2.1/servers", {"server": server}, status=202)
    accepted = time.perf_counter()
    ours["post"].append(accepted - began)
    server_id: str = created["server"]["id"]
    with libvirt.open(URI) as connection:
        _poll(lambda: _runs(connection, server_id))
    ours["create"].append(time.perf_counter() - accepted)
    api.wait(server_id, "ACTIVE")
    return server_id


def _until(
    api: StockApi, server_id: str, action: str, status: str, arguments: object = None
) -> float:
    """Seconds from the request to the status without anything under way."""
    began = time.perf_counter()
    api.act(server_id, action, arguments)

    def reached() -> bool:
        server = api.show(server_id)
        assert server["status"] != "ERROR", api.story(server)
        return server["status"] == status and not server["OS-EXT-STS:task_state"]

    _poll(reached)
    return time.perf_counter() - began


def _poll(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes over a minute"
        time.sleep(LOOK_SECONDS)


def _await_sleep(domain_id: str) -> None:
    with libvirt.open(URI) as connection:
        domain = connection.lookupByUUIDString(domain_id)

        def asleep() -> bool:
            before = domain.info()[4]
            time.sleep(LOOK_ASLEEP_SECONDS)
            return bool(domain.info()[4] - before < ASLEEP * LOOK_ASLEEP_SECONDS * 1e9)

        _poll(asleep)


def _runs(connection: libvirt.virConnect, server_id: str) -> bool:
    # Listing is quiet; looking up a domain that is not there writes to libvirt's log.
    active = libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING
    return any(found.UUIDString() == server_id for found in connection.listAllDomains(active))


def _xml(server_id: str) -> str:
    with libvirt.open(URI) as connection:
        found: str = connection.lookupByUUIDString(server_id).XMLDesc(
            libvirt.VIR_DOMAIN_XML_INACTIVE
        )
    return found


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms"
