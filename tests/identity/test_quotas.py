"""Quotas: claims, releases and limits, on each kind of database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from tests.support.databases import KINDS, Servers
from webcloud.db import Base, Database, new_id, now
from webcloud.errors import QuotaExceeded
from webcloud.identity import quotas
from webcloud.identity.models import Project, QuotaLimit, QuotaUsage
from webcloud.identity.quotas import DEFAULTS, Usage

TABLES = [model.__table__ for model in (Project, QuotaLimit, QuotaUsage)]


@pytest.fixture(params=KINDS)
def database(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path
) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/db" if request.param == "sqlite" else servers.url(request.param)
    opened = Database(url)
    Base.metadata.create_all(opened.engine, tables=TABLES)
    yield opened
    with opened.transaction() as session:
        session.execute(delete(Project))
    opened.engine.dispose()


@pytest.fixture
def project_id(database: Database) -> str:
    made = new_id()
    with database.transaction() as session:
        session.execute(
            insert(Project).values(
                id=made, name=made, description="", enabled=True, created_at=now()
            )
        )
        quotas.open_account(session, made)
    return made


def usage(database: Database, project_id: str) -> dict[str, Usage]:
    with database.reading() as session:
        return quotas.usage(session, project_id)


def test_a_new_project_has_used_nothing_of_the_defaults(
    database: Database, project_id: str
) -> None:
    found = usage(database, project_id)
    assert found == {name: Usage(0, limit) for name, limit in DEFAULTS.items()}
    assert found["instances"].left == DEFAULTS["instances"]


def test_a_claim_and_its_release_leave_nothing(database: Database, project_id: str) -> None:
    amounts = {"instances": 2, "vcpus": 4, "memory_mb": 0}
    with database.transaction() as session:
        quotas.claim(session, project_id, amounts)
    assert usage(database, project_id)["vcpus"].used == 4
    with database.transaction() as session:
        quotas.release(session, project_id, amounts)
    assert {one.used for one in usage(database, project_id).values()} == {0}


def test_a_claim_of_nothing_needs_no_row_and_leaves_none(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        session.execute(delete(QuotaUsage).where(QuotaUsage.project_id == project_id))
        quotas.claim(session, project_id, {})
        quotas.claim(session, project_id, {"instances": 0, "ports": 0})
        assert list(session.scalars(select(QuotaUsage.resource))) == []


def test_asking_takes_nothing_and_refuses_what_a_claim_would(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, project_id, {"vcpus": 3, "networks": quotas.UNLIMITED})
        quotas.claim(session, project_id, {"vcpus": 2})
        quotas.check(session, project_id, {"vcpus": 1, "networks": 1_000_000})
        with pytest.raises(QuotaExceeded, match="vcpus does not allow 2 more: 2 of 3 are used"):
            quotas.check(session, project_id, {"vcpus": 2})
    assert usage(database, project_id)["vcpus"].used == 2


def test_usage_never_falls_below_zero(database: Database, project_id: str) -> None:
    with database.transaction() as session:
        quotas.claim(session, project_id, {"ports": 1})
        quotas.release(session, project_id, {"ports": 5})
    assert usage(database, project_id)["ports"].used == 0


def test_a_refusal_names_resource_usage_and_limit_and_claims_nothing(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, project_id, {"vcpus": 3})
        quotas.claim(session, project_id, {"vcpus": 2})
    words = "quota of vcpus does not allow 2 more: 2 of 3 are used"
    with pytest.raises(QuotaExceeded, match=words), database.transaction() as session:
        quotas.claim(session, project_id, {"instances": 1, "vcpus": 2})
    found = usage(database, project_id)
    assert (found["instances"].used, found["vcpus"].used) == (0, 2)


def test_exactly_the_limit_may_be_used(database: Database, project_id: str) -> None:
    with database.transaction() as session:
        quotas.claim(session, project_id, {"images": DEFAULTS["images"]})
    assert usage(database, project_id)["images"].left == 0


def test_no_limit_means_no_refusal(database: Database, project_id: str) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, project_id, {"networks": quotas.UNLIMITED})
        quotas.claim(session, project_id, {"networks": 1_000_000})
        assert quotas.limit(session, project_id, "networks") == quotas.UNLIMITED
    assert usage(database, project_id)["networks"].left is None


def test_a_limit_below_what_is_used_leaves_nothing_to_claim(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        quotas.claim(session, project_id, {"ports": 5})
        quotas.set_limits(session, project_id, {"ports": 2})
    assert usage(database, project_id)["ports"].left == 0


def test_a_resource_younger_than_the_project_gets_its_row_when_claimed(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        session.execute(delete(QuotaUsage).where(QuotaUsage.resource == "ports"))
        quotas.claim(session, project_id, {"ports": 3})
    assert usage(database, project_id)["ports"].used == 3


def test_a_row_that_another_transaction_adds_first_serves_as_well(
    database: Database, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        looked = session.get

        def blind(*args: object) -> object:
            return None if args[0] is QuotaUsage else looked(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(session, "get", blind)
        quotas._ensure_row(session, project_id, "ports")
        quotas.claim(session, project_id, {"ports": 1})
        rows = session.scalars(select(QuotaUsage.used).where(QuotaUsage.resource == "ports"))
        assert list(rows) == [1]


def test_a_row_that_is_there_by_now_is_left_as_it_is(database: Database, project_id: str) -> None:
    with database.transaction() as session:
        quotas.claim(session, project_id, {"ports": 3})
        quotas._ensure_row(session, project_id, "ports")
    assert usage(database, project_id)["ports"].used == 3


def test_wrong_names_and_amounts_are_refused(database: Database, project_id: str) -> None:
    with database.reading() as session:
        with pytest.raises(LookupError, match="no quota called 'cats'"):
            quotas.claim(session, project_id, {"cats": 1})
        with pytest.raises(LookupError):
            quotas.limit(session, project_id, "cats")
        with pytest.raises(ValueError, match="zero or more, not -1"):
            quotas.claim(session, project_id, {"ports": -1})
        with pytest.raises(ValueError, match="-1 or more, not -2"):
            quotas.set_limits(session, project_id, {"ports": -2})


def test_sec_S67_of_a_hundred_claims_at_once_exactly_the_limit_is_accepted(
    database: Database, project_id: str
) -> None:
    with database.transaction() as session:
        quotas.set_limits(session, project_id, {"instances": 10})
    together = threading.Barrier(25)

    def claim(number: int) -> bool:
        if number < 25:
            together.wait(10)
        try:
            with database.transaction() as session:
                quotas.claim(session, project_id, {"instances": 1, "vcpus": 2})
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(25) as pool:
        outcomes = list(pool.map(claim, range(100)))
    assert outcomes.count(True) == 10
    found = usage(database, project_id)
    assert (found["instances"].used, found["vcpus"].used) == (10, 20)
