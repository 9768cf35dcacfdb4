"""One console from hand-over to end, in its own thread.

Answers the browser's handshake in every case, because only an open WebSocket
can be told why it is being closed.
"""

from __future__ import annotations

import logging
import socket

from webcloud.proxy.agent import Refused, open_console
from webcloud.proxy.client import BadHandshake, Client
from webcloud.proxy.handover import Handover
from webcloud.proxy.relay import Ending, Relay, say_goodbye
from webcloud.proxy.seats import Full, Seats

log = logging.getLogger(__name__)


def serve(target: Handover, browser: socket.socket, seats: Seats) -> None:
    """Relay one console and close the browser's socket at the end."""
    with browser:
        client = Client(browser)
        try:
            _prepare(browser)
            client.accept_head(target.head_bytes())
        except (BadHandshake, OSError, ValueError) as error:
            log.info("console of %s: no handshake: %s", target.instance_id, error)
            return
        ending = _relay(target, client, browser, seats)
        log.info(
            "console of %s (%s) ended: %s %s",
            target.instance_id,
            target.kind,
            ending.code,
            ending.reason,
        )
        say_goodbye(client, browser, ending)


def _relay(target: Handover, client: Client, browser: socket.socket, seats: Seats) -> Ending:
    if target.refusal:
        return Ending(1008, target.refusal)
    try:
        with seats.one(target.instance_id), open_console(target) as guest:
            return Relay(client, browser, guest).run()
    except Full as full:
        return Ending(1013, full.code)
    except Refused as refused:
        log.warning("console of %s: %s", target.instance_id, refused)
        return Ending(1008 if refused.code == "wrong_boot" else 1011, refused.code)


def _prepare(browser: socket.socket) -> None:
    """Send keystrokes at once, and notice a browser whose network is gone."""
    if browser.family not in (socket.AF_INET, socket.AF_INET6):
        return
    browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    browser.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
