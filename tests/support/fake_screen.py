"""A VNC server small enough to lie at will (RFC 6143), for one console.

Paints its screen in one colour and remembers the keys it was sent.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

RGBX = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 0, 8, 16)
DESKTOP_SIZE = -223
FIXED = {0: 20, 3: 10, 4: 8, 5: 6, 150: 10}


@dataclass
class FakeScreen:
    """``name`` is the desktop's name; ``sizes`` are desktop sizes it announces later.

    One that is ``silent`` says nothing at all until it is asked for a picture.
    """

    name: bytes = b"guest"
    colour: tuple[int, int, int] = (200, 30, 60)
    cut_text: bytes = b""
    sizes: tuple[tuple[int, int], ...] = ()
    silent: bool = False
    keys: list[tuple[int, bool]] = field(default_factory=list)
    _unsaid: bytes = b""

    def __call__(self, browser: socket.socket) -> None:
        """Serve one browser until it leaves."""
        reader = browser.makefile("rb")
        head = struct.pack(">HH", 32, 16) + RGBX + struct.pack(">I", len(self.name))
        for said, answer in (
            (b"RFB 003.008\n", 12),
            (b"\x01\x01", 1),
            (b"\0\0\0\0", 1),
            (head + self.name, 0),
        ):
            self._say(said, browser)
            reader.read(answer)
        if self.cut_text:
            browser.sendall(struct.pack(">BxxxI", 3, len(self.cut_text)) + self.cut_text)
        while kind := reader.read(1):
            self._message(kind[0], reader, browser)

    def _message(self, kind: int, reader: object, browser: socket.socket) -> None:
        read = reader.read  # type: ignore[attr-defined]
        if kind == 2:
            (count,) = struct.unpack(">xH", read(3))
            read(4 * count)
        elif kind == 6:
            (length,) = struct.unpack(">xxxi", read(7))
            read(abs(length))
        else:
            body = read(FIXED[kind] - 1)
            if kind == 4:
                self.keys.append((struct.unpack(">I", body[3:])[0], bool(body[0])))
            elif kind == 3 and not body[0]:
                self._paint(browser)

    def _say(self, said: bytes, browser: socket.socket) -> None:
        if self.silent:
            self._unsaid += said
        else:
            browser.sendall(said)

    def _paint(self, browser: socket.socket) -> None:
        browser.sendall(self._unsaid)
        self._unsaid = b""
        pixels = bytes([*self.colour, 0]) * (32 * 16)
        browser.sendall(struct.pack(">BxH HHHHi", 0, 1, 0, 0, 32, 16, 0) + pixels)
        for width, height in self.sizes:
            browser.sendall(struct.pack(">BxH HHHHi", 0, 1, 0, 0, width, height, DESKTOP_SIZE))

    def typed(self) -> str:
        """The characters whose keys went down, without Shift and the like."""
        return "".join(chr(key) for key, down in self.keys if down and key < 0x100)
