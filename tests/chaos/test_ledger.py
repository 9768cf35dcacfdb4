"""The ledger finds what it is there to find: each kind of harm, made up by hand."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.chaos.ledger import Event, Verdict, judge
from tests.chaos.report import Outcome, as_json, lines
from tests.chaos.takeover import percentile
from tests.chaos.victims import Injury
from tests.chaos.wishes import Sent
from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.instances.models import Instance

MOMENT = now()


def operation(**columns: object) -> OperationRow:
    values: dict[str, object] = {
        "id": "op",
        "kind": "instance.create",
        "subject_id": "i1",
        "request_id": "req-1",
        "idempotency_key": "project:key-1",
        "status": "done",
        "error_code": "",
        "step": "boot",
        "why": "",
        "deadline_at": MOMENT + timedelta(seconds=60),
        "finished_at": MOMENT,
    }
    return OperationRow(**{**values, **columns})


CREATED = Sent("create", "key-1", 0.0, "i1", 202, "req-1")
INSTANCE = Instance(id="i1", name="key-1")
RAN = [Event(1.0, "n1", "runs", "i1"), Event(2.0, "n1", "ends", "i1")]


def verdict(
    sent: list[Sent] | None = None,
    operations: list[OperationRow] | None = None,
    instances: list[Instance] | None = None,
    events: list[Event] | None = None,
) -> Verdict:
    return judge(
        [CREATED] if sent is None else sent,
        [operation()] if operations is None else operations,
        [INSTANCE] if instances is None else instances,
        RAN if events is None else events,
    )


def test_what_was_accepted_and_has_ended_is_clean() -> None:
    found = verdict()
    assert found.clean
    assert found.accepted == 1
    assert found.ended == Counter({"instance.create done": 1})


def test_an_accepted_request_without_an_operation_is_lost() -> None:
    assert verdict(operations=[]).lost == ["create i1 req-1"]


def test_an_operation_that_never_ended_is_lost() -> None:
    found = verdict(operations=[operation(finished_at=None, why="waiting for the host")])
    assert found.lost == [
        "instance.create op of i1 never ended: boot, waiting for the host",
    ]


def test_an_operation_that_ended_long_after_its_deadline_is_lost() -> None:
    late = operation(finished_at=MOMENT + timedelta(seconds=130))
    assert verdict(operations=[late]).lost == ["instance.create op of i1 ended late"]


def test_a_repeated_create_is_found_by_its_key() -> None:
    again = Sent("create", "key-1", 0.0, "i1", 202, "req-2")
    assert verdict(sent=[again]).clean


def test_a_second_delete_joins_the_first() -> None:
    gone = Instance(id="i1", name="key-1", deleted_at=MOMENT)
    second = Sent("delete", "", 0.0, "i1", 204, "req-9")
    assert verdict(sent=[CREATED, second], instances=[gone]).clean
    assert verdict(sent=[CREATED, second]).lost == ["delete i1 req-9"]


def test_two_instances_of_one_key_are_a_duplicate() -> None:
    found = verdict(instances=[INSTANCE, Instance(id="i2", name="key-1")])
    assert found.duplicates == ["key-1 was made 2 times"]


def test_an_instance_that_nobody_asked_for_is_a_duplicate() -> None:
    found = verdict(instances=[INSTANCE, Instance(id="i2", name="other")])
    assert found.duplicates == ["other was never asked for"]


def test_an_instance_that_ran_on_two_hosts_is_a_duplicate() -> None:
    found = verdict(events=[*RAN, Event(3.0, "n2", "runs", "i1")])
    assert found.duplicates == ["i1 ran on ['n1', 'n2']"]


def test_an_error_that_is_no_plea_for_patience_is_unclear() -> None:
    sent = Sent("create", "key-1", 0.0, "i1", 202, "req-1", unclear=[503, 500])
    found = verdict(sent=[sent])
    assert found.unclear == ["create: HTTP 500"]
    assert not found.clean


def test_refused_and_unanswered_requests_are_counted_apart() -> None:
    refused = Sent("stop", "", 0.0, "i1", 409)
    unanswered = Sent("stop", "", 0.0, "i1")
    found = verdict(sent=[CREATED, refused, unanswered])
    assert (found.accepted, found.refused, found.unanswered) == (1, 1, 1)
    assert found.clean


def test_the_summary_names_what_was_found() -> None:
    found = verdict(operations=[])
    injury = Injury(1.0, "agent", "kill", "agent-n1", 0)
    outcome = Outcome(7, "sqlite", 20, [injury], found, [1.0, 9.5], 3.2, 60, ["I9 x: y"])
    said = "\n".join(lines(outcome))
    for words in ("seed 7", "kill   agent", "lost               1", "p99 9.5 s", "lost: create i1"):
        assert words in said
    assert "verify: I9 x: y" in said
    assert not outcome.clean
    assert '"takeover_p99": 9.5' in as_json(outcome)


def test_a_percentile_is_one_of_the_numbers() -> None:
    numbers = [float(number) for number in range(1, 101)]
    assert percentile(numbers, 0.5) == 51.0
    assert percentile(numbers, 0.99) == 100.0
    assert percentile([], 0.99) == 0.0
