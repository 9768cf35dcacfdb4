"""The last hop: the graphics socket of a running guest, opened as the proxy opens it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from webcloud.config import Config
from webcloud.db import Database
from webcloud.doctor.finding import Finding, failing, note, ok
from webcloud.errors import WebcloudError
from webcloud.hosts.models import Host
from webcloud.instances.models import Instance
from webcloud.proxy import agent
from webcloud.proxy.handover import Handover
from webcloud.supervising import programs

GREETING_SECONDS = 5.0


def console(config: Config) -> Iterator[Finding]:
    """Ask one guest that runs on this machine for its console and read its greeting."""
    try:
        with Database(config.database_url).reading() as session:
            instance = session.scalar(
                select(Instance)
                .join(Host, Host.id == Instance.host_id)
                .where(
                    Host.name == programs.host_name(),
                    Instance.observed_power == "running",
                    Instance.deleted_at.is_(None),
                )
                .limit(1)
            )
    except WebcloudError:
        return  # The database's own finding says why.
    if instance is None or config.virt == "test":
        yield note("guest's console", "no machine runs here, so none could be tried")
        return
    target = Handover(instance.id, "vnc", instance.boot, str(config.console_socket), "")
    try:
        with agent.open_console(target) as guest:
            guest.settimeout(GREETING_SECONDS)
            greeting = guest.recv(12)
    except agent.Refused as error:
        yield failing(
            "guest's console",
            f"{instance.name}: {error} ({error.code})",
            "stop and start the instance, or read the agent's log",
        )
        return
    except OSError as error:
        yield failing(
            "guest's console", f"{instance.name}: QEMU does not talk: {error}", "hard reboot it"
        )
        return
    if greeting.startswith(b"RFB "):
        yield ok("guest's console", f"{instance.name}: the guest's VNC socket answers")
    else:
        yield failing(
            "guest's console", f"{instance.name}: what answers is not VNC", "hard reboot it"
        )
