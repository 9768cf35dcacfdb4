"""Ids as they may become names of files, taps, bridges and domains.

Whatever came over the wire passes here before it touches a path: an id is a
UUID in its usual lower-case form, or the command is refused.
"""

from __future__ import annotations

import re

from agents.errors import AgentError

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


def is_id(value: str) -> bool:
    """Whether ``value`` is a UUID in lower-case canonical form."""
    return _UUID.fullmatch(value) is not None


def checked_id(value: str) -> str:
    """The same id; raises AgentError ``bad_command`` when it is not one."""
    if not is_id(value):
        raise AgentError("bad_command", "an id is not a UUID")
    return value


def checked_mac(value: str) -> str:
    """The MAC in lower case; raises AgentError ``bad_command`` when it is not one."""
    lowered = value.lower()
    if _MAC.fullmatch(lowered) is None:
        raise AgentError("bad_command", "a MAC address is not six pairs of hex digits")
    return lowered
