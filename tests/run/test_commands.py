"""What the commands print, and how they refuse."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running_cloud import RunningCloud, wait_until
from webcloud import __version__
from webcloud.cli import VERBS


def test_every_verb_has_a_line_of_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webcloud", "--help"], capture_output=True, text=True, check=True
    )
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith("  ")}
    for verb in VERBS:
        assert len(lines[verb].split()) > 2


def test_the_version_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webcloud", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"webcloud {__version__}\n"


def test_users_are_made_listed_and_let_in(cloud: RunningCloud) -> None:
    cloud.start()
    made = cloud.run("user", "create", "lan", "--role", "reader")
    assert "Created user lan, reader in project lan." in made.stdout
    assert f"{cloud.url}/login#" in made.stdout
    assert "lan: reader" in cloud.run("user", "list").stdout
    assert cloud.run("user", "password", "lan", given="a good password\n").returncode == 0
    assert cloud.run("user", "link", "lan").stdout.startswith(f"{cloud.url}/login#")


def test_a_wrong_use_is_refused_with_the_reason_and_nothing_is_changed(
    cloud: RunningCloud,
) -> None:
    cloud.start()
    again = cloud.run("user", "create", "admin")
    assert (again.returncode, again.stderr) == (
        1,
        "webcloud: There is already a user called admin. Choose another name.\n",
    )
    short = cloud.run("user", "password", "admin", given="short\n")
    assert short.returncode == 1
    assert "8 to 1024 characters" in short.stderr
    nobody = cloud.run("user", "link", "nobody")
    assert nobody.stderr == "webcloud: There is no user called nobody. See: webcloud user list\n"


def test_hosts_are_listed_and_a_new_one_gets_a_token(cloud: RunningCloud) -> None:
    cloud.start()
    wait_until(lambda: ", seen" in cloud.run("host", "list").stdout, 30, cloud.describe)
    assert "up, seen" in cloud.run("host", "list").stdout
    unreachable = cloud.run("host", "add", "n2")
    assert unreachable.returncode != 0
    assert "--listen" in unreachable.stderr
    added = cloud.run("host", "add", "n2", "--controller", "http://192.0.2.1:8774")
    assert added.returncode == 0, added.stderr
    assert "webcloud agent join --controller http://192.0.2.1:8774" in added.stdout


def test_doctor_is_content_with_a_running_cloud_and_names_what_fails(cloud: RunningCloud) -> None:
    cloud.start()
    wait_until(lambda: cloud.healthz()["status"] == "ok", 30, cloud.describe)
    well = cloud.run("doctor")
    assert well.returncode == 0, well.stdout
    assert well.stdout.rstrip().endswith("All is well.")
    (cloud.state / "clouds.yaml").chmod(0o644)
    loose = cloud.run("doctor")
    assert loose.returncode == 1
    assert f"Mend this first: files: {cloud.state}/clouds.yaml has mode 644" in loose.stdout
    (cloud.state / "clouds.yaml").chmod(0o600)
    cloud.stop()
    stopped = cloud.run("doctor")
    assert f"Mend this first: port: nobody answers at 127.0.0.1:{cloud.port}" in stopped.stdout


def test_the_database_is_backed_up_while_it_is_in_use(cloud: RunningCloud) -> None:
    cloud.start()
    target = cloud.state / "copy.sqlite"
    done = cloud.run("db", "backup", str(target))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT name FROM project").fetchall() == [("admin",)]


def test_a_command_on_an_installation_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "webcloud", "user", "list", "--state", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "There is no database at" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "reason"),
    [
        (["--listen", "nowhere"], {}, "--listen nowhere is not HOST:PORT"),
        ([], {"WEBCLOUD_THREADS": "many"}, "WEBCLOUD_THREADS must be a whole number"),
        (["--state", "/" + "d" * 120], {}, "is too long for the sockets"),
    ],
)
def test_a_start_that_cannot_be_says_why(
    arguments: list[str], environ: dict[str, str], reason: str, cloud: RunningCloud
) -> None:
    argv = [sys.executable, "-m", "webcloud", "up", "--virt", "test"]
    state = [] if "--state" in arguments else ["--state", str(cloud.state)]
    done = subprocess.run(
        [*argv, *state, *arguments],
        env={**os.environ, **environ}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert reason in done.stderr


def test_images_are_imported_listed_and_refused(cloud: RunningCloud, tmp_path: Path) -> None:
    cloud.start()
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(1024 * 1024))
    image_id = cloud.run("image", "import", str(disk), "--public").stdout.strip()
    listed = cloud.run("image", "list").stdout
    assert f"{image_id}  disk  active  raw  1 MB  public" in listed
    assert "  demo  active  raw  " in listed
    demo_id = next(line.split()[0] for line in listed.splitlines() if "  demo  " in line)
    assert cloud.run("image", "demo").stdout.strip() == demo_id
    unnamed = tmp_path / "disk.img"
    unnamed.write_bytes(bytes(512))
    assert "Add --format" in cloud.run("image", "import", str(unnamed)).stderr
    lying = cloud.run("image", "import", str(unnamed), "--format", "qcow2")
    assert lying.returncode == 1
    assert "Traceback" not in lying.stderr


def test_verify_finds_nothing_on_a_fresh_cloud_and_names_what_is_wrong(
    cloud: RunningCloud,
) -> None:
    cloud.start()
    wait_until(lambda: cloud.healthz()["status"] == "ok", 30, cloud.describe)
    assert cloud.run("verify").stdout == "Everything agrees.\n"
    images = list((cloud.state / "controller" / "images").iterdir())
    for file in images:
        if file.is_file():
            file.unlink()
    broken = cloud.run("verify")
    assert broken.returncode == 1
    assert "1 problems." in broken.stderr


def test_the_schema_goes_forward_and_back(cloud: RunningCloud) -> None:
    cloud.start()
    cloud.stop()
    assert cloud.run("db", "downgrade", "0004", "--yes").stdout.strip().endswith("0004.")
    assert "database: 0004" in cloud.run("db", "current").stdout
    assert cloud.run("db", "upgrade").returncode == 0
    versions = {line.split()[-1] for line in cloud.run("db", "current").stdout.splitlines()}
    assert len(versions) == 1
