"""Placement is pure: each test is a request, some candidates and the decision."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.scheduler.hosts import REQUEST, ROOMY
from webcloud.scheduler import amounts
from webcloud.scheduler.placement import MOST_KEPT, choose
from webcloud.scheduler.request import Group
from webcloud.scheduler.weighers import Factors

SMALL = ROOMY._replace(host_id="h2", name="n2", free_memory_mb=1024)


def test_without_any_host_the_reason_says_so() -> None:
    assert choose(REQUEST, []).why_none == "No host has joined this cloud yet."


def test_there_is_no_reason_to_give_when_a_host_passes() -> None:
    assert choose(REQUEST, [ROOMY, SMALL]).why_none == ""


def test_the_emptier_host_comes_first() -> None:
    fuller = ROOMY._replace(host_id="h0", name="n0", free_memory_mb=4096)
    assert choose(REQUEST, [fuller, ROOMY]).ranking == ("h1", "h0")


def test_packing_turns_the_order_round() -> None:
    fuller = ROOMY._replace(host_id="h0", name="n0", free_memory_mb=4096)
    decision = choose(REQUEST, [ROOMY, fuller], Factors(spread=0, pack=1))
    assert decision.ranking == ("h0", "h1")
    assert decision.verdicts[0].as_json() == {
        "host": "n0",
        "weights": {"pack": 0.75, "image_cached": 0.0},
    }


def test_a_cached_image_outweighs_a_little_more_free_memory() -> None:
    cached = ROOMY._replace(host_id="h0", name="n0", free_memory_mb=6144, image_cached=True)
    decision = choose(REQUEST, [ROOMY, cached])
    assert decision.ranking == ("h0", "h1")
    assert decision.verdicts[0].as_json() == {
        "host": "n0",
        "weights": {"spread": 0.375, "image_cached": 0.5},
    }


@pytest.mark.parametrize(
    ("policy", "most", "order"),
    [
        ("soft-affinity", 3, ("h0", "h1")),
        ("soft-anti-affinity", 3, ("h1", "h0")),
        ("soft-affinity", 0, ("h1", "h0")),
        ("soft-anti-affinity", 0, ("h1", "h0")),
    ],
)
def test_a_soft_policy_prefers_and_never_refuses(
    policy: str, most: int, order: tuple[str, ...]
) -> None:
    full = ROOMY._replace(host_id="h0", name="n0", free_memory_mb=2048)
    placed = {"h0": most} if most else {}
    request = replace(REQUEST, group=Group(policy, placed=placed))
    assert choose(request, [ROOMY, full]).ranking == order


def test_soft_policies_weigh_nothing_without_a_group() -> None:
    from webcloud.scheduler.weighers import soft_affinity

    assert soft_affinity.weight(REQUEST, ROOMY) == 0.0


def test_equal_hosts_are_ordered_by_name_and_refused_ones_come_last() -> None:
    later = ROOMY._replace(host_id="h2", name="n2")
    refused = ROOMY._replace(host_id="h0", name="n0", alive=False)
    decision = choose(REQUEST, [later, refused, ROOMY])
    assert [verdict.host_id for verdict in decision.verdicts] == ["h1", "h2", "h0"]


def test_a_host_that_never_told_its_memory_weighs_nothing() -> None:
    unknown = ROOMY._replace(total_memory_mb=0)
    assert choose(REQUEST, [unknown]).verdicts[0].total == 0.0


def test_of_hosts_that_suit_only_what_all_of_them_lack_is_said() -> None:
    closed = ROOMY._replace(host_id="h3", name="n3", enabled=False)
    tight = SMALL._replace(host_id="h4", name="n4", free_memory_mb=2047, free_disk_gb=1)
    decision = choose(REQUEST, [closed, SMALL, tight])
    assert decision.why_none == "No host has 2 GB of memory free; the largest has 1.9 GB."


def test_when_each_host_lacks_something_else_it_says_that_nothing_is_free_together() -> None:
    no_disk = ROOMY._replace(host_id="h3", name="n3", free_disk_gb=1)
    decision = choose(REQUEST, [SMALL, no_disk])
    assert decision.why_none == (
        "No host has the memory, the vCPUs and the disk of this flavor free together."
    )


def test_the_hosts_that_came_furthest_are_spoken_of() -> None:
    silent = ROOMY._replace(host_id="h3", name="n3", alive=False)
    decision = choose(replace(REQUEST, zone="z1"), [silent, ROOMY])
    assert decision.why_none == "No suitable host is in availability zone z1."


def test_a_lost_claim_is_kept_as_such() -> None:
    other = ROOMY._replace(host_id="h2", name="n2", free_memory_mb=4096)
    decision = choose(REQUEST, [ROOMY, other])
    assert decision.without(set()) is decision
    left = decision.without({"h1"})
    assert left.ranking == ("h2",)
    assert left.why_none == ""
    assert left.verdicts[1].filter == "claim"
    nothing = left.without({"h2"})
    assert nothing.ranking == ()
    assert nothing.why_none == "The last room was taken by other instances a moment ago."


def test_what_is_kept_is_bounded_with_a_thousand_hosts() -> None:
    hosts = [
        ROOMY._replace(
            host_id=f"h{number}",
            name=f"rack-{number:04}.cloud.example",
            free_memory_mb=(1024, 2048)[number % 2],
        )
        for number in range(1000)
    ]
    decision = choose(REQUEST, hosts)
    assert decision.counts() == {"passed": 500, "memory": 500}
    assert len(decision.kept()) == 2 * MOST_KEPT
    assert len(json.dumps([decision.kept(), decision.counts()])) < 24 * 1024


def test_memory_is_told_as_people_say_it() -> None:
    told = [amounts.memory(size) for size in (0, 512, 1024, 6656, 8191, 8192)]
    assert told == ["0 MB", "512 MB", "1 GB", "6.5 GB", "7.9 GB", "8 GB"]
