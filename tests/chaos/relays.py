"""A TCP relay in front of the controller for each agent, which can stop passing.

While it is cut it passes nothing, says nothing and closes nothing, as a
network does that has lost its way; connections made meanwhile wait as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Relays:
    """``targets[i]`` is the port that relay i leads to; ``ports[i]`` is its own."""

    def __init__(self, targets: list[int]) -> None:
        self._targets = targets
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._passing = [asyncio.Event() for _ in targets]
        for event in self._passing:
            event.set()
        opened = asyncio.run_coroutine_threadsafe(self._open(), self._loop)
        self.ports: list[int] = opened.result(10)

    def cut(self, index: int) -> None:
        self._loop.call_soon_threadsafe(self._passing[index].clear)

    def mend(self, index: int) -> None:
        self._loop.call_soon_threadsafe(self._passing[index].set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _open(self) -> list[int]:
        ports = []
        for index in range(len(self._targets)):
            server = await asyncio.start_server(
                lambda reader, writer, at=index: self._serve(at, reader, writer), "127.0.0.1", 0
            )
            ports.append(int(server.sockets[0].getsockname()[1]))
        return ports

    async def _serve(
        self, index: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        passing = self._passing[index]
        await passing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self._targets[index]
            )
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(passing, reader, far_writer), _pump(passing, far_reader, writer))


async def _pump(
    passing: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            await passing.wait()
            writer.write(data)
            await writer.drain()
    writer.close()
