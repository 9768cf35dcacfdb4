"""Guests of 512 bytes: boot sectors that do one thing, in a second, for real.

``ECHO`` says GREETING on the serial port, then returns every byte, and powers
the machine off (ACPI port of q35) when it reads ``q``.  ``FLOOD`` writes to the
serial port for ever.  Neither reacts to the ACPI power button.  ``BUTTON`` sleeps
until the button is pressed, and then powers off.  ``HEARTBEAT`` counts the timer's
ticks on the serial port, one line of four letters each (``beat`` reads them).
"""

from __future__ import annotations

GREETING = b"webcloud guest\r\n"

_ECHO = (
    "31c0 8ed8 fc"  # ax, ds = 0; forwards
    "baf803 be307c"  # dx = serial data, si = text behind the code
    "ac 84c0 7403 ee ebf8"  # write the text up to its zero
    "bafd03 ec a801 74f8"  # wait for a byte
    "baf803 ec 3c71 7403 ee ebed"  # read it; unless it is q, write it and go on
    "ba0406 b80020 ef"  # power off: SLP_EN to PM1a_CNT
    "f4 ebfd"
)
_FLOOD = "baf803 b041 ee ebfd"
_BUTTON = (
    "ba0206 b80001 ef"  # PM1a_EN: tell of the power button
    "ba0006 fb f4 ed f6c401 74f8"  # sleep until a timer tick, look at PM1a_STS, repeat
    "ba0406 b80020 ef f4 ebfd"
)
_HEARTBEAT = (
    "31db"  # bx = 0
    "b90400 c1c304 88dc 80e40f 80c441 e80c00 e2f0"  # its four digits as the letters A to P
    "b40a e80500 43 fb f4 ebe3"  # end the line, count, sleep until the next tick, repeat
    "bafd03 ec a820 74fb 88e0 baf803 ee c3"  # write ah once the port is free
)


def _sector(code: str, text: bytes = b"") -> bytes:
    body = bytes.fromhex(code) + text
    return body.ljust(510, b"\0") + b"\x55\xaa"


ECHO = _sector(_ECHO, GREETING + b"\0")
FLOOD = _sector(_FLOOD)
BUTTON = _sector(_BUTTON)
HEARTBEAT = _sector(_HEARTBEAT)


def beat(line: bytes) -> int:
    """The number that a line of HEARTBEAT says."""
    number = 0
    for letter in line.strip():
        number = number * 16 + letter - ord("A")
    return number


def disk(sector: bytes, size: int = 1 << 20) -> bytes:
    """A raw disk image that boots ``sector``."""
    return sector.ljust(size, b"\0")
