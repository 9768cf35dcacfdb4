"""How much of what is due a controller looks at."""

from __future__ import annotations

from webcloud.conductor.window import FEW, MOST, Window

READY = [str(number) for number in range(MOST)]


def ask(window: Window, *, gained: int, lost: int) -> None:
    for _ in range(gained):
        window.note(gained=True)
    for _ in range(lost):
        window.note(gained=False)


def test_a_controller_that_is_alone_takes_what_has_been_due_longest() -> None:
    window = Window()
    for _ in range(5):
        assert window.size == FEW
        assert window.pick(READY[: window.size]) == READY[:FEW]
        ask(window, gained=FEW, lost=0)


def test_who_is_often_too_late_picks_a_few_of_many_in_their_order() -> None:
    window = Window()
    for _ in range(10):
        ask(window, gained=FEW // 2, lost=FEW // 2)
        picked = window.pick(READY)
    assert window.size == MOST
    assert len(picked) == FEW
    assert picked == sorted(picked, key=int)
    assert {tuple(window.pick(READY)) for _ in range(20)} != {tuple(picked)}


def test_who_is_seldom_too_late_any_more_looks_at_less_again() -> None:
    window = Window()
    for _ in range(10):
        ask(window, gained=0, lost=1)
        window.pick(READY)
    ask(window, gained=FEW - 1, lost=1)
    window.pick(READY)
    assert window.size == MOST
    for _ in range(10):
        ask(window, gained=FEW, lost=0)
        window.pick(READY)
    assert window.size == FEW
