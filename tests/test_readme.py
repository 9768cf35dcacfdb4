"""The documents say what is so: commands exist, examples run, lists are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path

import click
import pytest

from agents.config import AgentConfig
from tests.support.running_cloud import RunningCloud, cloud
from tests.support.stock_api import PASSWORD
from webcloud.cli import cli
from webcloud.config import Config

__all__ = ["cloud"]  # The fixture.

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
VERBS = re.compile(r"(?<![\w/.-])(?<!--os-cloud )webcloud ((?:[a-z]+(?:-[a-z]+)* ?)+)")
CIDR = "10.83.0.0/24"


def blocks(document: Path) -> list[str]:
    """The shell examples of a document."""
    return re.findall(r"```(?:sh)?\n(.*?)```", document.read_text(), re.DOTALL)


def code(document: Path) -> str:
    """Everything that a document sets as code."""
    text = document.read_text()
    return "\n".join([*blocks(document), *re.findall(r"`([^`\n]+)`", text)])


def targets() -> set[str]:
    found = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_target_and_command_that_is_named_exists(document: Path) -> None:
    text = code(document)
    for target in re.findall(r"\bmake ([a-z][a-z-]*)", text):
        assert target in targets(), f"make {target}"
    for words in VERBS.findall(text):
        command: click.Command = cli
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, f"webcloud {words}"
            command = found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_of_the_repository(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_readme_starts_and_tests_with_one_command_each() -> None:
    examples = blocks(README)
    assert examples[0].splitlines()[-1] == "make run"
    assert "make test\n" in examples
    described = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for target in ("make run", "make test", "make check", "make screenshots"):
        assert f"  {target} " in described.stdout


def test_the_readme_names_the_systems_that_setup_knows() -> None:
    setup = (ROOT / "scripts" / "setup.sh").read_text()
    for system in ("Debian 12", "Ubuntu 24.04"):
        assert system in README.read_text()
        assert system in setup
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "webcloud" in project["scripts"]


def test_every_setting_is_described_with_its_default() -> None:
    rows = [row for row in _settings() if not row[0].startswith("WEBCLOUD_AGENT_")]
    expected = []
    for each in fields(Config):
        value = str(each.default).lower() if isinstance(each.default, bool) else str(each.default)
        shown = f"`{value}`" if value else "–"
        expected.append((f"WEBCLOUD_{each.name.upper()}", shown, each.metadata["meaning"]))
    assert rows == expected


def test_every_setting_of_the_agent_is_described_with_its_default() -> None:
    rows = [row[:2] for row in _settings() if row[0].startswith("WEBCLOUD_AGENT_")]
    expected = []
    for each in fields(AgentConfig):
        shown = "–" if each.default in (MISSING, None, "") else f"`{each.default}`"
        expected.append((f"WEBCLOUD_AGENT_{each.name.upper()}", shown))
    assert rows == expected


def test_every_decision_has_its_own_number_and_its_line() -> None:
    folder = ROOT / "docs" / "decisions"
    files = sorted(path for path in folder.glob("*.md") if path != folder / "README.md")
    titles = [path.read_text().splitlines()[0].removeprefix("# ") for path in files]
    numbers = [int(path.name[:4]) for path in files]
    assert numbers == list(range(1, len(files) + 1))
    assert [int(title.partition(".")[0]) for title in titles] == numbers
    lines = re.findall(
        r"^\| \[(\d+)\]\((.+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.M
    )
    assert lines == [
        (str(number), path.name, title.partition(". ")[2])
        for number, path, title in zip(numbers, files, titles, strict=True)
    ]


def test_every_invariant_that_verify_reports_is_described() -> None:
    reported = set()
    for source in (ROOT / "webcloud" / "admin" / "verify").glob("*.py"):
        reported |= set(re.findall(r'Problem\(\s*"(I\d+)"', source.read_text()))
    listed = re.findall(r"^\| (I\d+) \|", _doc("invariants"), re.MULTILINE)
    assert len(reported) > 10
    assert listed == sorted(reported, key=lambda name: int(name[1:]))


def test_the_examples_for_scripts_run_as_printed(cloud: RunningCloud) -> None:
    cloud.settings.update(WEBCLOUD_ADMIN_PASSWORD=PASSWORD, WEBCLOUD_DEFAULT_CIDR=CIDR)
    cloud.start()
    examples = [each for each in blocks(README) if "openstack" in each]
    examples += blocks(ROOT / "docs" / "api.md")
    assert len(examples) == 3
    printed = []
    for example in examples:
        done = _run(example, cloud)
        assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"
        printed.append(done.stdout)
    assert re.search(r"\| web1 +\| ACTIVE \|", printed[0])
    assert "ACTIVE" in printed[1]
    assert '"name":"demo"' in printed[2]


def test_a_cloud_is_looked_after_with_the_commands_that_operations_prints(
    cloud: RunningCloud,
) -> None:
    cloud.settings.update(WEBCLOUD_DEFAULT_CIDR=CIDR)
    cloud.start()
    copy = cloud.state.parent / "copy.sqlite"
    for example in blocks(ROOT / "docs" / "operations.md"):
        printed = example.replace("/root/webcloud-backup.sqlite", str(copy))
        for line in printed.splitlines():
            done = _run(line, cloud)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.read_bytes().startswith(b"SQLite format 3")


def _settings() -> list[tuple[str, str, str]]:
    """(variable, default as shown, meaning) of each row."""
    return re.findall(r"^\| `(WEBCLOUD_\w+)` \| (.+?) \| (.+) \|$", _doc("settings"), re.MULTILINE)


def _doc(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def _run(example: str, cloud: RunningCloud) -> subprocess.CompletedProcess[str]:
    """The example as a person would paste it, about this cloud."""
    text = example.replace("/var/lib/webcloud", str(cloud.state))
    text = text.replace("http://127.0.0.1:8774", cloud.url)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {**cloud.settings, "PATH": path, "WEBCLOUD_STATE_DIR": str(cloud.state)}
    return subprocess.run(
        ["sh", "-euc", text],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
