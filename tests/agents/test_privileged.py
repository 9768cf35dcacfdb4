"""The fixed list of programs, and that nothing else in the agent starts any."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import agents
from agents import privileged
from agents.errors import AgentError

SOURCES = sorted(Path(agents.__file__).parent.rglob("*.py"))


def test_only_this_module_starts_programs() -> None:
    starting = re.compile(r"\b(subprocess|os\.system|os\.popen|os\.exec|os\.spawn|os\.fork)\b")
    found = [item.name for item in SOURCES if starting.search(item.read_text())]
    assert found == ["privileged.py"]


def test_only_one_module_imports_libvirt() -> None:
    importing = re.compile(r"^\s*(import|from) libvirt\b", re.MULTILINE)
    assert [i.name for i in SOURCES if importing.search(i.read_text())] == ["libvirt_host.py"]


def test_the_agent_knows_nothing_of_the_controllers_code() -> None:
    importing = re.compile(r"^\s*(import|from) webcloud\b", re.MULTILINE)
    assert [item for item in SOURCES if importing.search(item.read_text())] == []


def test_a_program_outside_the_list_cannot_be_started() -> None:
    with pytest.raises(KeyError):
        privileged.run("sh", ["-c", "true"])


def test_programs_get_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setitem(privileged._PROGRAMS, "env", ("env",))
    assert "SECRET" not in privileged.run("env", []).output


def test_a_missing_or_hanging_program_is_an_error_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(privileged._PROGRAMS, "nft", ("no-such-program",))
    with pytest.raises(AgentError, match="not installed"):
        privileged.run("nft", [])
    monkeypatch.setitem(privileged._PROGRAMS, "nft", ("sleep",))
    with pytest.raises(AgentError, match="did not end") as failure:
        privileged.run("nft", ["5"], seconds=0.2)
    assert failure.value.retryable


def test_s7_qemu_img_runs_under_limits_and_is_told_the_format(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def remember(argv: list[str], _stdin: str, _seconds: float) -> privileged.Finished:
        seen.append(argv)
        return privileged.Finished(0, "", "")

    original, privileged._run = privileged._run, remember
    try:
        privileged.qemu_img_create("/d", 1, "../b", "raw")
    finally:
        privileged._run = original
    (argv,) = seen
    assert argv[0] == "prlimit"
    assert {"--as=1073741824", "--cpu=30", "--fsize=1073741824"} <= set(argv)
    assert argv[argv.index("-f") + 1] == "qcow2"
    assert argv[argv.index("-F") + 1] == "raw"
