"""The channel against a real HTTP and Socket.IO edge, on libvirt's test driver."""

from __future__ import annotations

import json
import stat
import time
import uuid

import pytest

from agents.controller_api import _why
from agents.wire.commands import Command, EnsureDiskAbsent, ReadConsoleLog, Survey
from agents.wire.reports import Report
from tests.support.agent_controller import HOST_ID, SECRET, AgentController
from tests.support.agent_host import AgentHost


def some_id() -> str:
    return str(uuid.uuid4())


def test_an_agent_joins_once_and_tells_who_it_is(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.start_inside()
    inventory = controller.wait_for(lambda: controller.inventories)[0]
    assert (inventory.name, inventory.hypervisor) == ("host-1", "test")
    assert inventory.vcpus >= 1
    assert inventory.disk_total >= inventory.disk_free > 0
    assert inventory.versions["libvirt"]
    path = test_host.config.credential_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    stored = json.loads(path.read_text())
    assert (stored["host_id"], stored["secret"]) == (HOST_ID, SECRET)
    test_host.stop()
    controller.inventories.clear()
    test_host.start_inside()
    again = controller.wait_for(lambda: controller.inventories)[0]
    assert again.host_uuid == inventory.host_uuid
    assert controller.joins == 1


def test_a_hint_brings_a_command_in_a_fraction_of_the_polling_time(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.start_inside()
    controller.wait_for(lambda: controller.hint_clients)
    controller.wait_for(lambda: controller.domains)
    started = time.monotonic()
    report = controller.do(EnsureDiskAbsent(some_id()), "s")
    assert report.status == "done"
    assert time.monotonic() - started < 3.0


def test_without_any_hint_polling_finds_the_work(
    controller: AgentController, test_host: AgentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.channel.POLL_SECONDS", 0.3)
    monkeypatch.setattr("agents.hints.NAMESPACE", "/nobody")
    test_host.start_inside()
    controller.wait_for(lambda: controller.inventories)
    assert not controller.hint_clients
    asked = controller.ask(EnsureDiskAbsent(some_id()), "s", hint=False)
    assert controller.answer(asked).status == "done"


def test_the_agent_is_back_within_a_second_of_the_controller(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.start_inside()
    controller.wait_for(lambda: controller.hint_clients)
    controller.wait_for(lambda: controller.domains)
    controller.stop()
    time.sleep(1.5)
    controller.hint_clients.clear()
    controller.domains.clear()
    asked = controller.queue(
        Command("c", "ensure_disk_absent", "s", 1, {"instance_id": some_id()}), hint=False
    )
    controller.start()
    started = time.monotonic()
    assert controller.answer(asked, 5).status == "done"
    controller.wait_for(lambda: controller.hint_clients, 5)
    assert time.monotonic() - started < 4.5
    assert controller.wait_for(lambda: controller.domains)[0].full


def test_a_refused_credential_is_tried_again_until_it_is_accepted(
    controller: AgentController, test_host: AgentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.channel.BACKOFF_UNAUTHORIZED", 0.3)
    controller.accepts_credential = False
    test_host.start_inside()
    controller.wait_for(lambda: controller.joins)
    time.sleep(0.5)
    assert controller.joins == 1
    controller.accepts_credential = True
    assert controller.do(EnsureDiskAbsent(some_id()), "s").status == "done"


def test_a_new_join_token_replaces_a_credential_that_is_no_longer_accepted(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.config.state_dir.mkdir()
    test_host.config.credential_file.write_text('{"host_id": "old", "secret": "old"}')
    test_host.start_inside()
    controller.wait_for(lambda: controller.joins)
    controller.wait_for(lambda: controller.inventories)


def test_reports_nobody_wants_are_dropped_and_the_others_arrive(
    controller: AgentController, test_host: AgentHost
) -> None:
    agent = test_host.start_inside()
    controller.wait_for(lambda: controller.inventories)
    controller.unwanted.add("unwanted")
    for name in ("wanted", "unwanted", "wanted too"):
        agent.outbox.put(Report(name, "done"))
    controller.wait_for(lambda: len(controller.reports) >= 2)
    assert agent.outbox.drain(5)
    assert {item.command_id for item in controller.reports} == {"wanted", "wanted too"}


def test_commands_outside_the_contract_are_reported_as_such(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.start_inside()
    wrong = Command("c1", "ensure_disk_absent", "s", 1, {"instance_id": "../../etc"})
    controller.queue(wrong)
    report = controller.answer("c1")
    assert report.error_code == "bad_command"
    controller.commands["c2"] = Command("c2", "survey", 5, 1, {})  # type: ignore[arg-type]
    controller.hint()
    assert controller.answer("c2").error_message == "subject_id: expected str"


def test_queries_answer_with_what_is_on_the_host(
    controller: AgentController, test_host: AgentHost
) -> None:
    test_host.start_inside()
    survey = controller.do(Survey(), "host", generation=0)
    assert survey.result["foreign_domains"] == ["test"]
    assert survey.result["domains"] == []
    instance_id = some_id()
    folder = test_host.config.instances_dir / instance_id
    folder.mkdir(parents=True)
    (folder / "console.log").write_bytes(b"first\nbad \xff\x00 byte\n")
    log = controller.do(ReadConsoleLog(instance_id), instance_id, generation=0)
    assert log.result["output"] == "first\nbad \N{REPLACEMENT CHARACTER} byte\n"


def test_the_controllers_own_words_are_given_for_a_refusal() -> None:
    body = {"error": {"message": "Too old.", "next_step": "Update\nthe agent."}}
    assert _why(json.dumps(body).encode()) == "Too old. Update the agent."
    assert _why(json.dumps({"error": {"message": "m" * 500}}).encode()) == "m" * 400
    for other in (b"", b"<html>", b"[]", b'{"error": 1}', b'{"error": []}'):
        assert _why(other) == ""
