"""Failed logins: counted per name and address, in bounded memory, telling nothing."""

from __future__ import annotations

import statistics
import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from tests.identity.requests import password_login
from tests.support.people import Person
from webcloud.audit.models import AuditEntry
from webcloud.db import Database
from webcloud.errors import RateLimited
from webcloud.identity import passwords, queries, rate_limit, service
from webcloud.identity.callers import SYSTEM
from webcloud.identity.rate_limit import Attempts, address_key, name_key


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_holds_for_a_minute_and_then_ends() -> None:
    clock = Clock()
    attempts = Attempts(3, clock)
    for _ in range(3):
        attempts.check("name:mai")
        attempts.failed("name:mai")
    clock.now += 20
    with pytest.raises(RateLimited) as refused:
        attempts.check("name:other", "name:mai")
    assert refused.value.retry_after == 40
    attempts.check("name:other")
    clock.now += 40
    attempts.check("name:mai")


def test_a_good_login_clears_the_name() -> None:
    attempts = Attempts(1, Clock())
    attempts.failed("name:mai")
    attempts.succeeded("name:mai")
    attempts.check("name:mai")


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_KEYS", 50)
    attempts = Attempts(1, Clock())
    for number in range(500):
        attempts.failed(f"name:{number}")
    assert len(attempts._counts) == 50
    with pytest.raises(RateLimited):
        attempts.check("name:499")


def test_a_name_cannot_be_varied_nor_an_ipv6_network_walked() -> None:
    assert name_key("MAI") == name_key("mai")
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert address_key("::ffff:192.0.2.1") != address_key("::ffff:192.0.2.2")
    assert address_key("192.0.2.1") == "address:192.0.2.1"
    assert address_key(None) == address_key("junk") == "address:unknown"


def test_sec_S77_unknown_wrong_and_disabled_read_the_same(
    client: FlaskClient, member: Person, stranger: Person, database: Database
) -> None:
    with database.transaction() as session:
        user = queries.user(session, stranger.user_id)
        service.set_user_enabled(session, SYSTEM, user, False)
    answers = [
        password_login(client, "nobody"),
        password_login(client, "mai", "wrong"),
        password_login(client, "stan"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json["error"]["message"] for answer in answers}) == 1


def test_sec_S77_unknown_and_wrong_take_equally_long(
    client: FlaskClient, member: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = passwords.hasher

    class Watching:
        def verify(self, password_hash: str, password: str) -> bool:
            hashed.append(password_hash)
            return real.verify(password_hash, password)

    monkeypatch.setattr(passwords, "hasher", Watching())
    monkeypatch.setattr(passwords, "_nobody", lambda: real.hash("nobody"))
    times: dict[str, list[float]] = {"nobody": [], "mai": []}
    for name, taken in times.items():
        for _ in range(4):
            began = time.perf_counter()
            assert password_login(client, name, "wrong").status_code == 401
            taken.append(time.perf_counter() - began)
    assert len(hashed) == 8
    medians = [statistics.median(taken) for taken in times.values()]
    assert max(medians) - min(medians) < 0.05


def test_sec_S77_the_limit_tells_not_whether_the_name_exists(
    client: FlaskClient, member: Person
) -> None:
    for address, name in (("192.0.2.1", "nobody"), ("192.0.2.2", "mai")):
        client.environ_base["REMOTE_ADDR"] = address
        answers = [password_login(client, name, "wrong").status_code for _ in range(12)]
        assert answers == [401] * 10 + [429] * 2
    client.environ_base["REMOTE_ADDR"] = "192.0.2.3"
    refused = password_login(client, "mai")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) <= 60


def test_sec_S77_bad_logins_leave_no_rows(
    client: FlaskClient, member: Person, database: Database
) -> None:
    def rows() -> int:
        with database.reading() as session:
            return session.scalar(select(func.count()).select_from(AuditEntry)) or 0

    before = rows()
    for number in range(300):
        password_login(client, f"nobody{number}", "wrong")
        client.get("/identity/v3/projects", headers={"X-Auth-Token": f"junk{number}"})
    assert rows() == before
