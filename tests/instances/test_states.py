"""Every pair of what is under way and what is observed has one defined look."""

from __future__ import annotations

import pytest

from agents.wire.reports import POWER
from webcloud import create_app
from webcloud.conductor.models import OperationRow
from webcloud.db import now
from webcloud.instances import states
from webcloud.instances.models import Instance


@pytest.fixture(autouse=True)
def _operations_are_registered(app: object) -> None:
    assert app is not None
    assert create_app


def instance(**columns: object) -> Instance:
    values: dict[str, object] = {
        "id": "i",
        "name": "db1",
        "built": True,
        "fault": None,
        "observed_power": "running",
        "deleted_at": None,
    }
    return Instance(**{**values, **columns})


def operation(kind: str, step: str, **columns: object) -> OperationRow:
    return OperationRow(kind=kind, step=step, **columns)


@pytest.mark.parametrize("power", sorted(states.AT_REST))
@pytest.mark.parametrize("kind", [None, *sorted(states.IN_PROGRESS)])
def test_every_pair_of_work_and_power_has_a_look(power: str, kind: str | None) -> None:
    row = None if kind is None else operation(kind, "boot")
    status = states.describe(instance(observed_power=power), row)
    assert status.words
    assert status.colour
    assert status.icon
    assert status.busy is (kind is not None)
    assert set(status.allowed) == set(states.ACTIONS)
    assert status.allowed["delete"] == "" or kind == "instance.delete"


@pytest.mark.parametrize(
    ("power", "status", "power_state"),
    [
        ("running", "ACTIVE", 1),
        ("paused", "PAUSED", 3),
        ("shutoff", "SHUTOFF", 4),
        ("crashed", "SHUTOFF", 6),
        ("absent", "ERROR", 0),
        ("unknown", "UNKNOWN", 0),
    ],
)
def test_at_rest_the_host_decides(power: str, status: str, power_state: int) -> None:
    seen = states.describe(instance(observed_power=power), None)
    assert (seen.status, seen.power_state, seen.task_state) == (status, power_state, None)


def test_every_power_has_words() -> None:
    assert set(states.POWERS) == set(states.AT_REST) >= set(POWER)


def test_an_instance_that_is_being_built_says_which_step() -> None:
    row = operation("instance.create", "copy_image", progress=0.5)
    seen = states.describe(instance(built=False, observed_power="absent"), row)
    assert seen.status == "BUILD"
    assert seen.vm_state == "building"
    assert seen.step_words == "Copying the image to the host"
    assert seen.progress == 0.5


def test_a_failed_build_is_an_error_that_can_only_be_deleted() -> None:
    seen = states.describe(
        instance(built=False, observed_power="absent", fault={"code": "no_capacity"}), None
    )
    assert seen.status == "ERROR"
    assert [action for action, reason in seen.allowed.items() if not reason] == ["delete"]


def test_a_cancelled_operation_with_a_delete_behind_it_shows_as_deleting() -> None:
    row = operation("instance.create", "boot", successor_kind="instance.delete")
    seen = states.describe(instance(built=False), row)
    assert seen.look == "DELETING"
    assert seen.task_state == "deleting"


def test_a_running_instance_can_be_stopped_but_not_started() -> None:
    allowed = states.describe(instance(), None).allowed
    assert allowed["stop"] == "" and allowed["reboot"] == "" and allowed["console"] == ""
    assert allowed["start"] == "It is already running."


def test_a_stopped_instance_can_only_be_started_moved_or_deleted() -> None:
    allowed = states.describe(instance(observed_power="shutoff"), None).allowed
    possible = [action for action, reason in allowed.items() if not reason]
    assert possible == ["start", "delete", "move"]


def test_only_what_runs_or_is_off_can_be_moved() -> None:
    for power in ("paused", "absent", "unknown"):
        assert states.describe(instance(observed_power=power), None).allowed["move"]
    for power in ("running", "shutoff", "crashed"):
        assert states.describe(instance(observed_power=power), None).allowed["move"] == ""


def test_a_deleted_instance_allows_nothing() -> None:
    seen = states.describe(instance(deleted_at=now()), None)
    assert seen.status == "DELETED"
    assert all(seen.allowed.values())
