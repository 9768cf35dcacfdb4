"""The real proxy process for tests, and browsers handed over to it."""

from __future__ import annotations

import base64
import os
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import websocket

from webcloud.config import Config
from webcloud.proxy.handover import Handover, Line, ProxyDown, ping


class ProxyProcess:
    """``python -m webcloud.proxy`` with its run directory in ``root``."""

    def __init__(self, root: Path) -> None:
        self.config = Config(state_dir=root / "state", run_dir=root / "run")
        self._environment = {
            **os.environ,
            "WEBCLOUD_RUN_DIR": str(self.config.run_dir),
            "WEBCLOUD_STATE_DIR": str(self.config.state_dir),
        }
        self.log = root / "proxy.log"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "webcloud.proxy"], env=self._environment, stderr=log
            )
        until = time.monotonic() + 10
        while True:
            try:
                ping(self.config.proxy_socket)
                return self.process
            except ProxyDown:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def __enter__(self) -> ProxyProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def consoles(self) -> int:
        return ping(self.config.proxy_socket).consoles

    def wait_for_consoles(self, wanted: int) -> None:
        until = time.monotonic() + 5
        while self.consoles() != wanted:
            assert time.monotonic() < until, f"{self.consoles()} consoles are open, not {wanted}"
            time.sleep(0.02)

    def pss_kilobytes(self) -> int:
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    def hand_over(self, instance_id: str = "i-1", boot: int = 1) -> websocket.WebSocket:
        """A browser whose socket was accepted elsewhere and given to the proxy."""
        client = websocket.WebSocket()
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/console/vnc"
            connecting = pool.submit(client.connect, url, subprotocols=["binary"], timeout=10)
            accepted, _ = listener.accept()
            with accepted:
                self.give(accepted, accepted.recv(65536), instance_id, boot)
            connecting.result()
        return client

    def give(self, accepted: socket.socket, head: bytes, instance_id: str, boot: int) -> None:
        target = Handover(
            instance_id,
            "vnc",
            boot,
            str(self.config.console_socket),
            base64.b64encode(head).decode(),
        )
        with Line(self.config.proxy_socket) as line:
            assert line.hand_over(target, accepted.fileno()).ok


def goodbye(client: websocket.WebSocket) -> tuple[int, str]:
    """Read to the end: the close code and reason that the browser is told."""
    while True:
        opcode, data = client.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return struct.unpack(">H", data[:2])[0], data[2:].decode()
