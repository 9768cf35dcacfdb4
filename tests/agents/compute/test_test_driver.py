"""An instance's life on libvirt's test driver: real files, no taps, no consoles."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.compute.states import DomainWatcher
from agents.errors import AgentError
from agents.libvirt_host import TEST, Guest, LibvirtHost
from agents.wire.codec import decode, encode
from agents.wire.commands import (
    Domain,
    EnsureConfigDrive,
    EnsureDefined,
    EnsureDisk,
    EnsureDiskAbsent,
    EnsureDomainAbsent,
    EnsureImage,
    EnsureImageAbsent,
    EnsureNetwork,
    EnsureNetworkAbsent,
    EnsurePort,
    EnsurePortAbsent,
    EnsureRunning,
    EnsureStopped,
    Interface,
    Survey,
    bridge_name,
)
from agents.wire.consoles import ConsoleOpened, OpenConsole
from agents.wire.reports import Definition, DomainState, SurveyResult
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost

CONTENT = bytes(1 << 20)


class Bench:
    def __init__(self, controller: AgentController, host: AgentHost) -> None:
        self.controller, self.host = controller, host
        self.id, self.image_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.generation = 0

    def do(self, payload: object) -> dict[str, object]:
        self.generation += 1
        report = self.controller.do(payload, self.id, self.generation)
        assert report.status == "done", report
        return report.result

    def run(self) -> None:
        self.controller.images[self.image_id] = CONTENT
        digest = hashlib.sha256(CONTENT).hexdigest()
        self.do(EnsureImage(self.image_id, digest, len(CONTENT), "raw"))
        self.do(EnsureDisk(self.id, self.image_id, "raw", 8 << 20))
        self.do(EnsureConfigDrive(self.id, {"a": base64.b64encode(b"b").decode()}))
        card = Interface(str(uuid.uuid4()), "52:54:00:00:00:01", "br0")
        self.domain = Domain(
            self.id, "n", "p", 1, 64, 1, disk_format="raw", image_id=self.image_id,
            interfaces=(card,),
        )  # fmt: skip
        assert self.do(EnsureRunning(self.domain)) == {"power": "running"}

    def survey_where(self, condition: Callable[[SurveyResult], bool]) -> SurveyResult:
        """The first survey sent unasked from now on of which this is true."""
        sent = self.controller.surveys
        seen = len(sent)
        found: SurveyResult = self.controller.wait_for(
            lambda: next((each.survey for each in sent[seen:] if condition(each.survey)), None), 30
        )
        return found

    def power(self, wanted: str) -> None:
        self.controller.wait_for(lambda: self.controller.power_of(self.id) == wanted)


@pytest.fixture
def bench(controller: AgentController, test_host: AgentHost) -> Bench:
    test_host.start_inside()
    controller.wait_for(lambda: controller.inventories)
    return Bench(controller, test_host)


def test_an_instance_lives_and_goes(bench: Bench) -> None:
    bench.run()
    bench.power("running")
    inventory = bench.controller.wait_for(
        lambda: [i for i in bench.controller.inventories if bench.image_id in i.cached_images]
    )
    assert inventory[0].hypervisor == "test"
    assert bench.do(EnsureStopped(bench.id, 10)) == {"power": "shutoff", "forced": False}
    bench.power("shutoff")
    bench.do(EnsureDomainAbsent(bench.id))
    bench.power("gone")
    assert bench.do(EnsureImageAbsent(bench.image_id)) == {"kept": True}
    bench.do(EnsureDiskAbsent(bench.id))
    assert bench.do(EnsureImageAbsent(bench.image_id)) == {}
    survey = bench.controller.do(Survey(), "h", generation=0).result
    assert survey["domains"] == survey["disk_instances"] == survey["stray_files"] == []
    assert survey["cached_images"] == []


def test_network_verbs_have_nothing_to_do_there(bench: Bench) -> None:
    network_id, port_id = str(uuid.uuid4()), str(uuid.uuid4())
    bridge = bridge_name(network_id)
    mac, address = "52:54:00:00:00:01", "10.0.0.2"
    bench.do(EnsureNetwork(network_id, bridge, "10.0.0.0/24", "10.0.0.1"))
    bench.do(EnsurePort(network_id, port_id, mac, address, "h"))
    bench.do(EnsurePortAbsent(network_id, port_id, mac, address))
    bench.do(EnsureNetworkAbsent(network_id))
    assert not Path(f"/sys/class/net/{bridge}").exists()
    assert not bench.host.config.networks_dir.exists()


def ask(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(10)
        asking.connect(str(path))
        asking.sendall(request)
        return asking.recv(4096)


def test_a_console_the_driver_cannot_open_is_libvirts_error(bench: Bench) -> None:
    bench.run()
    for kind in ("vnc", "serial"):
        request = json.dumps(encode(OpenConsole(bench.id, kind, 1))).encode() + b"\n"
        answer = decode(ConsoleOpened, json.loads(ask(bench.host.config.console_socket, request)))
        assert (answer.ok, answer.code) == (False, "libvirt")
    path = bench.host.config.console_socket
    for garbage in (b"\n", b"{}\n", b"x" * 5000, b'{"instance_id": 1}\n'):
        with pytest.raises((AssertionError, ConnectionError)):
            assert ask(path, garbage)


def test_only_root_and_the_group_may_ask_for_a_console(bench: Bench) -> None:
    path = bench.host.config.console_socket
    assert path.stat().st_mode & 0o777 == 0o660
    # Even where the file's mode would let everybody in, the peer is asked who it is.
    path.parent.chmod(0o755)
    path.chmod(0o666)
    code = (
        "import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        's.sendall(b\'{"instance_id": "x", "kind": "vnc", "boot": 1}\\n\');'
        "sys.stdout.write(str(len(s.recv(100))))"
    )
    for user, answered in (("nobody", False), ("root", True)):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", code, str(path)],
            user=user, group="nogroup", extra_groups=[], cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.stdout not in ("", "0")) is answered, done


def test_one_unreadable_domain_never_stops_the_sweep(controller: AgentController) -> None:
    class Broken(Guest):
        def metadata(self, namespace: str) -> str:
            raise AgentError("libvirt", "unreadable", True)

    class Host(LibvirtHost):
        def guests(self) -> list[Guest]:
            return [Broken(guest._domain) for guest in super().guests()] + super().guests()

    host = Host(TEST, lambda _id: None)
    host.start()
    watcher = DomainWatcher(host)
    first, second = watcher.full(), watcher.full()
    assert not first.full, "a list with a hole in it is not complete"
    assert second.sequence > first.sequence
    assert watcher.changed({"not an id"}) is None
    gone = watcher.changed({str(uuid.UUID(int=5))})
    assert gone is not None
    assert gone.gone == (str(uuid.UUID(int=5)),)
    host.stop()


def test_what_changes_behind_our_back_is_told_without_being_asked(bench: Bench) -> None:
    bench.run()
    agent = bench.host.agent
    assert agent is not None
    guest = agent.libvirt.find(bench.id)
    assert guest is not None
    running = DomainState(bench.id, "running", boot=1)
    # The list is told with the survey's own digest once both have been sent.
    bench.controller.wait_for(
        lambda: any(running in each.survey.domains for each in bench.controller.surveys), 30
    )
    guest.undefine()
    told = bench.survey_where(lambda survey: survey.transient_domains == (bench.id,))
    assert running in told.domains
    assert told.unknown_domains == (), "the test driver comes with a domain of its own"

    assert bench.do(EnsureDefined(bench.domain)) == {"power": "running"}
    bench.survey_where(lambda survey: survey.transient_domains == ())
    guest.destroy()
    guest.undefine()
    bench.survey_where(lambda survey: survey.domains == ())

    assert bench.do(EnsureDefined(bench.domain)) == {"power": "shutoff"}
    assert bench.do(EnsureDefined(bench.domain)) == {"power": "shutoff"}
    bench.do(EnsureStopped(bench.id))
    (agent.instances.folder_of(bench.id) / "disk").unlink()
    bench.do(EnsureStopped(bench.id))
    bench.survey_where(lambda survey: survey.without_disk == (bench.id,))
    bench.do(EnsureDomainAbsent(bench.id))
    report = bench.controller.do(EnsureDefined(bench.domain), bench.id, 99)
    assert (report.status, report.error_code) == ("failed", "disk_missing")
    assert agent.libvirt.find(bench.id) is None


def test_the_list_of_all_domains_says_which_survey_holds(bench: Bench) -> None:
    told = bench.controller
    told.wait_for(lambda: told.surveys, 30)
    assert bench.host.agent is not None
    bench.host.agent.teller.tell_all()
    told.wait_for(
        lambda: {each.survey_digest for each in told.domains} & {x.digest for x in told.surveys}, 30
    )


def test_what_the_next_start_will_follow_is_told(bench: Bench) -> None:
    bench.run()
    agent = bench.host.agent
    assert agent is not None
    memory = 64 * 1024
    expected = Definition(bench.id, memory, memory, 1, 1, 1, "qcow2")
    bench.survey_where(lambda survey: survey.definitions == (expected,))
    guest = agent.libvirt.find(bench.id)
    assert guest is not None
    edited = (
        guest.stored_xml()
        .replace(">1</vcpu>", ">3</vcpu>")
        .replace("instances/" + bench.id + "/disk", "elsewhere")
        .replace("type='qcow2'", "type='raw'", 1)
        .replace("config.iso", "other.iso")
    )
    agent.libvirt.define(edited)
    told = bench.survey_where(lambda survey: survey.definitions != (expected,)).definitions
    state = bench.host.config.state_dir
    assert told == (
        replace(
            expected,
            vcpus=3,
            first_vcpus=3,
            disk_format="raw",
            disk=f"{state}/elsewhere",
            config_drive=f"{state}/instances/{bench.id}/other.iso",
        ),
    )
    assert guest.power()[0] == "running", "what runs is not asked"
    bench.do(EnsureStopped(bench.id))
    bench.do(EnsureRunning(bench.domain))
    bench.survey_where(lambda survey: survey.definitions == (expected,))
