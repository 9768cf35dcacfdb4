"""What a new host is told: the one command to run there, and what to know about it.

The token is in the command's standard input, never in an argument or an
address.  It refuses to invite to an address that no other machine reaches.
"""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from webcloud.config import Config
from webcloud.errors import BadRequest, Conflict

NOWHERE = ("0.0.0.0", "::", "")


def address(config: Config, given: str | None) -> str:
    """How other machines reach the controller.

    Raises BadRequest for one that is no address, Conflict when they cannot reach it.
    """
    wanted = (given or config.public_url).rstrip("/")
    try:
        parts = urlsplit(wanted)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.username:
        raise BadRequest(
            f"{wanted!r} is not the address of a controller.",
            next_step="It looks like https://cloud.example.org or http://10.0.0.1:8774.",
        )
    if given is None and (_is_loopback(host) or host in NOWHERE):
        port = config.listen.rpartition(":")[2]
        raise Conflict(
            f"Other machines do not reach this controller at {wanted}.",
            next_step="Start it where they do: webcloud up --listen ADDRESS:"
            f"{port} - and set WEBCLOUD_PUBLIC_URL when they know it by another address, "
            "behind a proxy for instance; or name that address here with --controller URL.",
        )
    return wanted


def command(address: str, token: str) -> str:
    """One command for a root shell in a checkout; the token is its standard input."""
    joining = f".venv/bin/webcloud agent join --controller {shlex.quote(address)}"
    return f"make setup-host && {joining} <<'TOKEN'\n{token}\nTOKEN"


def explanation(address: str, name: str) -> str:
    """What the reader of the command has to know."""
    lines = [
        "",
        f"Run this on {name}, as root, in a checkout of this version of webcloud. Where webcloud",
        "was installed from a package instead, begin with: webcloud agent join",
        "The token is good for an hour and for one machine.",
    ]
    if address.startswith("https:"):
        lines.append(
            "If its certificate is signed by an authority of your own, copy that authority's "
            "certificate\nthere and add: --ca-file FILE"
        )
    else:
        lines.append(
            "Plain http shows tokens and images to whoever listens on the way: use a network that"
            "\nyou trust, or https."
        )
    return "\n".join(lines)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
