"""The kinds of field that requests about instances are made of.

Each is checked once, here, for the API and the dashboard alike: names hold
printable characters only (markup is text like any other), base64 is what it
says and within its size, host names follow RFC 1123.  Nothing is repaired
silently but white space around a name.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from webcloud.field_faults import wrong
from webcloud.words import say

MAX_USER_DATA = 64 * 1024
MAX_METADATA = 128
LABEL = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")
METADATA_KEY = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")


def printable(text: str) -> bool:
    """Nova's rule: no control, format, surrogate or unassigned characters, no line breaks."""
    for character in text:
        category = unicodedata.category(character)
        if category.startswith("C") or (category.startswith("Z") and category != "Zs"):
            return False
    return True


def _name(value: object) -> object:
    if not isinstance(value, str):
        return value
    name = value.strip()
    if not name:
        raise wrong(say("a name needs at least one visible character"))
    if len(name) > 255:
        raise wrong(
            say("a name has at most 255 characters; this one has {length}", length=len(name))
        )
    if not printable(name):
        raise wrong(say("a name may not hold control characters or line breaks"))
    return name


def _description(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > 255:
        raise wrong(
            say("a description has at most 255 characters; this one has {count}", count=len(value))
        )
    if not all(printable(character) or character in "\t\r\n" for character in value):
        raise wrong(say("a description may not hold control characters"))
    return value


def _user_data(value: str) -> str:
    if len(value) > MAX_USER_DATA * 2:
        raise wrong(say("user data is at most 64 KiB once decoded"))
    try:
        decoded = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(say("user data must be base64")) from error
    if len(decoded) > MAX_USER_DATA:
        raise wrong(
            say(
                "user data is at most 64 KiB once decoded; this is {length} bytes",
                length=len(decoded),
            )
        )
    return base64.b64encode(decoded).decode()


def _hostname(value: str) -> str:
    if not LABEL.fullmatch(value):
        raise wrong(say("a host name has up to 63 letters, digits and inner hyphens"))
    return value


def _metadata(value: dict[str, str]) -> dict[str, str]:
    if len(value) > MAX_METADATA:
        raise wrong(
            say(
                "at most {most} metadata items are allowed, not {count}",
                most=MAX_METADATA,
                count=len(value),
            )
        )
    for key, text in value.items():
        if not METADATA_KEY.fullmatch(key):
            raise wrong(
                say(
                    "a metadata key has 1 to 255 letters, digits, spaces and the characters - _ : ."
                )
            )
        if len(text) > 255:
            raise wrong(say("the value of {key!r} is longer than 255 characters", key=key))
    return value


def _address(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError as error:
        raise wrong(say("must be an IPv4 address such as 10.77.0.20")) from error


def _reference(value: object) -> object:
    """Nova takes a number where it means an id."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Name = Annotated[str, BeforeValidator(_name)]
Description = Annotated[str, BeforeValidator(_description)]
UserData = Annotated[str, AfterValidator(_user_data)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
Address = Annotated[str, AfterValidator(_address)]
Reference = Annotated[
    str, BeforeValidator(_reference), StringConstraints(min_length=1, max_length=255)
]
