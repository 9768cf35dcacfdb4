"""A first and a second start: what is made, as whom, with which modes, how big."""

from __future__ import annotations

import http.cookiejar
import os
import pwd
import re
import stat
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import openstack
import pytest

from tests.support.running_cloud import PARTS, RunningCloud, processes, wait_until


def test_the_second_start_makes_nothing_new(cloud: RunningCloud) -> None:
    cloud.start()
    assert "bringing the database up to date" in cloud.output
    credentials = (cloud.state / "clouds.yaml").read_text()
    cloud.stop()
    cloud.start()
    assert "bringing the database up to date" not in cloud.output
    assert (cloud.state / "clouds.yaml").read_text() == credentials


def test_a_password_that_is_not_known_any_more_is_told_and_left_as_it_is(
    cloud: RunningCloud,
) -> None:
    cloud.start()
    cloud.stop()
    (cloud.state / "clouds.yaml").unlink()
    cloud.start()
    assert "clouds.yaml was not written: the password of admin is not known here" in cloud.output
    assert not (cloud.state / "clouds.yaml").exists()
    assert _log_in(cloud, cloud.login_secret) == "/instances"


def test_secrets_can_be_read_by_their_owner_alone(cloud: RunningCloud) -> None:
    cloud.start()
    modes = {
        ".": 0o711,
        "controller": 0o750,
        "logs": 0o750,
        "run": 0o711,
        "run/pids": 0o700,
        "run/proxy": 0o750,
        "clouds.yaml": 0o600,
        "openrc": 0o600,
        "supervisor.lock": 0o600,
        "agent/join-token": 0o600,
    }
    found = {name: stat.S_IMODE((cloud.state / name).stat().st_mode) for name in modes}
    assert found == modes
    database = cloud.state / "controller" / "webcloud.sqlite"
    assert stat.S_IMODE(database.stat().st_mode) & 0o007 == 0


def test_sec_S17_a_whole_cloud_makes_nothing_for_others_even_under_umask_zero(
    cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        cloud.start()
    finally:
        os.umask(before)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.state / "clouds.yaml"))
    connection = openstack.connect(cloud="webcloud")
    image = connection.create_image(
        "zero", data=bytes(1 << 20), disk_format="raw", container_format="bare", wait=True
    )
    server = connection.create_server(
        "zero", image=image, flavor="tiny", network="default", auto_ip=False, wait=True, timeout=60
    )
    assert server.status == "ACTIVE"
    loose = {
        str(path.relative_to(cloud.state)): oct(mode)
        for path in cloud.state.rglob("*")
        for mode in [stat.S_IMODE(path.lstat().st_mode)]
        if mode & 0o027 and not path.is_symlink() and not path.is_socket()
        # Nobody else gets into that folder.
        if path.parent.name != "pids"
        # Guests' processes pass through it, and find nothing out by that.
        if not (path.is_dir() and mode == 0o711)
    }
    assert loose == {"run/running.json": "0o644"}, "which programs run may be known"


def test_only_the_agent_stays_root(cloud: RunningCloud) -> None:
    cloud.start()
    me = os.geteuid()
    service = pwd.getpwnam("webcloud").pw_uid if me == 0 else me
    owners = {part: Path(f"/proc/{cloud.pid(part)}").stat().st_uid for part in PARTS}
    assert owners == {"agent": me, "proxy": service, "controller": service}


def test_no_secret_stands_in_an_environment_or_on_a_command_line(cloud: RunningCloud) -> None:
    cloud.settings = {"WEBCLOUD_ADMIN_PASSWORD": "a-password-of-the-test"}
    cloud.start()
    for part in PARTS:
        process = Path(f"/proc/{cloud.pid(part)}")
        assert b"a-password-of-the-test" not in (process / "environ").read_bytes()
        assert b"a-password-of-the-test" not in (process / "cmdline").read_bytes()
    assert '"a-password-of-the-test"' in (cloud.state / "clouds.yaml").read_text()


def test_the_login_link_works_once(cloud: RunningCloud) -> None:
    cloud.start()
    secret = cloud.login_secret
    assert _log_in(cloud, secret) == "/instances"
    assert _log_in(cloud, secret) != "/instances"
    logs = "".join(path.read_text() for path in (cloud.state / "logs").glob("*.log"))
    assert secret not in logs


def test_a_stock_client_logs_in_with_clouds_yaml(
    cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.start()
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(cloud.state / "clouds.yaml"))
    connection = openstack.connect(cloud="webcloud")
    assert "tiny" in [flavor.name for flavor in connection.compute.flavors()]
    assert [network.name for network in connection.network.networks()] == ["default"]


def test_healthz_tells_of_every_part(cloud: RunningCloud) -> None:
    cloud.start()
    wait_until(lambda: cloud.healthz()["status"] == "ok", 30, cloud.describe)
    parts = cloud.healthz()["parts"]
    assert set(parts) == {"database", "conductor", "proxy", "hosts"}
    assert parts["hosts"]["alive"] == 1


def test_when_it_is_ready_its_host_has_told_what_it_has(cloud: RunningCloud) -> None:
    cloud.start()
    assert cloud.healthz()["parts"]["hosts"]["described"] == 1


def test_the_idle_cloud_is_small(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    # What measures coverage would be weighed with it.
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    cloud.start()
    wait_until(lambda: cloud.healthz()["status"] == "ok", 30, cloud.describe)
    assert cloud.process is not None
    groups = {cloud.process.pid, *(cloud.pid(part) for part in PARTS)}
    sizes = {}
    for pid in processes():
        try:
            if os.getpgid(pid) in groups:
                sizes[pid] = _pss_mb(pid)
        except (ProcessLookupError, FileNotFoundError):
            continue
    assert sizes[cloud.process.pid] <= 15, sizes
    assert sizes[cloud.pid("controller")] <= 20, sizes
    assert sum(sizes.values()) <= 200, sizes


def _log_in(cloud: RunningCloud, secret: str) -> str:
    """Use a login link as the login page does; the path that it ends at."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{cloud.url}/login", timeout=10).read().decode()
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, page
    fields = {"csrf_token": found.group(1), "token": secret}
    request = urllib.request.Request(
        f"{cloud.url}/login/link",
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Origin": cloud.url, "Accept": "text/html"},
    )
    try:
        with browser.open(request, timeout=10) as answer:
            return urllib.parse.urlsplit(answer.url).path
    except urllib.error.HTTPError as error:
        return str(error.code)


def _pss_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found.group(1)) / 1024
