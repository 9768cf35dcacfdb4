"""How the proxy gets a guest's console from the agent of the same host.

A unix stream socket (``Config.console_socket``), one request per connection:
the proxy sends one JSON line, ``OpenConsole`` encoded; the agent answers one
JSON line, ``ConsoleOpened``, and, when ``ok``, one file descriptor with it
(SCM_RIGHTS) on which the raw VNC, SPICE or serial bytes flow both ways.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OpenConsole:
    """``kind``: vnc, spice or serial. ``boot`` must equal the domain's own."""

    instance_id: str
    kind: str
    boot: int


@dataclass(frozen=True)
class ConsoleOpened:
    """``code`` when not ok: not_running, wrong_boot, unknown_kind or libvirt."""

    ok: bool
    code: str = ""
    message: str = ""
