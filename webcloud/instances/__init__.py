"""Instances: virtual machines, with the flavors and key pairs they are made from.

Terms: *intended* power is what the user wants, *observed* power what the host
reports; the *status* users see is derived from both and from the unfinished
operation (``states``).  A *boot* is one start, counted.  A *leftover* is what
lies of an instance on a host it has left.  Invariants: a request
is accepted by one transaction or not at all; every change on a host goes
through an operation; a deleted instance holds nothing.

Read in this order: operations/create, creation, beginning, service, states, reconcile,
then operations/move with moving and leftovers.
"""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the compute API, the pages, the operations and what hosts report to."""
    from webcloud.conductor import registry
    from webcloud.hosts import aggregates, observers
    from webcloud.instances import (
        api,
        create_page,
        dashboard,
        draining,
        flavors_page,
        groups_page,
        host_boot,
        key_pairs_page,
        leaving,
        move_page,
        names,
        placing,
        reconcile,
        wishes,
    )
    from webcloud.instances.operations import (
        clear_leftover,
        create,
        delete,
        move,
        reboot,
        repair,
        start,
        stop,
    )

    for operation in (
        create.CreateInstance,
        start.StartInstance,
        stop.StopInstance,
        reboot.RebootInstance,
        reboot.HardRebootInstance,
        repair.RepairInstance,
        delete.DeleteInstance,
        move.MoveInstance,
        clear_leftover.ClearLeftover,
    ):
        registry.register(operation)
    names.configure(app.extensions["webcloud"].config)
    host_boot.configure(app.extensions["webcloud"].config)
    placing.configure(app.extensions["webcloud"].config)
    aggregates.on_rezoning(wishes.keep_zones)
    observers.on_domain_states(reconcile.take_states)
    observers.on_silence(reconcile.take_silence)
    leaving.watch_hosts()
    registry.register_periodic("instances.drain", draining.EVERY_SECONDS, draining.step)
    registry.register_periodic("instances.clear_leftovers", 15, reconcile.clear_leftovers)
    for page in (
        dashboard,
        create_page,
        key_pairs_page,
        flavors_page,
        groups_page,
        move_page,
    ):
        app.register_blueprint(page.blueprint)
    api.register(app)
