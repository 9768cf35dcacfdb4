"""Tells a DHCP server that a guest has gone, on the guest's behalf.

dnsmasq keeps a lease until it ends; without this a new port with the same
address would be refused for hours.  A DHCPRELEASE sent from the host itself
is the way dnsmasq's own ``dhcp_release`` goes.  RFC 2131, section 4.4.6.
"""

from __future__ import annotations

import secrets
import socket
import struct

_SERVER_PORT = 67
_COOKIE = b"\x63\x82\x53\x63"
_RELEASE, _MESSAGE_TYPE, _SERVER_ID, _END = 7, 53, 54, 255


def release(bridge: str, server: str, address: str, mac: str) -> None:
    """Send it to the server on ``bridge``; raises OSError. Nothing answers a release."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        sock.sendto(packet(server, address, mac), (server, _SERVER_PORT))


def packet(server: str, address: str, mac: str) -> bytes:
    """The message: BOOTREQUEST, ciaddr and chaddr of the guest, options 53 and 54."""
    fixed = struct.pack(
        "!BBBB4sHH4s4s4s4s16s64s128s",
        1,
        1,
        6,
        0,
        secrets.token_bytes(4),
        0,
        0,
        socket.inet_aton(address),
        bytes(4),
        bytes(4),
        bytes(4),
        bytes.fromhex(mac.replace(":", "")),
        b"",
        b"",
    )
    options = bytes([_MESSAGE_TYPE, 1, _RELEASE, _SERVER_ID, 4]) + socket.inet_aton(server)
    return (fixed + _COOKIE + options + bytes([_END])).ljust(300, b"\0")
