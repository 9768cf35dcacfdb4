"""Opens guests' consoles for the proxy of the same host.

A unix socket that root and one group may connect to; one request per
connection, answered with one descriptor on which the guest's bytes flow.
VNC and SPICE come straight from QEMU through libvirt, so that QEMU listens
nowhere; a serial port is relayed between libvirt's stream and a socket pair.
A request for another boot than the one running is refused.  Protocol:
``agents.wire.consoles``.
"""

from __future__ import annotations

import grp
import json
import logging
import os
import pwd
import socket
import struct
import threading
import time
from pathlib import Path

from agents.compute.domains import find_ours
from agents.compute.metadata import NAMESPACE, parse
from agents.compute.serial import join_serial
from agents.errors import AgentError
from agents.libvirt_host import Guest, LibvirtHost, parse_xml
from agents.storage import files
from agents.wire.codec import WireError, decode, encode
from agents.wire.consoles import ConsoleOpened, OpenConsole

log = logging.getLogger(__name__)

REQUEST_BYTES, REQUEST_SECONDS = 4096, 5.0
PAUSE_SECONDS = 0.1  # after a failed accept, which would fail again at once


class ConsoleServer:
    """Serves ``path`` until ``stop``; one short thread per request."""

    def __init__(self, host: LibvirtHost, path: Path, group: str) -> None:
        self._host = host
        self._path = path
        self._gid = _group_id(group)
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Listen; raises OSError when the socket cannot be made."""
        files.ensure_folder(self._path.parent, group=self._gid)
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._path))
        os.chown(self._path, 0, self._gid)
        self._path.chmod(0o660)
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, name="consoles", daemon=True).start()

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        listener = self._listener
        while listener is not None:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if listener.fileno() < 0:
                    return
                log.error("a console request could not be accepted: %s", error)
                time.sleep(PAUSE_SECONDS)
                continue
            try:
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            except RuntimeError as error:
                connection.close()
                log.error("a console request could not be served: %s", error)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(REQUEST_SECONDS)
            try:
                if not self._may_ask(connection):
                    return
                request = decode(OpenConsole, json.loads(_line(connection)))
            except (OSError, ValueError, WireError) as error:
                log.info("a console request was not understood: %s", error)
                return
            descriptor = -1
            try:
                descriptor = self._open(request)
                _answer(connection, ConsoleOpened(True), descriptor)
            except _NotOpened as refusal:
                _answer(connection, ConsoleOpened(False, refusal.code, str(refusal)))
            except AgentError as error:
                _answer(connection, ConsoleOpened(False, "libvirt", str(error)))
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def _may_ask(self, connection: socket.socket) -> bool:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _pid, uid, gid = struct.unpack("3i", raw)
        if uid == 0 or gid == self._gid or self._gid in _groups_of(uid):
            return True
        log.warning("a console request of user id %d was refused", uid)
        return False

    def _open(self, request: OpenConsole) -> int:
        if request.kind not in ("vnc", "spice", "serial"):
            raise _NotOpened("unknown_kind", f"There is no console of kind {request.kind!r}.")
        guest = find_ours(self._host, request.instance_id)
        if guest is None or not guest.active():
            raise _NotOpened("not_running", "The instance is not running.")
        metadata = parse(guest.metadata(NAMESPACE))
        if metadata is None or metadata.boot != request.boot:
            raise _NotOpened("wrong_boot", "The instance has been restarted since.")
        if request.kind == "serial":
            return join_serial(guest.open_serial())
        return guest.open_graphics(_graphics_index(guest, request.kind))


class _NotOpened(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _graphics_index(guest: Guest, kind: str) -> int:
    root = parse_xml(guest.xml())
    kinds = [item.get("type", "") for item in root.iterfind("./devices/graphics")]
    if kind not in kinds:
        raise _NotOpened("unknown_kind", f"The instance has no {kind} console.")
    return kinds.index(kind)


def _answer(connection: socket.socket, opened: ConsoleOpened, descriptor: int = -1) -> None:
    line = json.dumps(encode(opened)).encode() + b"\n"
    try:
        socket.send_fds(connection, [line], [descriptor] if descriptor >= 0 else [])
    except OSError as error:
        log.info("the asker of a console has gone: %s", error)


def _line(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) < REQUEST_BYTES:
        piece = connection.recv(REQUEST_BYTES - len(data))
        if not piece:
            break
        data += piece
    return data


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        log.info("there is no group %s: only root may open consoles", name)
        return 0


def _groups_of(uid: int) -> list[int]:
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return []
    return os.getgrouplist(user.pw_name, user.pw_gid)
