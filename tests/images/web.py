"""A small web server for import tests, which counts who connects and can misbehave."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Site:
    """What is served, and what was asked. Paths: see ``_Handler``."""

    data: bytes = b""
    etag: str = '"one"'
    cut_after: int | None = None  # break the connection after so many bytes, once
    redirect_to: str = ""
    redirect_status: int = 302
    texts: dict[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None  # hold the answer's second half until it is set
    connections: int = 0
    ranges: list[str | None] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "/image.img") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.site
        site.headers.append(dict(self.headers.items()))
        if self.path in site.texts:
            self._send(200, site.texts[self.path].encode())
        elif self.path.startswith("/redirect"):
            self.send_response(site.redirect_status)
            self.send_header("Location", site.redirect_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith("/image"):
            self._image()
        else:
            self._send(404, b"no")

    def _image(self) -> None:
        site = self.site
        asked = self.headers.get("Range")
        site.ranges.append(asked)
        start, status = 0, 200
        if asked and self.headers.get("If-Range") == site.etag:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        body = site.data[start:]
        self.send_response(status)
        if site.etag:
            self.send_header("ETag", site.etag)
        if status == 206:
            end = len(site.data)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        if self.path != "/image-endless":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if site.cut_after is not None:
            body, site.cut_after = body[: site.cut_after], None
            self.close_connection = True
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        if site.gate is not None:
            site.gate.wait(20)
        self.wfile.write(body[half:])

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site

    def get_request(self) -> Any:
        self.site.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving_site(site: Site | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serve while the block runs, on the loopback."""
    served = site or Site()
    handler = type("Handler", (_Handler,), {"site": served})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.site = served
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
