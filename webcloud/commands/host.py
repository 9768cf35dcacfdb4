"""``webcloud host``: the machines that run instances."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from webcloud.commands.settings import open_database, state_option

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from webcloud.hosts.models import Host
    from webcloud.identity.callers import Caller


def deed(verb: Callable[..., str]) -> Callable[..., None]:
    """What an operator does to host NAME, in one transaction.

    ``verb`` gets the session, the operator, the host and its own options, and
    returns what to print when that is committed.
    """

    @state_option
    @click.argument("name")
    @functools.wraps(verb)
    def run(state: Path | None, name: str, **options: Any) -> None:
        from webcloud.hosts import capacity

        config, database = open_database(state)
        capacity.configure(config)
        with database.transaction() as session:
            said = verb(session, _operator(), _named(session, name), **options)
        click.echo(said)

    return run


@click.group(name="host")
def command() -> None:
    """List hosts, enrol new ones, open, close and remove them."""


@command.command(name="list")
@state_option
def list_hosts(state: Path | None) -> None:
    """List hosts, whether they are heard from, and what they offer."""
    from webcloud.hosts import queries

    _, database = open_database(state)
    with database.reading() as session:
        hosts = queries.list_hosts(session)
    for host in hosts:
        click.echo(
            f"{host.name}  {_seen(host)}  {host.hypervisor or '?'}  "
            f"{host.allocated_vcpus}/{host.vcpus} vCPU  "
            f"{host.allocated_memory_mb}/{host.memory_mb} MB" + _closed(host)
        )
    if not hosts:
        click.echo("No host is enrolled. Enrol one with: webcloud host add NAME")


@command.command()
@state_option
@click.argument("name")
def show(state: Path | None, name: str) -> None:
    """Show what host NAME is, what is on it, and what happened to it."""
    from webcloud.hosts import capacity, events
    from webcloud.instances import queries as instances

    _, database = open_database(state)
    with database.reading() as session:
        host = _named(session, name)
        click.echo(f"{host.name}  {host.id}\n  {_seen(host)}{_closed(host)}")
        kind = f"{host.hypervisor or '?'} on {host.architecture or '?'}"
        click.echo(f"  {kind}, calls from {host.address or '?'}")
        for part, version in {**host.known_versions, "agent": host.agent_version}.items():
            click.echo(f"  {part} {version}")
        click.echo(
            f"  promised: {host.allocated_vcpus} of {host.vcpus} vCPU, "
            f"{host.allocated_memory_mb} of {host.memory_mb} MB, "
            f"{host.allocated_disk_gb} of {host.disk_total // 1024**3} GB"
        )
        full = "  NEARLY FULL" if capacity.nearly_full(host) else ""
        click.echo(f"  free on its disk: {host.disk_free / capacity.GIB:.1f} GB{full}")
        for instance in instances.on_host(session, host.id):
            click.echo(f"  instance {instance.id}  {instance.name}  {instance.observed_power}")
        for event in events.of_host(session, host.id, 20):
            click.echo(f"  {event.at:%Y-%m-%d %H:%M:%S}  {events.words(event)}  {event.actor}")


@command.command()
@deed
def enable(session: Session, operator: Caller, host: Host) -> str:
    """Open host NAME for new instances."""
    from webcloud.hosts import service

    service.enable(session, operator, host)
    return f"Host {host.name} takes new instances."


@command.command()
@deed
@click.option("--reason", default="", help="Shown to other operators.")
def disable(session: Session, operator: Caller, host: Host, reason: str) -> str:
    """Close host NAME for new instances; those that are there go on running."""
    from webcloud.hosts import service

    service.disable(session, operator, host, reason[:255])
    return f"Host {host.name} takes no new instances."


@command.command()
@deed
def remove(session: Session, operator: Caller, host: Host) -> str:
    """Forget host NAME, which nothing may be on any more."""
    from webcloud.hosts import service
    from webcloud.instances import leaving

    leaving.watch_hosts()
    service.remove(session, operator, host)
    return f"Host {host.name} was removed. Stop its agent: it is not let in any more."


@command.command()
@state_option
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--cancel", is_flag=True, help="Begin no further move; the host stays closed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drain(state: Path | None, name: str, dry_run: bool, cancel: bool, yes: bool) -> None:
    """Close host NAME and move its instances to others; says first what would be done."""
    from webcloud import application
    from webcloud.instances import draining, moving

    config, database = open_database(state)
    # The plan is made with the operations and the weights of the whole application.
    application.build(config)
    if cancel:
        with database.transaction() as session:
            draining.cancel(session, _operator(), _named(session, name))
        click.echo(f"Host {name} is not drained any more; it stays closed.")
        return
    with database.reading() as session:
        for move in moving.plan(session, _named(session, name)):
            size = f"at most {move.bytes_to_copy / 1024**3:.0f} GB"
            what = f"stays: {move.why}"
            if move.target is not None:
                what = f"to {move.target.name}, {size}: {move.what}"
            click.echo(f"{move.instance.name}  {what}")
    if dry_run:
        return
    if not yes:
        click.confirm(f"Close {name} and do this?", abort=True)
    with database.transaction() as session:
        draining.begin(session, _operator(), _named(session, name))
    click.echo(f"Host {name} is being drained. See how far it is: webcloud host show {name}")


@command.command(name="give-up")
@deed
@click.confirmation_option(
    prompt="Its machine must be off for good: addresses of its guests will be used again. Go on?"
)
def give_up(session: Session, operator: Caller, host: Host) -> str:
    """Count machine NAME as lost, so that what lay there can be deleted."""
    from webcloud.hosts import giving_up

    giving_up.give_up(session, operator, host)
    return f"Host {host.name} was given up. Its instances can be deleted now."


@command.command()
@deed
@click.option("--cpu", type=float, help="Promise each processor so many times.")
@click.option("--memory", type=float, help="Promise the memory so many times.")
@click.option("--disk", type=float, help="Promise the disk so many times.")
def ratios(
    session: Session,
    operator: Caller,
    host: Host,
    *,
    cpu: float | None,
    memory: float | None,
    disk: float | None,
) -> str:
    """Give host NAME overcommit ratios of its own; those left out follow the settings."""
    from webcloud.hosts import capacity, overcommit

    overcommit.set_ratios(session, operator, host, cpu=cpu, memory=memory, disk=disk)
    found = capacity.ratios(host)
    return f"{host.name}: cpu {found.cpu:g}, memory {found.memory:g}, disk {found.disk:g}"


@command.command()
@state_option
@click.argument("name")
@click.option("--controller", metavar="URL", help="How machine NAME reaches this controller.")
def add(state: Path | None, name: str, controller: str | None) -> None:
    """Print the one command that makes the machine it is run on host NAME, within an hour.

    The command goes to standard output, what to know about it to standard error.
    """
    from webcloud.commands import inviting
    from webcloud.hosts import enrolment

    config, database = open_database(state)
    address = inviting.address(config, controller)
    with database.transaction() as session:
        token = enrolment.make_join_token(session, name)
    click.echo(inviting.command(address, token))
    click.echo(inviting.explanation(address, name), err=True)


def _named(session: Session, name: str) -> Host:
    from webcloud.errors import NotFound
    from webcloud.hosts import queries

    host = queries.named(session, name)
    if host is None:
        raise NotFound(f"There is no host {name!r}.", next_step="See webcloud host list.")
    return host


def _operator() -> Caller:
    """Whoever may run this owns the machine; the audit log says where the deed came from."""
    from webcloud.identity.callers import Caller

    return Caller("", "command line", "", "", frozenset({"admin"}))


def _seen(host: Host) -> str:
    from webcloud.db import now
    from webcloud.hosts import presence

    if host.last_seen_at is None:
        return "never seen"
    ago = (now() - host.last_seen_at).total_seconds()
    return f"{'up' if presence.is_heard(host) else 'SILENT'}, seen {ago:.0f} s ago"


def _closed(host: Host) -> str:
    closed = "" if host.enabled else f"  disabled: {host.disabled_reason}".rstrip()
    return closed + ("  said to be down" if host.forced_down else "")
