"""Fetches an image from a web server that a user named, without being led anywhere else.

Each hop is vetted and resolved once (``addresses``), and the connection goes
to the vetted address itself, with the name only in SNI and Host.  At most
three redirects, none from https to http, no credentials, no proxies, no
cookies, a size cap, and one error text for every address that does not answer.
An interrupted download goes on only if the server still has the same file.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import certifi
import urllib3
from urllib3.exceptions import HTTPError

from webcloud.errors import TooLarge
from webcloud.images.addresses import AddressRefused, Target, unreachable, vet
from webcloud.images.store import ImageStore
from webcloud.words import say

MOST_REDIRECTS = 3
CHUNK = 256 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TIMEOUT = urllib3.Timeout(connect=10, read=30)

Progress = Callable[[int, int | None], None]  # (bytes so far, whole size when known)


class FetchFailed(AddressRefused):
    """A public server answered, but not with the whole file."""

    code = "fetch_failed"


class Stopped(Exception):
    """The caller asked to stop; what was received is kept."""


@dataclass(frozen=True)
class Limits:
    """``size`` in bytes; ``seconds`` bounds one attempt."""

    size: int
    seconds: float = 6 * 3600
    allow_private: bool = False


def fetch(
    url: str,
    store: ImageStore,
    image_id: str,
    limits: Limits,
    *,
    progress: Progress = lambda done, whole: None,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Receive the file behind ``url`` as the image's part file; returns its size in bytes.

    Raises AddressRefused (also as FetchFailed), TooLarge, StoreFull, Busy,
    UploadGone, and Stopped once ``stopped()`` says so.
    """
    ends_at = time.monotonic() + limits.seconds
    offset = store.received(image_id)
    validator = _remembered(store, image_id, url) if offset else None
    if offset and validator is None:
        _drop(store, image_id)
        offset = 0
    asked = {"Range": f"bytes={offset}-", "If-Range": validator} if validator else {}
    with _opened(url, asked, limits) as response:
        if offset and response.status != 206:
            _drop(store, image_id)
            offset = 0
        whole = _whole_size(response, offset)
        if whole is not None and whole > limits.size:
            raise TooLarge(
                say("The file is larger than {size} bytes.", size=limits.size), field="uri"
            )
        _remember(store, image_id, url, response)

        def chunks() -> Iterator[bytes]:
            received = offset
            for chunk in _stream(response):
                if stopped():
                    raise Stopped
                if time.monotonic() > ends_at:
                    raise FetchFailed("The download took too long.", field="uri")
                received += len(chunk)
                yield chunk
                progress(received, whole)

        end = store.append(image_id, offset, chunks(), limits.size, whole or 0)
    if whole is not None and end != whole:
        raise FetchFailed(
            say("The server sent {end} of {whole} bytes.", end=end, whole=whole), field="uri"
        )
    return end


def _drop(store: ImageStore, image_id: str) -> None:
    """Not what another process is writing or checking. Raises Busy."""
    with store.writing(image_id):
        store.discard(image_id)


def fetch_text(url: str, limits: Limits) -> str:
    """A small text file, such as a list of checksums, cut at ``limits.size`` bytes."""
    with _opened(url, {}, limits) as response:
        data = b""
        for chunk in _stream(response):
            data += chunk
            if len(data) > limits.size:
                raise TooLarge("The checksum file is too large.", field="uri")
        return data.decode(errors="replace")


@contextmanager
def _opened(
    url: str, headers: dict[str, str], limits: Limits
) -> Iterator[urllib3.BaseHTTPResponse]:
    """The final answer after redirects, each of them vetted anew."""
    for _hop in range(MOST_REDIRECTS + 1):
        target = vet(url, allow_private=limits.allow_private)
        with _answered(target, headers) as response:
            if response.status not in REDIRECTS:
                _check_status(response.status)
                yield response
                return
            url = _next(target, response.headers.get("Location", ""))
    raise FetchFailed(
        say("The server redirects more than {most} times.", most=MOST_REDIRECTS), field="uri"
    )


@contextmanager
def _answered(target: Target, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer of the first of the vetted addresses that gives one."""
    for address in target.addresses:
        pool = _pool(target, address)
        try:
            response = _request(pool, target, headers)
            if response is not None:
                yield response
                return
        finally:
            pool.close()
    raise unreachable()


def _request(
    pool: urllib3.HTTPConnectionPool, target: Target, headers: dict[str, str]
) -> urllib3.BaseHTTPResponse | None:
    sent = {
        "Host": target.host_header,
        "User-Agent": "webcloud",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        **headers,
    }
    try:
        return pool.urlopen(
            "GET",
            target.path,
            headers=sent,
            redirect=False,
            retries=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
    except (HTTPError, OSError):
        return None


def _pool(target: Target, address: str) -> urllib3.HTTPConnectionPool:
    """A pool of one connection to the vetted address, never to the name."""
    if target.scheme == "http":
        return urllib3.HTTPConnectionPool(address, target.port, timeout=TIMEOUT, retries=False)
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return urllib3.HTTPSConnectionPool(
        address,
        target.port,
        timeout=TIMEOUT,
        retries=False,
        ssl_context=context,
        server_hostname=target.host,
        assert_hostname=target.host,
    )


def _next(target: Target, location: str) -> str:
    following = urljoin(target.url, location)
    if not location or (target.scheme == "https" and following.startswith("http:")):
        raise FetchFailed("The server redirects to a place that is not allowed.", field="uri")
    return following


def _check_status(status: int) -> None:
    if status not in (200, 206):
        raise FetchFailed(
            say("The server answered {status}, not with a file.", status=status), field="uri"
        )


def _whole_size(response: urllib3.BaseHTTPResponse, offset: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        return None
    if response.status == 206:
        start = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
        if start != str(offset):
            raise FetchFailed("The server sent another part than was asked for.", field="uri")
        return offset + int(length)
    return int(length)


def _stream(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK, decode_content=False)
    except (HTTPError, OSError) as error:
        raise FetchFailed("The connection broke off.", field="uri") from error


def _remember(
    store: ImageStore, image_id: str, url: str, response: urllib3.BaseHTTPResponse
) -> None:
    """Note the file's strong validator, by which a later attempt can go on."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    if not validator:
        return
    with store.writing(image_id):
        note = store.source(image_id)
        note.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(note, flags, 0o640)
        with os.fdopen(file, "w") as opened:
            json.dump({"url": url, "validator": validator}, opened)


def _remembered(store: ImageStore, image_id: str, url: str) -> str | None:
    try:
        note = json.loads(store.source(image_id).read_text())
    except (OSError, ValueError):
        return None
    return str(note["validator"]) if note.get("url") == url else None
