"""/healthz tells which part fails, and names nothing else."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.rooms import add_host
from webcloud.conductor.runner import Conductor
from webcloud.config import Config
from webcloud.db import Database
from webcloud.proxy.server import Proxy

WORKING = SimpleNamespace(works=lambda: True)


def test_without_a_conductor_nothing_can_be_served(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json["status"] == "failing"
    assert answer.json["parts"]["conductor"] == {"status": "failing", "why": "not_started"}


def test_a_conductor_whose_threads_have_ended_carries_nothing_out(
    app: Flask, client: FlaskClient, database: Database
) -> None:
    conductor = app.extensions["webcloud_conductor"] = Conductor(database, workers=1)
    conductor.start()
    assert client.get("/healthz").status_code == 200
    conductor.stop()
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json["parts"]["conductor"] == {"status": "failing", "why": "threads_ended"}


def test_a_silent_host_or_a_missing_proxy_is_degraded_but_serves(
    app: Flask, client: FlaskClient
) -> None:
    app.extensions["webcloud_conductor"] = WORKING
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["parts"]["proxy"] == {"status": "failing", "why": "no_answer"}
    assert answer.json["parts"]["hosts"]["enrolled"] == 0


def test_all_is_well_with_a_live_host_and_a_proxy(
    app: Flask, client: FlaskClient, database: Database, config: Config
) -> None:
    app.extensions["webcloud_conductor"] = WORKING
    config.proxy_socket.parent.mkdir(parents=True)
    proxy = Proxy(config.proxy_socket)
    threading.Thread(target=proxy.run, daemon=True).start()
    with database.transaction() as session:
        add_host(session, "secret-name")
    try:
        answer = client.get("/healthz")
    finally:
        proxy.close()
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    assert answer.json["parts"]["hosts"]["alive"] == 1
    assert "secret-name" not in answer.text


def test_a_database_that_is_away_fails_without_an_error_page(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.extensions["webcloud_conductor"] = WORKING
    away = Database("sqlite:////nowhere/at/all.sqlite")
    monkeypatch.setattr(app.extensions["webcloud"], "database", away)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json["parts"]["database"] == {"status": "failing", "why": "unavailable"}
    assert answer.json["parts"]["hosts"]["status"] == "failing"
