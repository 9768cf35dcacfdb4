"""An agent whose loops hang ends itself; one that only waits, works or was stopped does not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from agents import watchdog
from agents.watchdog import Pulse, Watchdog
from agents.wire.commands import Survey
from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost

QUICK = (
    "import sys; from agents import watchdog, __main__ as entry; "
    "watchdog.EVERY_SECONDS, watchdog.STRIKES = 0.1, 20; sys.exit(entry.main())"
)


def looks(dog: Watchdog, count: int) -> list[str]:
    return [dog.look() for _ in range(count)]


def test_a_loop_that_is_at_work_without_a_sign_is_found() -> None:
    well, hung = Pulse(), Pulse()
    dog = Watchdog({"well": well, "hung": hung})
    hung.beat()
    found = []
    for _ in range(watchdog.STRIKES + 1):
        well.beat()
        found.append(dog.look())
    assert found == [""] * watchdog.STRIKES + ["hung"]


def test_a_loop_that_waits_or_goes_on_slowly_is_left_alone() -> None:
    resting, slow = Pulse(), Pulse()
    dog = Watchdog({"resting": resting, "slow": slow})
    resting.beat()
    resting.rest()
    for _ in range(5):
        slow.beat()
        assert set(looks(dog, watchdog.STRIKES)) == {""}


def test_a_loop_that_was_stopped_for_long_has_missed_one_look() -> None:
    """As an agent that got SIGSTOP, or a machine that was suspended: nobody looked meanwhile."""
    pulse = Pulse()
    dog = Watchdog({"claim": pulse})
    pulse.beat()
    assert looks(dog, watchdog.STRIKES) == [""] * watchdog.STRIKES
    pulse.beat()
    assert set(looks(dog, watchdog.STRIKES)) == {""}


def test_it_ends_once_and_not_after_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "EVERY_SECONDS", 0.0)
    pulse = Pulse()
    pulse.beat()
    ended: list[str] = []
    dog = Watchdog({"claim": pulse}, ended.append)
    dog.run()
    assert ended == ["claim"]
    dog.stop()
    threading.Thread(target=dog.run).run()
    assert ended == ["claim"]


@pytest.mark.parametrize("what", ["commands", "reports"])
def test_an_agent_whose_controller_never_finishes_an_answer_ends_and_works_when_started_anew(
    what: str, controller: AgentController, test_host: AgentHost
) -> None:
    controller.hangs_at = what
    process = subprocess.Popen(
        [sys.executable, "-c", QUICK],
        env=dict(os.environ, **test_host.environment),
        cwd="/",
        stderr=subprocess.PIPE,
        text=True,
    )
    asked = controller.ask(Survey(), "host")
    controller.wait_for(lambda: controller.hint_clients)
    _, told = process.communicate(timeout=60)
    assert process.returncode == watchdog.HUNG_STATUS
    loop = "claim" if what == "commands" else "report"
    assert f"the thread {loop} hangs" in told
    assert f"in {loop}_forever" in told, "where it stood"
    controller.hangs_at = ""
    test_host.start()
    assert controller.answer(asked).status == "done"


def test_an_agent_with_nothing_to_do_is_left_alone(
    controller: AgentController, test_host: AgentHost
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", QUICK], env=dict(os.environ, **test_host.environment), cwd="/"
    )
    test_host.process = process
    controller.wait_for(lambda: controller.hint_clients)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(4)
    assert controller.do(Survey(), "host").status == "done"
