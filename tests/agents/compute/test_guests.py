"""Real guests on QEMU, from the command over the channel to the byte on the console."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import stat
import subprocess
import time
import uuid
from pathlib import Path

import libvirt
import pytest

from agents.compute.console_log import LIMIT
from agents.wire.codec import decode, encode
from agents.wire.commands import (
    Domain,
    EnsureConfigDrive,
    EnsureDisk,
    EnsureDiskAbsent,
    EnsureDomainAbsent,
    EnsureImage,
    EnsureRunning,
    EnsureStopped,
    ReadConsoleLog,
    Survey,
)
from agents.wire.consoles import ConsoleOpened, OpenConsole
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost
from tests.support.boot_sector import ECHO, FLOOD, GREETING, disk

pytestmark = pytest.mark.guests


class Bench:
    """One instance on a real host, driven by commands alone."""

    def __init__(self, controller: AgentController, host: AgentHost) -> None:
        self.controller = controller
        self.host = host
        self.id = str(uuid.uuid4())
        self.generation = 0

    def do(self, payload: object, seconds: float = 30) -> dict[str, object]:
        self.generation += 1
        report = self.controller.do(payload, self.id, self.generation, seconds)
        assert report.status == "done", report
        return report.result

    def files(self, sector: bytes) -> None:
        image_id, content = str(uuid.uuid4()), disk(sector)
        self.controller.images[image_id] = content
        digest = hashlib.sha256(content).hexdigest()
        self.controller.do(EnsureImage(image_id, digest, len(content), "raw"), image_id)
        self.do(EnsureDisk(self.id, image_id, "raw", 1 << 24))
        self.do(EnsureConfigDrive(self.id, {"openstack/latest/x": base64.b64encode(b"x").decode()}))
        self.image_id = image_id

    def domain(self, boot: int = 1, graphics: tuple[str, ...] = ("vnc",)) -> Domain:
        return Domain(
            self.id, "a <guest> & more", str(uuid.uuid4()), 1, 64, boot,
            disk_format="raw", image_id=self.image_id, graphics=graphics,
        )  # fmt: skip

    def power(self, wanted: str, seconds: float = 5) -> None:
        self.controller.wait_for(lambda: self.controller.power_of(self.id) == wanted, seconds)

    def ask(self, kind: str, boot: int = 1) -> tuple[ConsoleOpened, socket.socket | None]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            asking.connect(str(self.host.config.console_socket))
            request = encode(OpenConsole(self.id, kind, boot))
            asking.sendall(json.dumps(request).encode() + b"\n")
            line, descriptors, _flags, _address = socket.recv_fds(asking, 4096, 1)
        opened = decode(ConsoleOpened, json.loads(line))
        return opened, socket.socket(fileno=descriptors[0]) if descriptors else None

    def console(self, kind: str, boot: int = 1) -> socket.socket:
        opened, sock = self.ask(kind, boot)
        assert opened.ok, opened
        assert sock is not None
        sock.settimeout(10)
        return sock


@pytest.fixture
def bench(controller: AgentController, guest_host: AgentHost) -> Bench:
    guest_host.start_inside()
    controller.wait_for(lambda: controller.inventories)
    return Bench(controller, guest_host)


def read_until(sock: socket.socket, wanted: bytes) -> bytes:
    data = b""
    while wanted not in data:
        piece = sock.recv(4096)
        assert piece, data
        data += piece
    return data


def test_a_guest_lives_from_create_to_delete(bench: Bench) -> None:
    bench.files(ECHO)
    started = bench.do(EnsureRunning(bench.domain(graphics=("vnc", "spice"))))
    assert started == {"power": "running"}
    bench.power("running")
    base = bench.host.config.images_dir / bench.image_id
    assert base.stat().st_uid == 0, "a guest must not own the image it shares with others"

    with bench.console("vnc") as vnc, bench.console("spice") as spice:
        assert vnc.recv(12) == b"RFB 003.008\n"
        spice.sendall(b"REDQ")
    with bench.console("serial") as serial:
        serial.sendall(b"type")
        assert b"type" in read_until(serial, b"type")
        # While a console is open, everything else goes on at its usual pace.
        began = time.monotonic()
        survey = bench.controller.do(Survey(), "host", generation=0).result
        assert time.monotonic() - began < 4
    assert bench.id in [item["instance_id"] for item in survey["domains"]]
    assert survey["disk_instances"] == [bench.id]

    log = bench.controller.do(ReadConsoleLog(bench.id), bench.id, generation=0).result
    assert GREETING.decode().strip() in log["output"]

    stopped = bench.do(EnsureStopped(bench.id, grace_seconds=1))
    assert stopped == {"power": "shutoff", "forced": True}
    bench.power("shutoff")
    bench.do(EnsureDomainAbsent(bench.id))
    bench.power("gone")
    bench.do(EnsureDiskAbsent(bench.id))
    assert not (bench.host.config.instances_dir / bench.id).exists()
    assert bench.do(EnsureDomainAbsent(bench.id)) == {}
    assert bench.do(EnsureStopped(bench.id)) == {"power": "shutoff", "forced": False}


def test_a_guest_that_powers_itself_off_is_seen_long_before_the_next_sweep(bench: Bench) -> None:
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain()))
    with bench.console("serial") as serial:
        serial.sendall(b"x")
        read_until(serial, b"x")
        serial.sendall(b"q")
        began = time.monotonic()
        bench.power("shutoff", 8)
        assert time.monotonic() - began < 8
        assert serial.recv(4096) == b""
    newest = max(bench.controller.domains, key=lambda item: item.sequence)
    told = [(item.power, item.reason) for item in newest.domains if item.instance_id == bench.id]
    assert told == [("shutoff", "shutdown")]


def test_starting_twice_starts_once_and_a_later_boot_only_renames_it(bench: Bench) -> None:
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain(boot=1)))
    connection = libvirt.open("qemu:///system")
    first = connection.lookupByUUIDString(bench.id).ID()
    bench.do(EnsureRunning(bench.domain(boot=1)))
    bench.do(EnsureRunning(bench.domain(boot=2)))
    assert connection.lookupByUUIDString(bench.id).ID() == first
    opened, _ = bench.ask("vnc", boot=1)
    assert (opened.ok, opened.code) == (False, "wrong_boot")
    bench.console("vnc", boot=2).close()


def test_a_console_that_cannot_be_opened_says_why(bench: Bench) -> None:
    assert bench.ask("vnc")[0].code == "not_running"
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain()))
    assert bench.ask("spice")[0].code == "unknown_kind"
    assert bench.ask("telnet")[0].code == "unknown_kind"
    bench.do(EnsureStopped(bench.id))
    assert bench.ask("vnc")[0].code == "not_running"


def test_a_second_serial_console_takes_over_from_the_first(bench: Bench) -> None:
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain()))
    with bench.console("serial") as first, bench.console("serial") as second:
        second.sendall(b"Z")
        assert b"Z" in read_until(second, b"Z")
        while first.recv(4096):
            continue


def test_a_flooded_serial_log_stays_within_its_limit_and_readable(bench: Bench) -> None:
    bench.files(FLOOD)
    bench.do(EnsureRunning(bench.domain()))
    folder = bench.host.config.instances_dir / bench.id
    log = folder / "console.log"
    agent = bench.host.agent
    assert agent is not None
    deadline = time.monotonic() + 20
    while not log.exists() or log.stat().st_size <= LIMIT // 2:
        assert time.monotonic() < deadline, "the guest did not write enough"
        time.sleep(0.1)
    agent._keep_house()
    after = log.stat().st_size
    assert after < LIMIT // 2
    time.sleep(0.3)
    # virtlogd goes on at the new end: no hole of zeros in front of it.
    assert log.stat().st_size > after
    assert set(log.read_bytes()) == {ord("A")}
    agent._keep_house()
    assert sum(item.stat().st_blocks * 512 for item in folder.glob("console.log*")) <= 2 * LIMIT
    asked = ReadConsoleLog(bench.id, 1000)
    output = bench.controller.do(asked, bench.id, generation=0).result["output"]
    assert output == "A" * 1000


def test_a_domain_that_is_not_ours_is_listed_and_never_touched(bench: Bench) -> None:
    foreign_id = str(uuid.uuid4())
    connection = libvirt.open("qemu:///system")
    foreign = connection.defineXML(
        f"<domain type='qemu'><name>foreign-{foreign_id}</name><uuid>{foreign_id}</uuid>"
        "<memory unit='MiB'>16</memory><os><type arch='x86_64'>hvm</type></os></domain>"
    )
    try:
        survey = bench.controller.do(Survey(), "host", generation=0).result
        assert f"foreign-{foreign_id}" in survey["foreign_domains"]
        report = bench.controller.do(EnsureDomainAbsent(foreign_id), foreign_id)
        assert (report.status, report.error_code) == ("failed", "libvirt")
        assert connection.lookupByUUIDString(foreign_id).name() == foreign.name()
    finally:
        foreign.undefine()


def test_files_of_a_guest_are_closed_to_others_even_under_umask_zero(bench: Bench) -> None:
    before = os.umask(0)
    try:
        bench.files(ECHO)
    finally:
        os.umask(before)
    bench.do(EnsureRunning(bench.domain()))
    for path in Path(bench.host.config.state_dir).rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode in ((0o700, 0o750) if path.is_dir() else (0o600, 0o640)), (path, oct(mode))


def test_a_killed_agent_takes_no_guest_with_it_and_goes_on(
    controller: AgentController, guest_host: AgentHost
) -> None:
    guest_host.start()
    bench = Bench(controller, guest_host)
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain()))
    assert guest_host.process is not None
    pss = _pss_mb(guest_host.process.pid)
    assert pss <= 45, f"the agent takes {pss} MB"
    asked = controller.ask(EnsureStopped(bench.id, grace_seconds=3), bench.id, 50)
    time.sleep(0.5)
    guest_host.kill()
    connection = libvirt.open("qemu:///system")
    assert connection.lookupByUUIDString(bench.id).isActive()
    guest_host.start()
    assert controller.answer(asked, 15).result == {"power": "shutoff", "forced": True}
    began = time.monotonic()
    guest_host.stop()
    assert time.monotonic() - began < 5


def test_qemu_listens_nowhere(bench: Bench) -> None:
    bench.files(ECHO)
    bench.do(EnsureRunning(bench.domain(graphics=("vnc", "spice"))))
    connection = libvirt.open("qemu:///system")
    domain = connection.lookupByUUIDString(bench.id)
    pid = Path(f"/run/libvirt/qemu/{domain.name()}.pid").read_text().strip()
    listing = subprocess.run(
        ["ss", "-H", "-l", "-n", "-p", "-t"], capture_output=True, text=True, check=True
    ).stdout
    assert f"pid={pid}," not in listing


def _pss_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) // 1024
    raise AssertionError("the kernel does not tell")
