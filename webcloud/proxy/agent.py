"""Asks the agent for a guest's console; see agents.wire.consoles for the talk.

It can name only an instance, a kind and a boot: there is no way to make it
connect anywhere else than to the agent.
"""

from __future__ import annotations

import json
import socket

from agents.wire.codec import WireError, decode, encode
from agents.wire.consoles import ConsoleOpened, OpenConsole
from webcloud.proxy.handover import Handover, close_all, read_line

OPEN_SECONDS = 5.0


class Refused(Exception):
    """No console can be had; ``code`` goes to the page, which has words for it.

    One of the agent's codes (see ConsoleOpened), or agent_down.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def open_console(target: Handover) -> socket.socket:
    """The guest's end of the console, not blocking; raises Refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(OPEN_SECONDS)
        try:
            line.connect(target.console_socket)
            request = OpenConsole(target.instance_id, target.kind, target.boot)
            line.sendall(json.dumps(encode(request)).encode() + b"\n")
            answer, descriptors = read_line(line)
        except (OSError, WireError) as error:
            raise Refused("agent_down", f"the host's agent did not answer: {error}") from error
    return _taken(answer, descriptors)


def _taken(answer: bytes, descriptors: list[int]) -> socket.socket:
    try:
        opened = decode(ConsoleOpened, json.loads(answer))
    except ValueError as error:
        close_all(descriptors)
        raise Refused("agent_down", f"the host's agent answered nonsense: {error}") from error
    if not opened.ok or len(descriptors) != 1:
        close_all(descriptors)
        raise Refused(opened.code or "libvirt", opened.message or "no descriptor came with it")
    guest = socket.socket(fileno=descriptors[0])
    guest.setblocking(False)
    return guest
