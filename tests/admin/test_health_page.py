"""The page Health shows what an operator should look at, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from agents.wire.reports import DomainState, SurveyReport, SurveyResult
from tests.hosts.agents_edge import AgentSide, enrol
from tests.hosts.test_agent_api import INVENTORY
from tests.support.people import Person, log_in
from webcloud.conductor.models import OperationEvent, OperationRow, PeriodicRow
from webcloud.db import Database, new_id, now
from webcloud.drift import advice, recording
from webcloud.drift.recording import Seen
from webcloud.hosts.capacity import GIB
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance
from webcloud.words import say

Browse = Callable[..., TestResponse]
UNKNOWN = "88888888-8888-4888-8888-888888888888"


@pytest.fixture
def browse(app: Flask) -> Browse:
    """``browse(person, path)``: the answer that this person's browser gets."""
    browsers: dict[str, FlaskClient] = {}

    def get(person: Person, path: str, **headers: str) -> TestResponse:
        if person.name not in browsers:
            browsers[person.name] = app.test_client()
            log_in(browsers[person.name], person.name)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return browsers[person.name].get(path, headers={"Accept": "text/html", **sent})

    return get


def send(agent: AgentSide, survey: SurveyResult, sequence: int = 1) -> None:
    answer = agent.put("survey", SurveyReport("run", sequence, "digest", 0.0, survey))
    assert answer.status_code == 200, answer.text


@pytest.fixture
def agent(app: Flask, database: Database) -> AgentSide:
    side = enrol(app, "n7")
    with database.transaction() as session:
        session.get_one(Host, side.host_id).last_seen_at = now()
    return side


def test_a_cloud_in_order_says_so(agent: AgentSide, admin: Person, browse: Browse) -> None:
    send(agent, SurveyResult())
    page = browse(admin, "/health").text
    assert "None." in page
    assert "n7" not in page


def test_a_domain_that_nothing_owns_is_shown_with_what_to_do_by_hand(
    agent: AgentSide, admin: Person, browse: Browse
) -> None:
    send(agent, SurveyResult(domains=(DomainState(UNKNOWN, "running"),)))
    for address in ("/health", f"/hosts/{agent.host_id}"):
        page = browse(admin, address).text
        assert UNKNOWN in page
        assert "has a domain on n7 but is not placed there" in page
        assert "virsh undefine" in page
    send(agent, SurveyResult(), 2)
    assert UNKNOWN not in browse(admin, "/health").text
    assert 'aria-labelledby="drift"' not in browse(admin, f"/hosts/{agent.host_id}").text


def test_a_file_name_is_text_on_the_page(agent: AgentSide, admin: Person, browse: Browse) -> None:
    send(agent, SurveyResult(stray_files=("<script>alert(1)</script>",)))
    page = browse(admin, "/health").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page


def test_the_fragment_alone_comes_to_htmx(agent: AgentSide, admin: Person, browse: Browse) -> None:
    page = browse(admin, "/health", HX_Request="true").text
    assert page.lstrip().startswith('<div id="health"')


def test_operators_alone_see_it(member: Person, admin: Person, browse: Browse) -> None:
    assert browse(member, "/health").status_code == 403
    assert "/health" not in browse(member, "/instances").text
    assert "/health" in browse(admin, "/instances").text


def test_alarms_silent_hosts_and_failing_work_are_shown(
    agent: AgentSide, admin: Person, database: Database, browse: Browse
) -> None:
    with database.transaction() as session:
        session.get_one(Host, agent.host_id).last_seen_at = now() - timedelta(minutes=5)
        moment = now()
        row = OperationRow(
            id=new_id(),
            kind="instance.stop",
            subject_type="instance",
            subject_id=new_id(),
            subject_name="db-late",
            step="shut_down",
            status="unwinding",
            run_at=moment,
            deadline_at=moment,
            created_at=moment,
        )
        session.add(row)
        session.flush()
        session.add(OperationEvent(operation_id=row.id, at=moment, step="", event="alarm"))
        session.add(PeriodicRow(name="some.work", run_at=moment, failures=3, last_error="KeyError"))
    page = browse(admin, "/health").text
    assert "Hosts that do not answer" in page
    assert "n7" in page
    assert "db-late" in page
    assert "some.work" in page
    assert "3 times in a row" in page


def test_a_host_whose_disk_is_nearly_full_is_shown_until_it_is_not(
    agent: AgentSide, admin: Person, browse: Browse
) -> None:
    full = replace(INVENTORY, disk_free=4 * GIB)
    for inventory, shown in ((INVENTORY, False), (full, True), (INVENTORY, False)):
        assert agent.put("inventory", inventory).status_code == 200
        health = browse(admin, "/health").text
        host = browse(admin, f"/hosts/{agent.host_id}").text
        assert ("Hosts whose disk is nearly full" in health) is shown
        assert ('<p class="what">Its disk is nearly full: 4' in host) is shown
        assert ("an instance whose disk cannot grow is paused" in health) is shown
    assert "Its disk is nearly full: 4.0 GB free" in host, "among what happened"
    assert "There is room on its disk again" in host


def test_the_instances_page_says_what_its_owner_can_do(
    database: Database, member: Person, agent: AgentSide, browse: Browse
) -> None:
    moment = now()
    instance = Instance(
        id=new_id(), name="db1", hostname="db1", project_id=member.project_id,
        user_id=member.user_id, image_id=new_id(), flavor_id="1", flavor_name="tiny",
        vcpus=1, memory_mb=64, disk_gb=1, host_id=agent.host_id, observed_power="shutoff",
        built=True, created_at=moment, updated_at=moment,
    )  # fmt: skip
    seen = [
        Seen("I14", "disk_missing", instance.id, say("has no disk on {host}", host="n7"),
             instance.id, instance.project_id),
        Seen("I9", "domain_transient", instance.id, "is the operator's business alone",
             instance.id, instance.project_id),
    ]  # fmt: skip
    with database.transaction() as session:
        session.add(instance)
        session.flush()
        recording.record(session, session.get_one(Host, agent.host_id), seen, moment)
    page = browse(member, f"/instances/{instance.id}").text
    assert "Its disk is gone from its host" in page
    assert "drift-note" in page
    assert page.count("drift-note") == 1


def test_a_survey_that_breaks_the_contract_is_refused(agent: AgentSide) -> None:
    answer = agent.client.put(
        "/agents/v1/survey", json={"run_id": "r", "made_up": 1}, headers=agent.headers
    )
    assert answer.status_code == 400


def test_every_kind_that_verify_knows_has_advice() -> None:
    import re
    from pathlib import Path

    from webcloud.admin import verify

    kinds = set()
    for path in Path(verify.__path__[0]).glob("*.py"):
        if path.name in ("definitions.py", "guests.py", "links.py", "hosts.py"):
            calls = re.findall(r'Problem\([^)]*?words, "(\w+)"', path.read_text())
            kinds.update(calls)
    assert kinds == set(advice.KINDS)
    assert advice.of("unheard of") is advice.OTHERWISE
