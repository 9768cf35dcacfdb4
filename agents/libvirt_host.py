"""The connection to libvirt, and the only module that imports it.

One connection, kept alive by a thread that opens it again whenever it is
lost; while it is down every call raises AgentError ``libvirt`` (retryable).
Lifecycle events of all domains go to one callback.  Domains come out as
``Guest``: what other modules may do with one is exactly its methods.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import libvirt

from agents.errors import AgentError

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
SYSTEM, TEST = "qemu:///system", "test:///default"
# Streams and descriptors share the values of these bits.
READABLE = libvirt.VIR_EVENT_HANDLE_READABLE
WRITABLE = libvirt.VIR_EVENT_HANDLE_WRITABLE
ENDED = libvirt.VIR_EVENT_HANDLE_ERROR | libvirt.VIR_EVENT_HANDLE_HANGUP

_POWER = {
    # The guest has powered itself off; what is left is libvirt's own tidying.
    libvirt.VIR_DOMAIN_SHUTDOWN: "shutoff",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "paused",
    libvirt.VIR_DOMAIN_SHUTOFF: "shutoff",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
}
_SHUTOFF_REASONS = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: "shutdown",
    libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED: "destroyed",
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_SHUTOFF_SAVED: "saved",
    libvirt.VIR_DOMAIN_SHUTOFF_FAILED: "failed",
    libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT: "from_snapshot",
    libvirt.VIR_DOMAIN_SHUTOFF_DAEMON: "daemon",
}


_loop_lock = threading.Lock()
_loop_runs = False


def _start_event_loop() -> None:
    """libvirt has one event loop per process; it runs until the process ends."""
    global _loop_runs
    with _loop_lock:
        if _loop_runs:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_events, name="libvirt-events", daemon=True).start()
        _loop_runs = True


def _run_events() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as error:
            log.warning("libvirt events: %s", error)
            time.sleep(1)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """libvirt's errors as AgentError, with libvirt's own words."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise AgentError("libvirt", f"{doing}: {error.get_error_message()}", True) from error


def parse_xml(text: str) -> ElementTree.Element:
    """XML that libvirtd itself wrote; raises ElementTree.ParseError."""
    # libvirt serialises from its own objects: no document types, no entities.
    return ElementTree.fromstring(text)  # noqa: S314


class Guest:
    """One domain. Every method raises AgentError ``libvirt``."""

    def __init__(self, domain: Any) -> None:
        self._domain = domain

    @property
    def uuid(self) -> str:
        return str(self._domain.UUIDString())

    @property
    def name(self) -> str:
        return str(self._domain.name())

    def power(self) -> tuple[str, str]:
        """(one of POWER, reason in one word or empty)."""
        with _translated("reading a domain's state"):
            state, reason = self._domain.state()
        power = _POWER.get(state, "running")
        if state == libvirt.VIR_DOMAIN_SHUTDOWN:
            return power, "shutdown"
        word = _SHUTOFF_REASONS.get(reason, "") if power == "shutoff" else ""
        if (state, reason) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR):
            word = "io_error"
        return ("crashed" if word == "crashed" else power), word

    def active(self) -> bool:
        with _translated("reading a domain's state"):
            return bool(self._domain.isActive())

    def persistent(self) -> bool:
        """Whether it stays defined when it stops."""
        with _translated("reading a domain's state"):
            return bool(self._domain.isPersistent())

    def metadata(self, namespace: str) -> str:
        """Our metadata element as XML text; empty when there is none."""
        try:
            return str(self._domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, namespace))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA:
                return ""
            raise AgentError("libvirt", f"reading metadata: {error}", True) from error

    def set_metadata(self, namespace: str, prefix: str, element: str) -> None:
        """Replace our element, in the running and in the stored description."""
        with _translated("writing a domain's metadata"):
            flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
            if self._domain.isActive():
                flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            self._domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, prefix, namespace, flags
            )

    def xml(self) -> str:
        with _translated("reading a domain's description"):
            return str(self._domain.XMLDesc(0))

    def stored_xml(self) -> str:
        """The description that the next start follows."""
        with _translated("reading a domain's description"):
            return str(self._domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))

    def start(self) -> None:
        with _translated("starting the guest"):
            self._domain.create()

    def shutdown(self) -> None:
        """Ask the guest to power off, by ACPI."""
        with _translated("asking the guest to shut down"):
            self._domain.shutdown()

    def destroy(self) -> None:
        """Take the power away; fine when it is off already."""
        try:
            self._domain.destroy()
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (
                libvirt.VIR_ERR_OPERATION_INVALID,
                libvirt.VIR_ERR_NO_DOMAIN,
            ):
                raise AgentError("libvirt", f"stopping the guest: {error}", True) from error

    def undefine(self) -> None:
        """Forget the domain with everything libvirt keeps beside it."""
        flags = (
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )
        try:
            self._domain.undefineFlags(flags)
        except libvirt.libvirtError as error:
            code = error.get_error_code()
            if code == libvirt.VIR_ERR_NO_DOMAIN:
                return
            if code != libvirt.VIR_ERR_INVALID_ARG:
                raise AgentError("libvirt", f"removing the domain: {error}", True) from error
            # The test driver knows fewer flags than the real one.
            with _translated("removing the domain"):
                self._domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)

    def open_graphics(self, index: int) -> int:
        """A connected descriptor of the guest's VNC or SPICE server."""
        with _translated("opening the console"):
            return int(
                self._domain.openGraphicsFD(index, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)
            )

    def open_serial(self) -> SerialStream:
        """The first serial port; an earlier session on it is ended."""
        with _translated("opening the serial console"):
            # Never a blocking one: a thread that waits in a stream holds up every
            # other call on the connection (5 s each, measured with libvirt 9.0).
            stream = self._domain.connect().newStream(libvirt.VIR_STREAM_NONBLOCK)
            self._domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        return SerialStream(stream)


class SerialStream:
    """Raw bytes of a serial port, without blocking; watched on libvirt's thread."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def receive(self, size: int) -> bytes | None:
        """None when there is nothing yet, empty at the end of the stream."""
        with _translated("reading the serial console"):
            data = self._stream.recv(size)
        return data if isinstance(data, bytes) else None

    def send(self, data: bytes) -> int:
        """How many bytes were taken; 0 when the guest is not reading."""
        with _translated("writing the serial console"):
            return max(int(self._stream.send(data)), 0)

    def watch(self, ready: Callable[[int], None]) -> None:
        """Call ``ready(events)`` from now on; at first for READABLE only."""
        with _translated("watching the serial console"):
            self._stream.eventAddCallback(
                READABLE, lambda _stream, events, _opaque: ready(events), None
            )

    def want(self, events: int) -> None:
        with _translated("watching the serial console"):
            self._stream.eventUpdateCallback(events)

    def close(self) -> None:
        """Stop watching and end the stream; fine when it has ended already."""
        for end in (self._stream.eventRemoveCallback, self._stream.abort):
            try:
                end()
            except libvirt.libvirtError as error:
                log.debug("serial stream: %s", error)


class WatchedSocket:
    """A descriptor watched by libvirt's event loop, beside the streams."""

    def __init__(self, descriptor: int, ready: Callable[[int], None]) -> None:
        self._watch = libvirt.virEventAddHandle(
            descriptor, READABLE, lambda _watch, _fd, events, _opaque: ready(events), None
        )

    def want(self, events: int) -> None:
        libvirt.virEventUpdateHandle(self._watch, events)

    def close(self) -> None:
        libvirt.virEventRemoveHandle(self._watch)


class LibvirtHost:
    """``on_event(instance_id)`` is called on libvirt's thread for every change.

    ``owner`` is this host's own id, which guests made here carry.
    """

    def __init__(self, uri: str, on_event: Callable[[str], None], owner: str = "") -> None:
        self.uri = uri
        self.owner = owner
        self._on_event = on_event
        self._connection: Any = None
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._lost = threading.Event()
        self._stop = threading.Event()
        self._why = "not connected yet"
        self._subscription = -1

    def start(self) -> None:
        """Begin connecting; returns at once, a libvirt that is down is waited for."""
        _start_event_loop()
        self._connect()
        threading.Thread(target=self._keep, name="libvirt-keep", daemon=True).start()

    def stop(self) -> None:
        """Close the connection; guests are not concerned by that."""
        self._stop.set()
        self._lost.set()
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            self._why = "the agent is ending"
            try:
                connection.domainEventDeregisterAny(self._subscription)
                if not self.uri.startswith("test:"):
                    connection.unregisterCloseCallback()
                connection.close()
            except libvirt.libvirtError as error:
                log.debug("closing the connection: %s", error)

    def connection(self) -> Any:
        """The live connection; raises AgentError ``libvirt`` when there is none."""
        connection = self._connection
        if connection is None:
            raise AgentError("libvirt", f"libvirt does not answer: {self._why}", True)
        return connection

    def find(self, uuid: str) -> Guest | None:
        connection = self.connection()
        try:
            return Guest(connection.lookupByUUIDString(uuid))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise AgentError("libvirt", f"looking for the domain: {error}", True) from error

    def define(self, xml: str) -> Guest:
        with _translated("describing the guest to libvirt"):
            return Guest(self.connection().defineXML(xml))

    def guests(self) -> list[Guest]:
        with _translated("listing domains"):
            return [Guest(domain) for domain in self.connection().listAllDomains(0)]

    def capabilities(self) -> str:
        with _translated("reading capabilities"):
            return str(self.connection().getCapabilities())

    def versions(self) -> tuple[int, int]:
        """(libvirt, hypervisor), each as major * 1000000 + minor * 1000 + patch."""
        with _translated("reading versions"):
            connection = self.connection()
            return int(connection.getLibVersion()), int(connection.getVersion())

    def wait_change(self, seconds: float) -> None:
        """Sleep until any domain changes, or for ``seconds``."""
        with self._changed:
            self._changed.wait(seconds)

    def _connect(self) -> None:
        try:
            connection = libvirt.open(self.uri)
            self._subscription = connection.domainEventRegisterAny(
                None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None
            )
            if not self.uri.startswith("test:"):
                connection.registerCloseCallback(self._closed, None)
                connection.setKeepAlive(5, 3)
        except libvirt.libvirtError as error:
            why = error.get_error_message()
            if why != self._why:
                log.warning("libvirt at %s does not answer: %s", self.uri, why)
            self._why = why
            return
        with self._lock:
            self._connection = connection
        self._why = ""
        log.info("connected to libvirt at %s", self.uri)
        self._on_event("")

    def _keep(self) -> None:
        while not self._stop.is_set():
            self._lost.wait(RETRY_SECONDS)
            if self._stop.is_set():
                return
            if self._lost.is_set() or self._connection is None or not self._alive():
                self._lost.clear()
                with self._lock:
                    self._connection = None
                self._connect()

    def _alive(self) -> bool:
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def _closed(self, _connection: Any, _reason: int, _opaque: Any) -> None:
        log.warning("libvirt closed the connection")
        self._why = "the connection was closed"
        self._connection = None
        self._lost.set()

    def _lifecycle(
        self, _connection: Any, domain: Any, _event: int, _detail: int, _opaque: Any
    ) -> None:
        uuid = str(domain.UUIDString())
        with self._changed:
            self._changed.notify_all()
        self._on_event(uuid)
