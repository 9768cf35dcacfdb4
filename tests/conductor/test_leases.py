"""Who gets an operation, and what a lease keeps from one step to the next."""

from __future__ import annotations

import pytest

from tests.conductor.kinds import Function, begin, build, drive, journal, log, look, turn
from webcloud.conductor import leases, starting, steps, taking
from webcloud.conductor.leases import Lease
from webcloud.conductor.operation import Done, Operation, Run, Step
from webcloud.db import Database, after_commit, now
from webcloud.errors import Unavailable


def test_whoever_is_beaten_to_the_earliest_takes_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(journal)
    first, second = begin(database, made), begin(database, made)
    real = taking._take

    def beaten(
        given: Database, worker: str, seconds: float, operation_id: str, early: bool
    ) -> Lease | None:
        if operation_id == first:
            assert real(given, "quick", seconds, operation_id, early) is not None
        return real(given, worker, seconds, operation_id, early)

    monkeypatch.setattr(taking, "_take", beaten)
    lease = taking.claim(database, "slow")
    assert lease is not None
    assert lease.operation_id == second
    assert taking.claim(database, "late") is None


@pytest.mark.parametrize("reads", [True, False])
def test_a_wake_between_two_steps_is_spent_by_the_next(database: Database, reads: bool) -> None:
    """``reads``: the next step reads the row anew, so that it knows before it begins."""
    operation_id = begin(database, build(journal, journal, journal))
    lease = taking.claim(database, "w")
    assert lease is not None
    taken = lease.run_at
    assert steps.execute(database, lease)
    assert look(database, operation_id).run_at == taken, "the time is not written at each step"
    with database.transaction() as session:
        starting.wake(session, operation_id)
    if reads:
        lease.row = None
    assert look(database, operation_id).run_at < taken
    assert steps.execute(database, lease)
    assert look(database, operation_id).run_at == lease.run_at > taken


def test_a_cancellation_between_two_steps_lets_no_more_than_the_next_be_done(
    database: Database,
) -> None:
    operation_id = begin(database, build(journal, journal, journal))
    lease = taking.claim(database, "w")
    assert lease is not None
    assert steps.execute(database, lease)
    with database.transaction() as session:
        starting.cancel(session, operation_id)
    while steps.execute(database, lease):
        pass
    assert look(database, operation_id).status == "cancelled"
    assert "done three" not in log(database, operation_id)
    assert log(database, operation_id, "undone")[-1] == "undone one"


def test_a_lease_kept_for_long_says_a_newer_time(database: Database) -> None:
    operation_id = begin(database, build(journal, journal))
    lease = taking.claim(database, "w")
    assert lease is not None
    long_ago = now() - 2 * leases.RENEWED
    lease.run_at = long_ago
    with database.transaction() as session:
        leases.keep(leases.held(session, lease), lease)
    assert long_ago + leases.RENEWED < look(database, operation_id).run_at <= now()


def test_a_step_that_is_with_the_next_shares_its_transaction_where_one_writes_at_a_time(
    database: Database,
) -> None:
    happened: list[str] = []

    def first(run: Run) -> Done:
        after_commit(run.session, lambda: happened.append("commit"))
        return journal(run)

    def second(run: Run) -> Done:
        happened.append("two")
        return journal(run)

    operation_id = begin(database, _joined(first, second))
    turn(database, operation_id)
    assert look(database, operation_id).status == "done"
    assert log(database, operation_id, "mark") == ["mark one", "mark two"]
    together = ["two", "commit"]
    assert happened == (together if database.is_sqlite else together[::-1])


def test_a_step_is_done_anew_and_apart_when_the_one_it_is_with_fails(database: Database) -> None:
    tries: list[str] = []

    def first(run: Run) -> Done:
        tries.append("one")
        return journal(run)

    def second(run: Run) -> Done:
        tries.append("two")
        journal(run)
        if tries.count("two") < 3:
            raise RuntimeError("not now")
        return Done()

    operation_id = begin(database, _joined(first, second))
    turn(database, operation_id)
    row = look(database, operation_id)
    assert (row.step, row.lease_token) == ("two", None)
    assert log(database, operation_id, "mark", "retry") == ["mark one", "retry two"]
    assert drive(database, operation_id).status == "done"
    assert log(database, operation_id, "mark") == ["mark one", "mark two"]
    assert tries.count("one") == (2 if database.is_sqlite else 1)


def test_several_steps_share_one_transaction_and_what_comes_after_has_its_own(
    database: Database,
) -> None:
    happened: list[str] = []

    def step(run: Run) -> Done:
        happened.append(run.step)
        after_commit(run.session, lambda: happened.append("commit"))
        return journal(run)

    operation_id = begin(database, _joined(step, step, step, apart=step))
    turn(database, operation_id)
    assert look(database, operation_id).status == "done"
    if database.is_sqlite:
        assert happened == ["one", "two", "three", "commit", "commit", "commit", "last", "commit"]
    else:
        assert happened == ["one", "commit", "two", "commit", "three", "commit", "last", "commit"]


def _joined(*dos: Function, apart: Function | None = None) -> type[Operation]:
    """A kind whose steps all share one transaction, but for one after them."""
    names = ["one", "two", "three"][: len(dos)]
    table = [
        Step(name, name.title(), do, no_undo="A test.", with_next=name != names[-1])
        for name, do in zip(names, dos, strict=True)
    ]
    if apart is not None:
        table.append(Step("last", "Last", apart, no_undo="A test."))
    return build(steps=tuple(table))


def test_taking_says_that_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = begin(database, build(journal))
    monkeypatch.setattr(database, "tells_changed_rows", True)

    def away() -> None:
        raise Unavailable("The database is away.")

    monkeypatch.setattr(database, "transaction", away)
    with pytest.raises(Unavailable):
        taking.claim(database, "test", operation_id=operation_id)
