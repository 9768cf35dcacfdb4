"""The stream of hints that a page drawn a moment ago has missed."""

from __future__ import annotations

import pytest

from webcloud.live.recent import Recent

ROOMS = ["project:blue", "operators"]


def hint(number: int) -> dict[str, str]:
    return {"kind": "instance", "id": str(number)}


def test_what_came_after_the_mark_is_told_and_nothing_else() -> None:
    recent = Recent()
    recent.add("project:blue", hint(1))
    mark = recent.mark()
    recent.add("project:blue", hint(2))
    recent.add("operators", hint(3))
    assert recent.since(mark, ROOMS) == [hint(2), hint(3)]
    assert recent.since(recent.mark(), ROOMS) == []


def test_hints_to_rooms_one_may_not_hear_stay_untold() -> None:
    recent = Recent()
    mark = recent.mark()
    recent.add("project:red", hint(1))
    assert recent.since(mark, ["project:blue"]) == []


def test_a_mark_too_old_to_be_answered_is_not_taken_for_nothing_new() -> None:
    recent = Recent(most=2)
    mark = recent.mark()
    for number in range(3):
        recent.add("operators", hint(number))
    assert recent.since(mark, ROOMS) is None


@pytest.mark.parametrize("number", ["0", "7", "-1", "x", "", "²"])
def test_a_mark_of_another_process_or_of_nobody_is_not_known(number: str) -> None:
    recent = Recent()
    own = recent.mark().partition(":")[0]
    assert recent.since(f"other:{number}", ROOMS) is None
    if number != "0":
        assert recent.since(f"{own}:{number}", ROOMS) is None
