"""What a survey says is compared with the rows; each difference is one problem."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.wire.commands import bridge_name, tap_name
from agents.wire.reports import DomainState, SurveyResult
from webcloud.admin.verify.hosts import Known, compare
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance
from webcloud.networks.models import Port

ID, IMAGE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
PORT, NETWORK = "33333333-3333-4333-8333-333333333333", "44444444-4444-4444-8444-444444444444"
HOST = Host(id="h", name="n1", hypervisor="qemu")
ROW = Instance(id=ID, image_id=IMAGE, observed_power="running", built=True)
PORTS = {ID: [Port(id=PORT, network_id=NETWORK, mac="fa:16:3e:00:00:01", address="10.0.0.9")]}
GOOD = SurveyResult(
    domains=(DomainState(ID, "running"),),
    disk_instances=(ID,),
    cached_images=(IMAGE,),
    taps=(tap_name(PORT),),
    bridges=(bridge_name(NETWORK),),
    leases=(f"{PORT} fa:16:3e:00:00:01 10.0.0.9",),
    dhcp_networks=(NETWORK,),
    nat_networks=(NETWORK,),
)


def problems(survey: SurveyResult, working: set[str] | None = None) -> list[str]:
    found = compare(HOST, survey, Known({ID: ROW}, working or set(), PORTS))
    return [problem.invariant for problem in found]


def test_a_host_that_agrees_has_no_problems() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"domains": ()}, ["I9"]),
        ({"domains": (DomainState(ID, "shutoff"),)}, ["I10"]),
        ({"domains": (*GOOD.domains, DomainState("other", "running"))}, ["I9"]),
        ({"domains": (), "unreadable_domains": (ID,)}, ["I9"]),
        ({"transient_domains": (ID,)}, ["I9"]),
        ({"unknown_domains": ("by-hand",)}, ["I9"]),
        ({"disk_instances": ()}, ["I14"]),
        ({"without_disk": (ID,)}, ["I14"]),
        ({"without_config_drive": (ID,)}, ["I13"]),
        ({"without_config_drive": (ID,), "without_disk": (ID,)}, ["I14"]),
        ({"disk_instances": (ID, "other")}, ["I14"]),
        ({"stray_files": ("x.part",)}, ["I14"]),
        ({"cached_images": ()}, ["I15"]),
        ({"taps": ()}, ["I18"]),
        ({"taps": (*GOOD.taps, "tapffffffffffff")}, ["I18"]),
        ({"bridges": ()}, ["I18"]),
        ({"nat_networks": ()}, ["I19"]),
        ({"dhcp_networks": ()}, ["I20"]),
        ({"leases": ()}, ["I20"]),
        ({"leases": (f"{PORT} fa:16:3e:00:00:01 10.0.0.10",)}, ["I20"]),
        ({"leases": (*GOOD.leases, "other fa:16:3e:00:00:02 10.0.0.10")}, ["I20"]),
    ],
)
def test_each_difference_is_one_problem(change: dict[str, object], expected: list[str]) -> None:
    assert problems(replace(GOOD, **change)) == expected


def test_an_instance_on_its_way_is_left_out() -> None:
    assert problems(replace(GOOD, domains=(), disk_instances=(), taps=()), {ID}) == []
