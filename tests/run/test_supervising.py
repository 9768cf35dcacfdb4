"""The supervisor: restarts, orderly ends, and what it does after its own death."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.running_cloud import PARTS, RunningCloud, alive, processes, wait_until
from webcloud.supervising.child import Child
from webcloud.supervising.logs import Logs
from webcloud.supervising.programs import Program
from webcloud.supervising.takeover import PidFile


def test_every_killed_part_is_started_again(cloud: RunningCloud) -> None:
    cloud.start()
    for part in PARTS:
        before = cloud.pid(part)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda p=part, b=before: cloud.pid(p) != b, 10, cloud.describe)  # type: ignore[misc]
    wait_until(lambda: cloud.healthz()["parts"]["proxy"]["status"] == "ok", 10, cloud.describe)
    wait_until(lambda: cloud.healthz()["parts"]["hosts"]["status"] == "ok", 30, cloud.describe)
    assert "controller was ended by SIGKILL" in cloud.output


def test_requests_wait_and_do_not_fail_while_the_controller_restarts(cloud: RunningCloud) -> None:
    cloud.start()
    # With its worker, which would otherwise take the request and die while answering.
    os.killpg(cloud.pid("controller"), signal.SIGKILL)
    began = time.monotonic()
    assert cloud.healthz()["parts"]["database"]["status"] == "ok"
    assert time.monotonic() - began < 10


def test_ctrl_c_ends_every_part_and_frees_the_port(cloud: RunningCloud) -> None:
    cloud.start()
    pids = [cloud.pid(part) for part in PARTS]
    workers = [pid for pid in processes() if _group(pid) in pids]
    assert cloud.stop(signal.SIGINT) == 0
    assert not [pid for pid in [*pids, *workers] if alive(pid)]
    assert not list((cloud.state / "run" / "pids").iterdir())
    assert cloud.output.rstrip().endswith("stopped")
    cloud.start()


def test_a_start_after_a_killed_supervisor_takes_over(cloud: RunningCloud) -> None:
    cloud.start()
    before = [cloud.pid(part) for part in PARTS]
    assert cloud.process is not None
    cloud.process.kill()
    cloud.process.wait()
    cloud.start()
    assert not [pid for pid in before if alive(pid)]
    assert cloud.healthz()["parts"]["database"]["status"] == "ok"


def test_a_part_that_ignores_the_end_of_its_supervisor_is_found_and_ended(
    cloud: RunningCloud,
) -> None:
    cloud.start()
    assert cloud.process is not None
    frozen = cloud.pid("agent")
    os.kill(frozen, signal.SIGSTOP)
    cloud.process.kill()
    cloud.process.wait()
    cloud.start()
    assert not alive(frozen)
    assert "ended the agent that an earlier start left behind" in cloud.output


def test_a_second_supervisor_on_the_same_state_is_refused(cloud: RunningCloud) -> None:
    cloud.start()
    done = cloud.run("up", "--virt", "test", "--listen", f"127.0.0.1:{cloud.port + 1}")
    assert done.returncode == 1
    assert f"already runs on {cloud.state}" in done.stderr
    assert cloud.healthz()["parts"]["database"]["status"] == "ok"


def test_a_taken_port_is_named(cloud: RunningCloud, tmp_path: Path) -> None:
    cloud.start()
    other = RunningCloud(cloud.state.with_name("t"))
    other.port = cloud.port
    try:
        other.launch()
        assert other.process is not None
        assert other.process.wait(30) == 1
        assert f"Cannot listen on 127.0.0.1:{cloud.port}" in other.output
    finally:
        other.end()


def test_a_part_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    program = Program("false", ("false",), dict(os.environ), tmp_path / "log")
    child = Child(program, PidFile(tmp_path / "false.pid"))
    child.start()
    delays = []
    while len(delays) < 4:
        words = child.look()
        if words and "again in" in words:
            delays.append(float(words.split("again in ")[1].split()[0]))
        time.sleep(0.01)
    child.stop()
    assert delays == [0.1, 0.2, 0.4, 0.8]


def test_a_pid_given_to_another_process_is_never_signalled(tmp_path: Path) -> None:
    file = PidFile(tmp_path / "other.pid")
    file.path.write_text(f"{os.getpid()} 1\n", encoding="ascii")
    assert file.members() == []


def test_a_full_log_is_moved_aside_and_three_old_ones_are_kept(tmp_path: Path) -> None:
    logs = Logs(tmp_path, echoing=False, limit=100)
    writer = (tmp_path / "part.log").open("ab", buffering=0)
    for number in range(5):
        writer.write(bytes(str(number), "ascii") * 101)
        logs.rotate()
    writer.close()
    assert (tmp_path / "part.log").stat().st_size == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "part.log", "part.log.1", "part.log.2", "part.log.3",
    ]  # fmt: skip
    assert (tmp_path / "part.log.1").read_text() == "4" * 101


def test_verbose_shows_what_is_new_in_the_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part.log").write_text("old\n")
    logs = Logs(tmp_path, echoing=True)
    with (tmp_path / "part.log").open("a") as writer:
        writer.write("new\n")
    logs.echo()
    assert capsys.readouterr().out == "part: new\n"


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1
