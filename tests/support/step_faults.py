"""Faults inside one step: what stands in its place while a test runs.

Each makes another function of a step's (or undo's) function.  A step that asks
a host is run several times, so "after its effect" is when it returns Done.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from tests.support.operations import Change, Function
from webcloud.conductor.operation import Done, Run, StepFailed, Wait

INJECTED = "injected_fault"
HELD = "held by the test"


def twice(function: Function) -> Function:
    """Done again at once, as after a lost commit."""

    def repeated(run: Run) -> Done | Wait:
        first = function(run)
        if isinstance(first, Wait):
            return first
        run.session.flush()
        second = function(run)
        assert isinstance(second, Done), f"{run.step} was done and then was not"
        return second

    return repeated


def fail_before(function: Function) -> Function:
    """It fails for good before its effect."""

    def failing(run: Run) -> Done | Wait:
        raise StepFailed(INJECTED, "A fault was injected before the step.")

    return failing


def fail_after(function: Function) -> Function:
    """It fails for good after its effect."""

    def failing(run: Run) -> Done | Wait:
        result = function(run)
        if isinstance(result, Wait):
            return result
        run.session.flush()
        raise StepFailed(INJECTED, "A fault was injected after the step.")

    return failing


def failing_at_first(times: int, *, after_effect: bool) -> Change:
    """It fails as above, but only the first ``times``."""
    left = [times]

    def change(function: Function) -> Function:
        failing = (fail_after if after_effect else fail_before)(function)

        def at_first(run: Run) -> Done | Wait:
            if left[0] == 0:
                return function(run)
            try:
                return failing(run)
            except StepFailed:
                left[0] -= 1
                raise

        return at_first

    return change


def hold(released: Callable[[], object] = lambda: False) -> Change:
    """Its effect is there, its end is not until ``released``."""

    def change(function: Function) -> Function:
        def holding(run: Run) -> Done | Wait:
            result = function(run)
            return result if isinstance(result, Wait) or released() else Wait(0, HELD)

        return holding

    return change


def raising(times: int) -> Change:
    """The first ``times`` successes end in an error that is no StepFailed."""
    left = [times]

    def change(function: Function) -> Function:
        def unreliable(run: Run) -> Done | Wait:
            result = function(run)
            if isinstance(result, Done) and left[0] > 0:
                left[0] -= 1
                run.session.flush()
                raise ConnectionError("injected")
            return result

        return unreliable

    return change


def commit_lost(name: str, times: int = 1) -> Change:
    """The database goes away at the commit, ``before_commit`` or ``after_commit``.

    Asking and ending a step are two commits; each of the first ``times`` of
    both is lost.
    """
    left = {Done: times, Wait: times}

    def gone(_session: Session) -> None:
        raise OperationalError("COMMIT", None, Exception("the connection was lost"))

    def change(function: Function) -> Function:
        def losing(run: Run) -> Done | Wait:
            result = function(run)
            if left[type(result)] > 0:
                left[type(result)] -= 1
                event.listen(run.session, name, gone, once=True)
            return result

        return losing

    return change


def before(act: Callable[[Run], None]) -> Change:
    """``act`` is called before the step's own function, each time."""

    def change(function: Function) -> Function:
        def acting(run: Run) -> Done | Wait:
            act(run)
            return function(run)

        return acting

    return change
