"""Starts the agent: settings, log, signals; ends when told to.

SIGTERM and SIGINT end it within a second or two; guests, bridges and DHCP
servers stay.  Exit status 2 means that a setting is wrong, 1 that it
could not go on.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading

from agents import joining
from agents.agent import Agent
from agents.config import AgentConfig

END_SECONDS = 3.0
BROKEN = b"\0"  # A signal's byte is its number, never zero.


def main() -> int:
    """Run until a signal, or with the argument ``join`` only join; meant for root."""
    wanted = sys.argv[1:]
    if wanted not in ([], ["join"]):
        sys.stderr.write("usage: webcloud-agent [join]   (settings: WEBCLOUD_AGENT_*)\n")
        return 2
    try:
        config = AgentConfig.from_environment()
    except ValueError as error:
        sys.stderr.write(f"webcloud-agent: {error}\n")
        return 2
    logging.basicConfig(
        level=config.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    os.umask(0o027)
    if wanted:
        return joining.join(config)
    agent = Agent(config)
    # A signal may reach any thread, and then nothing wakes one that waits for a
    # lock; the byte that the interpreter writes for it wakes this one always.
    waiting, waking = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    running = threading.Thread(target=_run, args=(agent, waking), name="agent", daemon=True)
    running.start()
    status = 1 if waiting.recv(1) == BROKEN else 0
    signal.set_wakeup_fd(-1)
    agent.stop()
    running.join(END_SECONDS)
    logging.shutdown()
    # Handlers under way are in the journal; waiting for their threads helps nobody.
    os._exit(status)


def _run(agent: Agent, waking: socket.socket) -> None:
    try:
        agent.run()
    except Exception:
        logging.getLogger(__name__).exception("the agent cannot go on")
    waking.send(BROKEN)


if __name__ == "__main__":
    sys.exit(main())
