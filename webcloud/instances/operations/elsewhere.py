"""What becomes of a creation whose host falls silent.

As long as nothing was asked of that host but an image, another one is chosen:
no guest can be there, so there are never two.  Once the guest may have been
started nobody else gets it; the creation then waits, fails at its deadline,
and leaves the instance placed there, so that deleting it removes what was begun.
"""

from __future__ import annotations

from webcloud.conductor.operation import Run, Wait
from webcloud.hosts import capacity, commands
from webcloud.hosts.models import Host
from webcloud.instances import placing
from webcloud.instances.operations.power_steps import instance_of
from webcloud.words import mark

LEFT = "left_on_host"


def is_silent(run: Run) -> bool:
    """Whether it has been noticed that the instance's host does not answer."""
    host_id = instance_of(run).host_id
    if host_id is None:
        return False
    host = run.session.get_one(Host, host_id)
    return host.silent_since is not None and not host.given_up


def choose_another(run: Run) -> Wait | None:
    """Place the instance elsewhere; None when its host speaks, was named, or is the only one."""
    instance = instance_of(run)
    if not is_silent(run) or run.params.get("host_id"):
        return None
    # The silent host is refused by the scheduler, as everywhere.
    if not placing.decide(run.session, placing.request_for(run.session, instance)).ranking:
        return None
    silent, instance.host_id = instance.host_id, None
    placing.place(run.session, instance, at=run.now)
    if instance.host_id is None:
        instance.host_id = silent
        return None
    commands.withdraw(run.session, run.operation)
    room = (instance.vcpus, instance.memory_mb, instance.disk_gb)
    capacity.release(run.session, silent or "", *room)
    return Wait(0, mark("its host fell silent; another one was chosen"))
