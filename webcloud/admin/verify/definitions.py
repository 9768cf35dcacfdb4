"""I11: each domain is defined as its host was told to define it.

What a guest starts with is compared, not what runs: an edit behind our back
shows before the next start follows it.  Left out is what may rightly be older:
the name that users see, and the boot of an instance that is off, because a
start that failed counts, too.  An agent of an older version tells no
definitions, and then nothing is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from agents.wire.commands import Domain, tap_name
from agents.wire.reports import Definition
from webcloud.admin.verify.problem import Problem
from webcloud.admin.verify.view import View
from webcloud.words import join, mark, say, word

# Every root disk is one, whatever its image is.
DISK_FORMAT = "qcow2"
KIB = 1024


def check(view: View, *, cards: bool) -> Iterator[Problem]:
    """``cards``: whether guests of this host have network cards at all."""
    defined = {each.instance_id: each for each in view.survey.definitions}
    for instance in view.settled:
        found, wanted = defined.get(instance.id), view.wanted.get(instance.id)
        if found is None or wanted is None:
            continue
        if found.name:
            words = say(
                "has a domain on {host} that was renamed to {name}", host=view.host, name=found.name
            )
            yield Problem("I11", instance.id, words, "domain_renamed", instance.id)
        running = instance.observed_power == "running"
        differences = [*_machine(found, wanted, running=running), *_files(found)]
        if cards:
            differences += _cards(found, wanted)
        if differences:
            words = say(
                "is described otherwise on {host}: {differences}",
                host=view.host,
                differences=join("; ", differences),
            )
            yield Problem("I11", instance.id, words, "definition", instance.id)


def _machine(found: Definition, wanted: Domain, *, running: bool) -> Iterator[str]:
    memory = wanted.memory_mb * KIB
    for there in sorted({found.memory_kb, found.first_memory_kb} - {memory}):
        yield _another(mark("memory in KiB"), there, memory)
    for there in sorted({found.vcpus, found.first_vcpus} - {wanted.vcpus}):
        yield _another(mark("vCPUs"), there, wanted.vcpus)
    if found.boot > wanted.boot or (running and found.boot != wanted.boot):
        yield _another(mark("number of its boot"), found.boot, wanted.boot)


def _files(found: Definition) -> Iterator[str]:
    if found.disk_format != DISK_FORMAT:
        yield _another(mark("format of its disk"), found.disk_format or "-", DISK_FORMAT)
    if found.disk:
        yield say("another disk: {path}", path=found.disk)
    if found.config_drive:
        yield say("another config drive: {path}", path=found.config_drive)


def _cards(found: Definition, wanted: Domain) -> Iterator[str]:
    expected = Counter(
        f"{tap_name(card.port_id)} {card.mac} {card.bridge}" for card in wanted.interfaces
    )
    there = Counter(found.cards)
    for card in sorted(expected - there):
        yield say("network card {card} is missing", card=card)
    for card in sorted(there - expected):
        yield say("network card {card} is too many", card=card)


def _another(what: str, there: object, wanted: object) -> str:
    return say("{what} {there}, not {wanted}", what=word(what), there=there, wanted=wanted)
