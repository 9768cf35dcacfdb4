"""Each filter: what it lets pass, what it refuses and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.scheduler.hosts import REQUEST, ROOMY
from webcloud.scheduler.filters import FILTERS
from webcloud.scheduler.placement import choose
from webcloud.scheduler.request import Candidate, Group
from webcloud.words import Said, restored

AFFINITY = Group("affinity", placed={"h1": 2})
ELSEWHERE = Group("affinity", placed={"h2": 1})
ANTI = Group("anti-affinity", most_per_host=2, placed={"h1": 1, "h2": 2})
FULL = Group("anti-affinity", most_per_host=2, placed={"h1": 2})
SSD = {"disk": "ssd"}


def host(**changes: Any) -> Candidate:
    return ROOMY._replace(**changes)


@pytest.mark.parametrize(
    ("wish", "candidate"),
    [
        ({}, host(free_vcpus=2, free_memory_mb=2048, free_disk_gb=20)),
        ({"host_id": "h1"}, host()),
        ({"architecture": "amd64"}, host()),
        ({"architecture": "i386"}, host()),
        ({"architecture": "arm64"}, host(architecture="aarch64")),
        ({"hypervisor": "QEMU"}, host(hypervisor="kvm")),
        ({"hypervisor": "kvm"}, host(hypervisor="kvm")),
        ({"zone": "nova"}, host()),
        ({"zone": "z1"}, host(zone="z1")),
        ({"aggregate_specs": SSD}, host(aggregates=({}, {"disk": "ssd"}))),
        ({"aggregate_specs": {"disk": "<or> hdd <or> ssd"}}, host(aggregates=(SSD,))),
        ({"same_hosts": frozenset({"h1", "h2"})}, host()),
        ({"different_hosts": frozenset({"h2"})}, host()),
        ({"group": Group("affinity")}, host()),
        ({"group": AFFINITY}, host()),
        ({"group": ANTI}, host()),
        ({"group": replace(FULL, policy="soft-anti-affinity")}, host()),
    ],
)
def test_a_host_that_is_what_was_asked_for_passes(
    wish: dict[str, Any], candidate: Candidate
) -> None:
    assert choose(replace(REQUEST, **wish), [candidate]).ranking == ("h1",)


@pytest.mark.parametrize(
    ("wish", "change", "name", "words", "for_users"),
    [
        (
            {},
            {"enabled": False, "disabled_reason": "new disks"},
            "enabled",
            "is disabled (new disks)",
            "Every host is closed for new instances at the moment.",
        ),
        (
            {},
            {"enabled": False},
            "enabled",
            "is disabled (no reason given)",
            "Every host is closed for new instances at the moment.",
        ),
        (
            {},
            {"alive": False},
            "alive",
            "is silent",
            "No host that is open for new instances answers at the moment.",
        ),
        (
            {},
            {"architecture": "", "hypervisor": "", "free_memory_mb": 0},
            "described",
            "has not told what it offers yet",
            "No host that answers is ready for instances yet.",
        ),
        (
            {"host_id": "h2"},
            {},
            "named_host",
            "is not the host that was named",
            "The host that was named is closed for new instances or does not answer.",
        ),
        (
            {"architecture": "arm64"},
            {},
            "architecture",
            "has the architecture x86_64, the image needs aarch64",
            "No host can run an image for the architecture aarch64.",
        ),
        (
            {"architecture": "x86_64"},
            {"architecture": ""},
            "architecture",
            "has the architecture ?, the image needs x86_64",
            "No host can run an image for the architecture x86_64.",
        ),
        (
            {"hypervisor": "kvm"},
            {"hypervisor": "qemu"},
            "hypervisor",
            "has the hypervisor qemu, the image needs kvm",
            "No host has the hypervisor kvm that the image needs.",
        ),
        (
            {"hypervisor": "xen"},
            {"hypervisor": ""},
            "hypervisor",
            "has the hypervisor ?, the image needs xen",
            "No host has the hypervisor xen that the image needs.",
        ),
        (
            {"zone": "z1"},
            {},
            "zone",
            "is in availability zone nova, z1 is wanted",
            "No suitable host is in availability zone z1.",
        ),
        (
            {"aggregate_specs": SSD},
            {"aggregates": ({"disk": "hdd"}, {"disk": "tape"})},
            "aggregate",
            "is in no aggregate with disk=ssd (it has: hdd, tape)",
            "No suitable host has what the flavor asks for: disk=ssd.",
        ),
        (
            {"aggregate_specs": SSD},
            {},
            "aggregate",
            "is in no aggregate with disk=ssd (it has: –)",
            "No suitable host has what the flavor asks for: disk=ssd.",
        ),
        (
            {"same_hosts": frozenset()},
            {},
            "same_host",
            "has none of the instances that it must be with",
            "No suitable host has the instances that it must be with.",
        ),
        (
            {"different_hosts": frozenset({"h1"})},
            {},
            "different_host",
            "has an instance that it must not be with",
            "Every suitable host has an instance that it must not be with.",
        ),
        (
            {"group": ELSEWHERE},
            {},
            "affinity",
            "is not the host where the server group's instances are",
            "The host where the server group's instances are cannot take another one.",
        ),
        (
            {"group": FULL},
            {},
            "anti_affinity",
            "has 2 of the server group's instances, at most 2 may be on one host",
            "Every suitable host has as many of the server group's instances as it may have.",
        ),
        (
            {"memory_mb": 8192},
            {"free_memory_mb": 6144},
            "memory",
            "has 6144 MB of memory free, 8192 MB is needed",
            "No host has 8 GB of memory free; the largest has 6 GB.",
        ),
        (
            {},
            {"free_vcpus": 1},
            "cpu",
            "has 1 vCPUs free, 2 are needed",
            "No host has 2 vCPUs free; the largest has 1.",
        ),
        (
            {},
            {"free_disk_gb": -3},
            "disk",
            "has -3 GB of disk free, 20 GB is needed",
            "No host has 20 GB of disk free; the largest has 0 GB.",
        ),
    ],
)
def test_a_refusal_names_its_filter_with_numbers_and_users_are_told_no_host(
    wish: dict[str, Any], change: dict[str, Any], name: str, words: str, for_users: str
) -> None:
    decision = choose(replace(REQUEST, **wish), [host(**change)])
    assert decision.ranking == ()
    (verdict,) = decision.verdicts
    assert (verdict.filter, verdict.refusal) == (name, words)
    assert decision.why_none == for_users
    assert isinstance(decision.why_none, Said)
    kept = verdict.as_json()
    assert (kept["host"], kept["filter"], restored(kept)) == ("n1", name, words)


def test_every_filter_has_a_name_of_its_own() -> None:
    names = [each.name for each in FILTERS]
    assert len(names) == len(set(names)) == 15


def test_a_filter_whose_question_was_not_asked_lets_every_host_pass() -> None:
    silent = [each for each in FILTERS if not each.concerns(REQUEST)]
    assert len(silent) == 9
    assert [each.refusal(REQUEST, host()) for each in silent] == [None] * 9
