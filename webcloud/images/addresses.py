"""Which addresses an image import may connect to: a decision without any network access
but one name look-up.

Only public addresses and the four usual web ports are allowed.  Every answer
of the look-up must be allowed, not just one of them, and the caller connects
to an address from here, never to the name.  Addresses that carry another
address inside (IPv4-mapped, 6to4, Teredo, NAT64) are refused outright.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from webcloud.errors import BadRequest

PORTS = frozenset({80, 443, 8080, 8443})
LONGEST_URL = 2000
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_EMBEDDING = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("::/96", "::ffff:0:0/96", "2002::/16", "2001::/32"),
        *("64:ff9b::/96", "64:ff9b:1::/48", "fec0::/10"),
    )
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(BadRequest):
    """The URL may not be fetched. The message never says what an address answered."""

    code = "url_refused"


@dataclass(frozen=True)
class Target:
    """A vetted place to connect to. ``path`` includes the query; ``host`` is for SNI and Host."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        standard = {"http": 80, "https": 443}[self.scheme]
        return name if self.port == standard else f"{name}:{self.port}"


def vet(url: str, *, allow_private: bool = False) -> Target:
    """The place a URL leads to, resolved once. Raises AddressRefused."""
    scheme, host, port, path = _split(url)
    if port not in PORTS and not allow_private:
        raise AddressRefused(
            "Images can only be fetched from the ports 80, 443, 8080 and 8443.", field="uri"
        )
    found = _resolve(host, port)
    if not found or not all(_allowed(address, allow_private) for address in found):
        raise unreachable()
    return Target(url, scheme, host, port, path, tuple(str(address) for address in found))


def unreachable() -> AddressRefused:
    """One text for every address that is refused, unknown, closed or silent."""
    return AddressRefused(
        "The address could not be fetched: it is not a reachable public web server.",
        field="uri",
        next_step="Check the address, or download the image and upload the file.",
    )


def check_form(url: str) -> None:
    """Refuse what can be seen from the text alone. Raises AddressRefused; looks nothing up."""
    _split(url)


def _split(url: str) -> tuple[str, str, int, str]:
    if len(url) > LONGEST_URL or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise _malformed()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _malformed() from error
    if parts.scheme not in ("http", "https"):
        raise AddressRefused("Images can only be fetched by http and https.", field="uri")
    if "@" in parts.netloc:
        raise AddressRefused("The address must not contain a user name or password.", field="uri")
    host = (parts.hostname or "").lower()
    if not _is_host(host, bracketed="[" in parts.netloc):
        raise _malformed()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, host, default if port is None else port, path


def _is_host(host: str, *, bracketed: bool) -> bool:
    """A plain name, a dotted-quad IPv4 or a bracketed IPv6 address without a zone.

    Browsers and C libraries read ``2130706433``, ``0x7f.1`` and ``0177.0.0.1``
    as addresses, so a name that ends in a number is refused.
    """
    if bracketed:
        return _is_address(host, ipaddress.IPv6Address)
    if _NUMBER.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]):
        return _is_address(host, ipaddress.IPv4Address)
    return len(host) <= 253 and _HOST.fullmatch(host) is not None


def _is_address(host: str, kind: type[IPAddress]) -> bool:
    try:
        return "%" not in host and bool(kind(host))
    except ValueError:
        return False


def _resolve(host: str, port: int) -> list[IPAddress]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    texts = dict.fromkeys(str(answer[4][0]) for answer in answers)
    return [ipaddress.ip_address(text) for text in texts]


def _allowed(address: IPAddress, allow_private: bool) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return False
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if allow_private and (address.is_private or address.is_loopback):
        return not _embeds(address) or address.is_loopback
    return address.is_global and not address.is_reserved and not _embeds(address)


def _embeds(address: IPAddress) -> bool:
    return any(address in network for network in _EMBEDDING)


def _malformed() -> AddressRefused:
    return AddressRefused("This is not a web address that can be fetched.", field="uri")
