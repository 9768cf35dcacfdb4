"""Finds a file's checksum in the list that an image's publisher keeps beside it.

Two forms are known: ``<hex>  <name>`` (sha256sum, sha512sum) and
``SHA256 (<name>) = <hex>`` (BSD, Fedora, Rocky).  Only sha256 and sha512 count.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from webcloud.images.download import FetchFailed, Limits, fetch_text

MOST_BYTES = 1024 * 1024
_HEX = r"(?P<hex>[0-9a-fA-F]{128}|[0-9a-fA-F]{64})"
_GNU = re.compile(rf"^\\?{_HEX}(?:\s+\*?(?P<name>\S+))?\s*$")
_BSD = re.compile(rf"^SHA(?:256|512) \((?P<name>[^)]+)\) = {_HEX}\s*$")


def look_up(checksum_url: str, file_url: str, limits: Limits) -> str:
    """The checksum of the file behind ``file_url``, in hex. Raises FetchFailed, AddressRefused."""
    text = fetch_text(checksum_url, replace(limits, size=MOST_BYTES, seconds=60))
    found = find(
        text,
        unquote(urlsplit(file_url).path).rsplit("/", 1)[-1],
        only_one=checksum_url.startswith(file_url),
    )
    if found is None:
        raise FetchFailed("The checksum file does not name the image.", field="checksum_url")
    return found


def find(text: str, name: str, *, only_one: bool = False) -> str | None:
    """The checksum of ``name`` in a list; a list of one bare checksum means the file itself.

    With ``only_one`` the list belongs to this file alone, and its single
    checksum counts whatever name it bears: publishers write the build's name
    there and serve the file under a shorter one.
    """
    matches = [_GNU.match(line) or _BSD.match(line) for line in map(str.strip, text.splitlines())]
    found = [(each.group("name"), each.group("hex").lower()) for each in matches if each]
    if len(found) == 1 and (only_one or found[0][0] is None):
        return found[0][1]
    for named, checksum in found:
        if named is not None and named.rsplit("/", 1)[-1] == name:
            return checksum
    return None
