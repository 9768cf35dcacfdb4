"""I9, I10, I12, I14, I15: the domains and the files of instances on one host."""

from __future__ import annotations

from collections.abc import Iterator

from webcloud.admin.verify.problem import Problem
from webcloud.admin.verify.view import View
from webcloud.instances.models import Instance
from webcloud.words import say


def domains(view: View) -> Iterator[Problem]:
    """The domains are exactly the instances placed there, and run or not as is known."""
    power = {state.instance_id: state.power for state in view.survey.domains}
    unreadable = set(view.survey.unreadable_domains)
    for instance in view.settled:
        yield from _domain(view, instance, power.get(instance.id), instance.id in unreadable)
    for extra in sorted(set(power) - view.expected):
        other = view.elsewhere.get(extra)
        if other is not None:
            words = say("has a domain on {host} and on {other}", host=view.host, other=other)
            yield Problem("I12", extra, words, "domain_twice", extra)
        else:
            words = say("has a domain on {host} but is not placed there", host=view.host)
            yield Problem("I9", extra, words, "domain_unowned")
    for name in view.survey.unknown_domains:
        words = say("is a domain on {host} that webcloud did not make", host=view.host)
        yield Problem("I9", name, words, "domain_unknown")


def _domain(
    view: View, instance: Instance, power: str | None, unreadable: bool
) -> Iterator[Problem]:
    if unreadable:
        words = say("has a domain on {host} that libvirt cannot describe", host=view.host)
        yield Problem("I9", instance.id, words, "domain_unreadable", instance.id)
    elif power is None:
        words = say("has no domain on {host}", host=view.host)
        yield Problem("I9", instance.id, words, "domain_missing", instance.id)
    elif power != instance.observed_power:
        words = say(
            "is {power} on {host}, known as {known}",
            power=power,
            host=view.host,
            known=instance.observed_power,
        )
        yield Problem("I10", instance.id, words, "power", instance.id)
    if instance.id in view.survey.transient_domains:
        words = say("has a domain on {host} that is gone when it stops", host=view.host)
        yield Problem("I9", instance.id, words, "domain_transient", instance.id)


def files(view: View) -> Iterator[Problem]:
    """Each instance has its disk and the image below it; no file belongs to nobody."""
    with_files = set(view.survey.disk_instances)
    with_disk = with_files - set(view.survey.without_disk)
    for instance in view.settled:
        if instance.id not in with_disk:
            words = say("has no disk on {host}", host=view.host)
            yield Problem("I14", instance.id, words, "disk_missing", instance.id)
        elif instance.id in view.survey.without_config_drive:
            words = say("has no config drive on {host}", host=view.host)
            yield Problem("I13", instance.id, words, "config_drive_missing", instance.id)
    for extra in sorted(with_files - view.expected):
        words = say("has files on {host} but is not placed there", host=view.host)
        yield Problem("I14", extra, words, "files_unowned")
    arriving = view.expected - {instance.id for instance in view.settled}
    for name in view.survey.stray_files:
        if name.partition("/")[0] in arriving:
            continue
        words = say("is a file on {host} that nothing owns", host=view.host)
        yield Problem("I14", name, words, "file_stray")
    for instance in view.settled:
        if instance.image_id not in view.survey.cached_images:
            words = say("rests on an image that is not cached on {host}", host=view.host)
            yield Problem("I15", instance.id, words, "image_missing", instance.id)
