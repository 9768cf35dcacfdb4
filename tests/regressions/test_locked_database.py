"""A database that another process keeps locked: everybody is told soon, nothing is half-written."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from tests.support.people import Person
from webcloud import db
from webcloud.config import Config


@pytest.mark.sqlite("only SQLite has one lock for everything, which another process can keep")
def test_many_changes_against_a_locked_database_are_all_refused_soon(
    app: Flask, config: Config, member: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_SECONDS", 1)
    app.extensions["webcloud"].database.engine.dispose()  # The wait is set when it connects.
    path = "/compute/v2.1/os-keypairs"
    other = sqlite3.connect(config.database_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()

    def change(number: int) -> tuple[int, str | None]:
        body = {"keypair": {"name": f"k{number}"}}
        answer = app.test_client().post(path, json=body, headers=member.headers)
        return answer.status_code, answer.headers.get("Retry-After")

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(change, range(12)))
    waited = time.monotonic() - began
    other.execute("ROLLBACK")
    other.close()
    assert set(answers) == {(503, "5")}
    assert waited < 10
    listed = app.test_client().get(path, headers=member.headers)
    assert listed.get_json() == {"keypairs": []}
    assert change(99) == (200, None)
