"""How ``webcloud up`` ends when it cannot start, or is told to stop before it has."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from webcloud.config import Config
from webcloud.supervising import __main__ as story
from webcloud.supervising import checks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def as_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The words and settings of a start, and afterwards the signals as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setattr(sys, "argv", ["webcloud-up"])
    monkeypatch.setenv("WEBCLOUD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WEBCLOUD_VIRT", "test")
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """Its exit code, what it said, and what it complained of."""
    with pytest.raises(SystemExit) as end:
        story.main()
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


def test_a_setting_that_cannot_be_read_names_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBCLOUD_THREADS", "many")
    code, _, complaint = ended(capsys)
    assert code == 1
    assert complaint.startswith("\nwebcloud cannot start: WEBCLOUD_THREADS must be a whole number")


def test_what_is_refused_is_refused_with_what_to_do_next(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WEBCLOUD_VIRT", "xen")
    code, _, complaint = ended(capsys)
    assert code == 1
    assert "--virt xen is unknown. Choose one of auto, kvm" in complaint
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_it_is_ready_ends_it_with_a_word(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told_to_stop(_config: Config) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(checks, "check", told_to_stop)
    code, said, complaint = ended(capsys)
    assert (code, complaint) == (130, "")
    assert "stopped before it was ready" in said
