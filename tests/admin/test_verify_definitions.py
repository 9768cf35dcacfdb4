"""A domain that is defined otherwise than its instance is shows, with what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.wire.commands import Domain, Interface
from agents.wire.reports import Definition, DomainState
from tests.admin.test_verify_hosts import GOOD, HOST, ID, IMAGE, PORT, PORTS, ROW
from webcloud.admin.verify.hosts import Known, compare
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance

CARD = "tap33333333333 fa:16:3e:00:00:01 br44444444444"
WANTED = Domain(
    ID, "vm", "p", vcpus=2, memory_mb=512, boot=3, image_id=IMAGE,
    interfaces=(Interface(PORT, "fa:16:3e:00:00:01", "br44444444444"),),
)  # fmt: skip
AGREES = Definition(ID, 512 * 1024, 512 * 1024, 2, 2, 3, "qcow2", cards=(CARD,))
OFF = Instance(id=ID, image_id=IMAGE, observed_power="shutoff", built=True)


def problems(
    found: Definition, row: Instance = ROW, host: Host = HOST, working: frozenset[str] = frozenset()
) -> list[str]:
    survey = replace(GOOD, domains=(DomainState(ID, row.observed_power),), definitions=(found,))
    rows = Known({ID: row}, set(working), PORTS, {ID: WANTED})
    return [str(problem) for problem in compare(host, survey, rows)]


def test_a_domain_defined_as_it_should_be_is_no_problem() -> None:
    assert problems(AGREES) == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"memory_kb": 1024}, "memory in KiB 1024, not 524288"),
        ({"first_memory_kb": 1024}, "memory in KiB 1024, not 524288"),
        ({"vcpus": 4}, "vCPUs 4, not 2"),
        ({"first_vcpus": 1}, "vCPUs 1, not 2"),
        ({"boot": 2}, "number of its boot 2, not 3"),
        ({"boot": 4}, "number of its boot 4, not 3"),
        ({"disk_format": "raw"}, "format of its disk raw, not qcow2"),
        ({"disk_format": ""}, "format of its disk -, not qcow2"),
        ({"disk": "/etc/shadow"}, "another disk: /etc/shadow"),
        ({"config_drive": "-"}, "another config drive: -"),
        ({"cards": ()}, f"network card {CARD} is missing"),
        ({"cards": (CARD, CARD)}, f"network card {CARD} is too many"),
        ({"cards": (CARD, "- x br0")}, "network card - x br0 is too many"),
        ({"vcpus": 4, "boot": 2}, "vCPUs 4, not 2; number of its boot 2, not 3"),
    ],
)
def test_each_edit_is_said(edit: dict[str, object], said: str) -> None:
    assert problems(replace(AGREES, **edit)) == [f"I11 {ID}: is described otherwise on n1: {said}"]


def test_a_domain_renamed_is_said_by_itself() -> None:
    assert problems(replace(AGREES, name="by-hand")) == [
        f"I11 {ID}: has a domain on n1 that was renamed to by-hand"
    ]


def test_a_start_that_failed_leaves_the_boot_before_it() -> None:
    assert problems(replace(AGREES, boot=2), OFF) == []
    assert len(problems(replace(AGREES, boot=4), OFF)) == 1


def test_guests_of_the_test_driver_have_no_cards() -> None:
    assert (
        problems(replace(AGREES, cards=()), host=Host(id="h", name="n1", hypervisor="test")) == []
    )


def test_what_is_being_worked_on_is_left_out() -> None:
    assert problems(replace(AGREES, vcpus=4), working=frozenset({ID})) == []
