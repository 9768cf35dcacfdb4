"""Agents of many hosts in one process: they say on the wire what real agents say.

Each has its own Socket.IO connection for hints and kept connections for HTTP,
as a real one has, and the same habits: it asks for commands on a hint and on
a timer, answers them as done at once, tells all its domains and its inventory
on timers.  asyncio on plain streams, so that a process can be 500 of them and
leave the machine to the controller.  ``python -m benchmarks.simulated`` reads
hosts from standard input and runs until that is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from dataclasses import replace
from random import SystemRandom
from typing import Any

from agents import channel, telling
from agents.wire import WIRE_VERSION
from agents.wire.codec import encode
from agents.wire.reports import DomainState, DomainStates, Inventory, Report

CHANCE = SystemRandom()
JSON = "Content-Type: application/json\r\n"


class Answered(Exception):
    """The controller refused."""


class Line:
    """One kept HTTP/1.1 connection."""

    def __init__(self, port: int, authorization: str) -> None:
        self._port = port
        self._authorization = authorization
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self._lock:
            try:
                return await self._call(method, path, body)
            except (OSError, asyncio.IncompleteReadError):
                if self._streams is not None:
                    self._streams[1].close()
                self._streams = None
                raise ConnectionError(path) from None

    async def _call(self, method: str, path: str, body: Any) -> Any:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        writer.write(
            f"{method} /agents/v1/{path} HTTP/1.1\r\nHost: c\r\n{JSON if data else ''}"
            f"Authorization: {self._authorization}\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        raw = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            writer.close()
            self._streams = None
        if int(head[0].split()[1]) >= 400:
            raise Answered(head[0])
        return json.loads(raw or b"{}")


class SimulatedAgent:
    """``host``: port, host_id, secret and name. ``seen_at`` is when it last got an answer."""

    def __init__(self, host: dict[str, Any]) -> None:
        self.name = host["name"]
        self._host = host
        authorization = f"Bearer {host['host_id']}.{host['secret']}"
        self._asking = Line(host["port"], authorization)
        self._telling = Line(host["port"], authorization)
        self._work = asyncio.Event()
        self._sequence = 0
        self._run_id = uuid.uuid4().hex[:16]
        self._domains: dict[str, DomainState] = {}
        self._told = telling.Told()
        self._done: dict[str, Report] = {}
        self.claimed_at = 0.0

    async def run(self) -> None:
        await asyncio.gather(self._listen_forever(), self._claim_forever(), self._tell_forever())

    async def _claim_forever(self) -> None:
        failures = 0
        while True:
            self._work.clear()
            try:
                await self._claim()
            except (ConnectionError, Answered):
                failures += 1
                await asyncio.sleep(_pause(failures))
                continue
            failures = 0
            self.claimed_at = time.monotonic()
            try:
                pause = channel.poll_seconds(self.connected)
                await asyncio.wait_for(self._work.wait(), pause)
            except TimeoutError:
                continue

    @property
    def connected(self) -> bool:
        return self._connected

    _connected = False

    async def _claim(self) -> None:
        answer = await self._asking.call("GET", "commands")
        reports = []
        for command in answer["commands"]:
            known = self._done.get(command["id"])
            reports.append(known or self._carry_out(command))
            self._done[command["id"]] = reports[-1]
        if len(self._done) > 1000:
            self._done = dict(list(self._done.items())[-200:])
        if reports:
            body = {"reports": [encode(report) for report in reports]}
            await self._telling.call("POST", "reports", body)

    def _carry_out(self, command: dict[str, Any]) -> Report:
        verb, payload = command["verb"], command["payload"]
        if verb != "batch":
            return Report(command["id"], "done", result=self._do(verb, payload))
        results = {
            part["name"]: self._do(part["verb"], part["payload"]) for part in payload["parts"]
        }
        return Report(command["id"], "done", result=results)

    def _do(self, verb: str, payload: dict[str, Any]) -> dict[str, Any]:
        if verb == "ensure_running":
            domain = payload["domain"]
            state = DomainState(domain["instance_id"], "running", boot=domain["boot"])
            self._domains[state.instance_id] = state
            return {"power": "running"}
        if verb == "ensure_domain_absent":
            self._domains.pop(payload["instance_id"], None)
        return {}

    async def _tell_forever(self) -> None:
        inventory_at, pause = 0.0, CHANCE.uniform(0, 1)
        while True:
            await asyncio.sleep(pause)
            try:
                if time.monotonic() >= inventory_at:
                    await self._telling.call("PUT", "inventory", encode(self._inventory()))
                    inventory_at = time.monotonic() + _repeat()
                await self._tell_domains()
            except (ConnectionError, Answered):
                pause = CHANCE.uniform(0.5, 2)
                continue
            pause = telling.SWEEP_SECONDS

    async def _tell_all(self) -> None:
        self._told.forget()
        try:
            await self._telling.call("PUT", "inventory", encode(self._inventory()))
            await self._tell_domains()
        except (ConnectionError, Answered):
            return

    async def _tell_domains(self) -> None:
        domains, mark = tuple(self._domains.values()), self._told.mark
        if not self._told.is_news(domains):
            return
        self._sequence += 1
        states = DomainStates(self._run_id, self._sequence, True, domains)
        answer = await self._telling.call("POST", "domains", encode(states))
        if not answer["again"]:
            self._told.delivered(domains, mark)

    def _inventory(self) -> Inventory:
        return replace(INVENTORY, name=self.name, cached_images=tuple(self._host["images"]))

    async def _listen_forever(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except (OSError, asyncio.IncompleteReadError, ConnectionError):
                failures = 0 if self._connected else failures + 1
            self._connected = False
            self._work.set()
            await asyncio.sleep(_pause(failures))

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._host["port"])
        try:
            writer.write(
                b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: c\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise ConnectionError("no websocket")
            while True:
                frame = await _frame(reader)
                if frame.startswith("0"):
                    auth = {name: self._host[name] for name in ("host_id", "secret")}
                    _send(writer, f"40/agents,{json.dumps(auth)}")
                elif frame == "2":
                    _send(writer, "3")
                elif frame.startswith("40/agents"):
                    self._connected = True
                    self._work.set()
                    self._saying = asyncio.create_task(self._tell_all())
                elif frame.startswith("42/agents,"):
                    self._work.set()
                else:
                    raise ConnectionError(frame)
        finally:
            writer.close()


async def _frame(reader: asyncio.StreamReader) -> str:
    """One text frame from the server, which masks nothing; "" when it closes."""
    first, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    data = await reader.readexactly(length)
    return data.decode() if first & 0x0F == 1 else ""


def _send(writer: asyncio.StreamWriter, text: str) -> None:
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    mask = os.urandom(4)
    writer.write(b"\x81" + size + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))


def _repeat() -> float:
    return telling.REPEAT_SECONDS * CHANCE.uniform(0.8, 1)


def _pause(failures: int) -> float:
    pause = min(channel.BACKOFF_FIRST * 2 ** min(failures, 8), channel.BACKOFF_LAST)
    return float(pause * CHANCE.uniform(0.5, 1.0))


INVENTORY = Inventory(
    name="",
    host_uuid="00000000-0000-4000-8000-000000000000",
    wire_version=WIRE_VERSION,
    agent_version="0.1.0",
    hypervisor="test",
    architecture="x86_64",
    vcpus=64,
    memory_mb=512 * 1024,
    disk_total=10 * 10**12,
    disk_free=9 * 10**12,
    versions={"kernel": "6.1", "libvirt": "9.0.0"},
)


async def main() -> None:
    loop = asyncio.get_running_loop()
    first = await loop.run_in_executor(None, sys.stdin.readline)
    agents = [SimulatedAgent(host) for host in json.loads(first)]
    tasks = [loop.create_task(agent.run()) for agent in agents]
    for task in tasks:
        # An agent that broke by a defect of ours must not pass for one that is cut off.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.result())
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        # Each line is a question; the answer says how many are connected and when each asked.
        since = float(line)
        heard = sum(agent.connected and agent.claimed_at > since for agent in agents)
        answer = {"connected": sum(agent.connected for agent in agents), "heard": heard}
        print(json.dumps(answer), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
