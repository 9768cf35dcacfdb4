"""The host looks at itself; the controller hears of it only when something has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from agents import surveying
from agents.controller_api import Unreachable
from agents.errors import AgentError
from agents.surveying import Surveyor, digest_of
from agents.wire.reports import Repair, SurveyReport, SurveyResult


class Bench:
    """A surveyor over a host that the test describes."""

    def __init__(self) -> None:
        self.survey = SurveyResult()
        self.repairs: list[Repair] = []
        self.told: list[SurveyReport] = []
        self.looks = 0
        self.fails: Exception | None = None
        self.surveyor = Surveyor(self._mend, self._look, self._tell, every=0.05)
        self.thread = threading.Thread(target=self.surveyor.run, daemon=True)
        self.thread.start()

    def _mend(self) -> list[Repair]:
        done, self.repairs = self.repairs, []
        return done

    def _look(self) -> SurveyResult:
        self.looks += 1
        return self.survey

    def _tell(self, report: SurveyReport) -> None:
        if self.fails is not None:
            raise self.fails
        self.told.append(report)

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the surveyor did not do this"
            time.sleep(0.01)

    def looks_again(self) -> None:
        before = self.looks
        self.wait(lambda: self.looks >= before + 2)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(surveying, "PAUSE_SECONDS", 0.01)
    made = Bench()
    yield made
    made.surveyor.stop()
    made.thread.join(5)
    assert not made.thread.is_alive()


def test_a_host_that_does_not_change_is_told_once(bench: Bench) -> None:
    bench.wait(lambda: bench.told)
    bench.looks_again()
    assert len(bench.told) == 1


def test_a_change_is_told_with_a_higher_sequence_and_another_digest(bench: Bench) -> None:
    bench.wait(lambda: bench.told)
    bench.survey = SurveyResult(stray_files=("x",))
    bench.wait(lambda: len(bench.told) == 2)
    first, second = bench.told
    assert second.survey.stray_files == ("x",)
    assert second.sequence > first.sequence
    assert second.digest == digest_of(second.survey) != first.digest


def test_what_was_mended_is_told_although_the_host_looks_as_before(bench: Bench) -> None:
    bench.wait(lambda: bench.told)
    bench.repairs = [Repair("dhcp", "n")]
    bench.wait(lambda: len(bench.told) == 2)
    bench.looks_again()
    assert [report.repairs for report in bench.told] == [(), (Repair("dhcp", "n"),)]


def test_what_could_not_be_told_is_told_later_with_all_repairs(bench: Bench) -> None:
    bench.wait(lambda: bench.told)
    bench.fails = Unreachable("away")
    bench.repairs = [Repair("rules", "n")]
    bench.looks_again()
    assert bench.surveyor.standing()[0] == "", "nobody knows whether it arrived"
    bench.fails = None
    bench.wait(lambda: len(bench.told) == 2)
    assert bench.told[-1].repairs == (Repair("rules", "n"),)


def test_the_delivered_survey_stands_while_the_host_looks_like_it(bench: Bench) -> None:
    bench.wait(lambda: bench.told)
    bench.looks_again()
    digest, age = bench.surveyor.standing()
    assert digest == bench.told[0].digest
    assert 0 <= age < 10


def test_a_libvirt_that_is_away_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.wait(lambda: bench.told)

    def broken() -> SurveyResult:
        bench.looks += 1
        raise AgentError("libvirt", "away", True)

    monkeypatch.setattr(bench.surveyor, "_look", broken)
    bench.looks_again()
    monkeypatch.undo()
    bench.survey = SurveyResult(stray_files=("y",))
    bench.wait(lambda: len(bench.told) == 2)


def test_an_old_survey_is_sent_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.wait(lambda: bench.told)
    monkeypatch.setattr(surveying, "RESEND_SECONDS", 0.0)
    bench.wait(lambda: len(bench.told) > 1)


def test_a_hint_brings_the_next_look_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(surveying, "SOON_SECONDS", 0.01)
    monkeypatch.setattr(surveying, "AFTER_WORK_SECONDS", 0.01)
    looks: list[float] = []

    def look() -> SurveyResult:
        looks.append(time.monotonic())
        return SurveyResult()

    surveyor = Surveyor(list, look, lambda _report: None, every=3600)
    thread = threading.Thread(target=surveyor.run, daemon=True)
    thread.start()
    for count, hint in ((1, None), (2, surveyor.soon), (3, surveyor.after_work)):
        if hint is not None:
            hint()
        deadline = time.monotonic() + 10
        while len(looks) < count:
            assert time.monotonic() < deadline, "an hour is too long"
            time.sleep(0.01)
    surveyor.stop()
    thread.join(5)
