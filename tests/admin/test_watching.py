"""Surveys that hosts send unasked become differences, at once or as soon as they can be judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from agents.surveying import digest_of
from agents.wire.commands import bridge_name, tap_name
from agents.wire.reports import (
    Definition,
    DomainState,
    DomainStates,
    Repair,
    SurveyReport,
    SurveyResult,
)
from tests.instances.played import existing
from tests.support.rooms import add_host, fresh_database
from webcloud.admin import healing, verify, watching
from webcloud.audit.models import AuditEntry
from webcloud.conductor.models import OperationRow
from webcloud.db import Database, now
from webcloud.drift import queries, recording
from webcloud.drift.models import HostSurvey
from webcloud.drift.recording import Seen
from webcloud.errors import BadRequest, Conflict
from webcloud.hosts.models import Host
from webcloud.identity.callers import Caller
from webcloud.instances import service
from webcloud.instances.models import Instance
from webcloud.networks.models import Port


@dataclass
class Watched:
    """One built instance on a host that says what it has."""

    database: Database
    caller: Caller
    instance_id: str
    survey: SurveyResult
    sent: int = field(default=0)

    def send(self, survey: SurveyResult | None = None, host: str = "n1", **more: Any) -> list[str]:
        """The invariants that differ after the host sent this survey."""
        self.sent += 1
        told = survey or self.survey
        values = {"run_id": "r", "sequence": self.sent, "digest": digest_of(told), "age": 0.0}
        report = SurveyReport(**{**values, **more}, survey=told)
        with self.database.transaction() as session:
            row = session.scalars(select(Host).where(Host.name == host)).one()
            watching.take_survey(session, row, report)
        return self.seen()

    def confirm(self, survey: SurveyResult | None = None, age: float = 0.0) -> list[str]:
        states = DomainStates(
            "r", 1, True, survey_digest=digest_of(survey or self.survey), survey_age=age
        )
        with self.database.transaction() as session:
            host = session.scalars(select(Host).where(Host.name == "n1")).one()
            watching.take_states(session, host, states)
        return self.seen()

    def seen(self) -> list[str]:
        with self.database.reading() as session:
            return [row.invariant for row in reversed(queries.everything(session))]

    def compare_again(self) -> bool:
        with self.database.reading() as session:
            return session.scalars(select(HostSurvey)).one().compare_again

    def age(self, seconds: float) -> None:
        """As if everything had happened that much earlier."""
        earlier = timedelta(seconds=seconds)
        with self.database.transaction() as session:
            for row in session.scalars(select(OperationRow)):
                row.finished_at = row.finished_at and row.finished_at - earlier
            for instance in session.scalars(select(Instance)):
                instance.observed_at = instance.observed_at and instance.observed_at - earlier


@pytest.fixture
def watched(app: object, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    assert app is not None
    database = fresh_database(tmp_path_factory.mktemp("watched"))
    caller, instance_id, _ = existing(database, "running")
    with database.reading() as session:
        instance = session.get_one(Instance, instance_id)
        port = session.scalars(select(Port)).one()
    survey = SurveyResult(
        domains=(DomainState(instance_id, "running"),),
        disk_instances=(instance_id,),
        cached_images=(instance.image_id,),
        taps=(tap_name(port.id),),
        bridges=(bridge_name(port.network_id),),
        leases=(f"{port.id} {port.mac} {port.address}",),
        dhcp_networks=(port.network_id,),
        nat_networks=(port.network_id,),
    )
    made = Watched(database, caller, instance_id, survey)
    made.age(60)
    return made


def test_a_host_that_agrees_has_no_differences(watched: Watched) -> None:
    assert watched.send() == []
    assert not watched.compare_again()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"domains": ()}, "I9"),
        ({"transient_domains": "mine"}, "I9"),
        ({"unknown_domains": ("by-hand",)}, "I9"),
        ({"without_disk": "mine"}, "I14"),
        ({"stray_files": ("x",)}, "I14"),
        ({"cached_images": ()}, "I15"),
        ({"taps": ()}, "I18"),
        ({"bridges": ()}, "I18"),
        ({"nat_networks": ()}, "I19"),
        ({"dhcp_networks": ()}, "I20"),
        ({"leases": ()}, "I20"),
    ],
)
def test_a_difference_shows_with_its_survey_and_goes_with_the_next(
    watched: Watched, change: dict[str, Any], expected: str
) -> None:
    values = {key: (watched.instance_id,) if to == "mine" else to for key, to in change.items()}
    assert watched.send(replace(watched.survey, **values)) == [expected]
    assert watched.send() == []


def test_an_unknown_domain_of_ours_is_flagged_and_nothing_is_asked_of_the_host(
    watched: Watched,
) -> None:
    extra = DomainState("99999999-9999-4999-8999-999999999999", "running")
    survey = replace(watched.survey, domains=(*watched.survey.domains, extra))
    assert watched.send(survey) == ["I9"]
    with watched.database.reading() as session:
        unfinished = select(OperationRow).where(OperationRow.finished_at.is_(None))
        assert session.scalars(unfinished).all() == []


def test_a_power_state_must_differ_twice(watched: Watched) -> None:
    stopped = replace(watched.survey, domains=(DomainState(watched.instance_id, "shutoff"),))
    assert watched.send(stopped) == []
    assert watched.compare_again()
    assert watched.confirm(stopped) == ["I10"]
    assert watched.send() == []
    assert not watched.compare_again()


def test_an_edited_description_must_differ_twice_and_is_left_alone(watched: Watched) -> None:
    with watched.database.reading() as session:
        instance = session.get_one(Instance, watched.instance_id)
        port = session.scalars(select(Port)).one()
    card = f"{tap_name(port.id)} {port.mac} {bridge_name(port.network_id)}"
    memory = instance.memory_mb * 1024
    right = Definition(
        instance.id,
        memory,
        memory,
        instance.vcpus,
        instance.vcpus,
        instance.boot,
        "qcow2",
        cards=(card,),
    )
    assert watched.send(replace(watched.survey, definitions=(right,))) == []
    assert not watched.compare_again()
    edited = replace(watched.survey, definitions=(replace(right, vcpus=64),))
    assert watched.send(edited) == []
    assert watched.compare_again()
    assert watched.confirm(edited) == ["I11"]
    assert not watched.compare_again()
    with watched.database.reading() as session:
        (row,) = queries.everything(session)
        assert (row.kind, row.instance_id) == ("definition", instance.id)
        unfinished = select(OperationRow).where(OperationRow.finished_at.is_(None))
        assert session.scalars(unfinished).all() == []
    assert watched.send(replace(watched.survey, definitions=(right,))) == []


def test_what_an_operation_works_on_is_judged_once_it_has_ended_and_the_survey_holds(
    watched: Watched,
) -> None:
    gone = replace(watched.survey, domains=())
    with watched.database.transaction() as session:
        instance = session.get_one(Instance, watched.instance_id)
        service.reboot(session, watched.caller, instance, hard=True)
    assert watched.send(gone) == []
    assert watched.compare_again()
    with watched.database.transaction() as session:
        row = session.scalars(select(OperationRow).where(OperationRow.finished_at.is_(None))).one()
        row.finished_at, row.active_key = now(), None
    assert watched.confirm(gone, age=5.0) == [], "taken before the operation ended"
    watched.age(60)
    assert watched.confirm(gone) == ["I9"]
    assert watched.confirm(watched.survey) == ["I9"], "another survey than the one that is kept"


def test_what_belonged_to_an_instance_just_deleted_is_not_unowned(watched: Watched) -> None:
    with watched.database.transaction() as session:
        instance = session.get_one(Instance, watched.instance_id)
        service.delete(session, watched.caller, instance)
        row = session.scalars(select(OperationRow).where(OperationRow.finished_at.is_(None))).one()
        row.finished_at, row.active_key = now(), None
        instance.host_id, instance.deleted_at = None, now()
        session.delete(session.scalars(select(Port)).one())
    assert watched.send() == []
    watched.age(60)
    assert sorted(watched.confirm()) == ["I14", "I18", "I20", "I9"]


def test_a_domain_on_two_hosts_is_named_with_both(watched: Watched) -> None:
    with watched.database.transaction() as session:
        add_host(session, "n2", hypervisor="test")
    assert watched.send() == []
    twice = SurveyResult(domains=watched.survey.domains)
    assert watched.send(twice, "n2") == ["I12"]
    with watched.database.reading() as session:
        (row,) = queries.everything(session)
        assert row.said["values"] == {"host": "n2", "other": "n1"}
    assert watched.send(replace(watched.survey, domains=())) == ["I12", "I9"]
    assert watched.send(twice, "n2") == ["I9", "I9"], "now it is only where it should not be"
    watched.send(replace(watched.survey, domains=(), stray_files=("x",)))
    assert repairs(watched) == [], "a second definition would not help"


def test_an_older_survey_of_the_same_run_is_dropped(watched: Watched) -> None:
    watched.send(sequence=7)
    assert watched.send(SurveyResult(), sequence=6) == []
    assert watched.send(SurveyResult(), sequence=1, run_id="later") != []


@pytest.mark.parametrize("wrong", [{"sequence": -1}, {"age": -1.0}, {"age": 1e9}])
def test_numbers_that_no_survey_has_are_refused(watched: Watched, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        watched.send(**wrong)


def test_repairs_are_noted_even_when_nothing_differs(watched: Watched) -> None:
    assert watched.send(repairs=(Repair("dhcp", "n"),)) == []


def test_pages_and_verify_say_the_same(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """One survey, looked at by both: the same lines."""
    from agents.wire import codec
    from webcloud.hosts import questions

    extra = {"taps": (), "stray_files": ("x",), "without_disk": (watched.instance_id,)}
    survey = replace(watched.survey, domains=(), **extra)
    watched.send(survey)
    monkeypatch.setattr(questions, "query", lambda *_, **__: codec.encode(survey))
    lines = sorted(
        (each.invariant, each.subject, str(each.words)) for each in verify.run(watched.database)
    )
    with watched.database.reading() as session:
        shown = sorted(
            (row.invariant, row.subject, row.said["message"].format_map(row.said["values"]))
            for row in queries.everything(session)
        )
    assert shown == lines


def repairs(watched: Watched) -> list[Any]:
    with watched.database.reading() as session:
        rows = session.scalars(select(OperationRow).where(OperationRow.kind == "instance.repair"))
        return [row.params["what"] for row in rows]


def end_repairs(watched: Watched) -> None:
    with watched.database.transaction() as session:
        rows = session.scalars(select(OperationRow).where(OperationRow.kind == "instance.repair"))
        for row in rows:
            row.finished_at, row.active_key = now(), None
    watched.age(60)


def test_what_is_missing_of_an_instance_is_put_back_in_one_operation(watched: Watched) -> None:
    watched.send(replace(watched.survey, domains=(), cached_images=(), leases=()))
    assert repairs(watched) == [["domain", "image", "network"]]
    with watched.database.reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "instance.repair"))
        assert [entry.actor for entry in entries] == ["system"]


def test_what_could_not_be_put_back_is_tried_again_later_and_not_at_once(
    watched: Watched,
) -> None:
    gone = replace(watched.survey, domains=())
    watched.send(gone)
    end_repairs(watched)
    assert watched.confirm(gone) == ["I9"]
    assert len(repairs(watched)) == 1
    assert watched.compare_again()
    with watched.database.transaction() as session:
        (row,) = queries.everything(session)
        row = session.merge(row)
        row.healed_at = now() - timedelta(minutes=11)
    watched.confirm(gone)
    assert len(repairs(watched)) == 2


def test_an_instance_without_its_disk_is_only_flagged(watched: Watched) -> None:
    lost = replace(watched.survey, domains=(), without_disk=(watched.instance_id,))
    assert sorted(watched.send(lost)) == ["I14", "I9"]
    assert repairs(watched) == []


def test_starting_without_the_disk_is_refused_in_words(watched: Watched) -> None:
    watched.send(replace(watched.survey, without_disk=(watched.instance_id,)))
    with watched.database.transaction() as session:
        instance = session.get_one(Instance, watched.instance_id)
        with pytest.raises(Conflict, match="The disk of instance 'db1' is not on its host"):
            service.reboot(session, watched.caller, instance, hard=True)
        instance.observed_power = "shutoff"
        session.flush()
        with pytest.raises(Conflict, match="is not on its host"):
            service.start(session, watched.caller, instance)
    watched.send(replace(watched.survey, domains=(DomainState(watched.instance_id, "shutoff"),)))
    with watched.database.transaction() as session:
        instance = session.get_one(Instance, watched.instance_id)
        assert service.start(session, watched.caller, instance)


def test_an_agent_that_cannot_define_is_not_asked_to(watched: Watched) -> None:
    with watched.database.transaction() as session:
        session.scalars(select(Host)).one().wire_version = 1
    watched.send(replace(watched.survey, domains=(), leases=()))
    assert repairs(watched) == [["network"]]


def test_an_instance_that_something_works_on_is_not_repaired(watched: Watched) -> None:
    with watched.database.transaction() as session:
        instance = session.get_one(Instance, watched.instance_id)
        service.stop(session, watched.caller, instance)
    assert watched.send(replace(watched.survey, domains=())) == []
    assert repairs(watched) == []
    with watched.database.transaction() as session:
        host = session.scalars(select(Host)).one()
        seen = [Seen("I9", "domain_missing", watched.instance_id, "w", watched.instance_id)]
        rows = recording.record(session, host, seen, now())
        assert healing.heal(session, host, rows), "it began in the meantime: looked at again"
    assert repairs(watched) == []
