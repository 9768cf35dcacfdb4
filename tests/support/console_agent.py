"""An agent's console socket for tests: the real protocol, a scripted guest.

The guest's end is one half of a socketpair; what it says is up to the test.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from agents.wire.codec import decode, encode
from agents.wire.consoles import ConsoleOpened, OpenConsole

GREETING = b"RFB 003.008\n"
Guest = Callable[[socket.socket], None]


def greet_and_echo(guest: socket.socket) -> None:
    """What a VNC server says first, then every byte back."""
    guest.sendall(GREETING)
    while data := guest.recv(65536):
        guest.sendall(data)


class ConsoleAgent:
    """Answers OpenConsole at ``path``; ``asked`` remembers what was asked for."""

    def __init__(self, path: Path, guest: Guest = greet_and_echo) -> None:
        self.path = path
        self.guest = guest
        self.refusal: ConsoleOpened | None = None
        self.asked: list[OpenConsole] = []
        self._ours: list[socket.socket] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(512)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> ConsoleAgent:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        self.power_off()

    def power_off(self) -> None:
        """Every guest closes its console."""
        for ours in self._ours:
            try:
                ours.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._ours.clear()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with line:
                self._answer(line)

    def _answer(self, line: socket.socket) -> None:
        data = line.makefile("rb").readline()
        self.asked.append(decode(OpenConsole, json.loads(data)))
        if self.refusal is not None:
            line.sendall(json.dumps(encode(self.refusal)).encode() + b"\n")
            return
        ours, theirs = socket.socketpair()
        self._ours.append(ours)
        threading.Thread(target=self._run, args=(ours,), daemon=True).start()
        reply = json.dumps(encode(ConsoleOpened(True))).encode() + b"\n"
        with theirs:
            socket.send_fds(line, [reply], [theirs.fileno()])

    def _run(self, ours: socket.socket) -> None:
        try:
            self.guest(ours)
        except OSError:
            return
        finally:
            ours.close()
