"""Hosts: enrolment, inventory, presence, and the commands they are given.

Terms: a *host* is a machine with an agent; it is *silent* once it has been
noticed that it is not heard any more; a *join token* enrols one host once; a
*command* is one row of work that stays open until the host reports its end; a
*query* is a command that belongs to no operation; a *transfer* is a disk on its
way from one host to another.  Invariants: a host reads and reports only what is
its own; nothing here contacts a host, hosts ask; allocations change only by
conditional UPDATE.

Read in this order: models, enrolment, agent_api, commands, hinting, reports,
presence, hearing, silence, capacity, service, transfers; events tell what
happened to a host.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the agents' HTTP API and the reconcilers."""
    from webcloud.conductor import signals
    from webcloud.conductor.registry import register_periodic
    from webcloud.hosts import (
        agent_api,
        capacity,
        commands,
        presence,
        reconcile,
        silence,
        transfer_api,
        transfers,
    )
    from webcloud.hosts.models import JoinToken
    from webcloud.identity import lifetimes

    capacity.configure(app.extensions["webcloud"].config)
    signals.on_turned(commands.withdraw)
    signals.on_jump(presence.clock_jumped)
    lifetimes.keep(JoinToken.token_hash, JoinToken.expires_at, JoinToken.created_at)
    transfers.configure(app.extensions["webcloud"].config)
    app.register_blueprint(agent_api.blueprint)
    app.register_blueprint(transfer_api.blueprint)
    register_periodic("hosts.notice_silence", silence.EVERY_SECONDS, silence.beat)
    register_periodic("hosts.expire_commands", 60, reconcile.expire_commands)
    register_periodic("hosts.sweep_transfers", 60, transfers.sweep)
