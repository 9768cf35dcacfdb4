"""The proxy's process against an agent that speaks the real protocol."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket

from agents.wire.consoles import ConsoleOpened
from tests.support.console_agent import GREETING, ConsoleAgent
from tests.support.console_proxy import ProxyProcess, goodbye
from webcloud.proxy.handover import ProxyDown, ping
from webcloud.proxy.seats import MAX_PER_INSTANCE


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[ProxyProcess]:
    with ProxyProcess(tmp_path) as running:
        yield running


@pytest.fixture
def agent(proxy: ProxyProcess) -> Iterator[ConsoleAgent]:
    with ConsoleAgent(proxy.config.console_socket) as answering:
        yield answering


def test_bytes_flow_both_ways(proxy: ProxyProcess, agent: ConsoleAgent) -> None:
    browser = proxy.hand_over("i-1", boot=7)
    assert browser.getsubprotocol() == "binary"
    assert browser.recv() == GREETING
    browser.send_binary(b"typed")
    assert browser.recv() == b"typed"
    assert (agent.asked[0].instance_id, agent.asked[0].kind, agent.asked[0].boot) == (
        "i-1",
        "vnc",
        7,
    )
    browser.close()
    proxy.wait_for_consoles(0)


def test_a_large_paste_arrives_whole(proxy: ProxyProcess, agent: ConsoleAgent) -> None:
    browser = proxy.hand_over()
    browser.recv()
    sent = os.urandom(900_001)
    threading.Thread(target=browser.send_binary, args=(sent,), daemon=True).start()
    received = b""
    while len(received) < len(sent):
        received += browser.recv()
    assert received == sent


def test_sec_S32_a_message_over_one_mebibyte_is_refused_unbuffered(
    proxy: ProxyProcess, agent: ConsoleAgent
) -> None:
    browser = proxy.hand_over()
    browser.recv()
    before = proxy.pss_kilobytes()
    # Only the head of a frame that announces 200 MB: enough to be refused.
    browser.sock.sendall(b"\x82\xff" + (200_000_000).to_bytes(8, "big") + b"\0\0\0\0")
    assert goodbye(browser) == (1009, "too_long")
    assert proxy.pss_kilobytes() - before < 2000


def test_sec_S32_a_message_in_many_parts_is_bounded_too(
    proxy: ProxyProcess, agent: ConsoleAgent
) -> None:
    browser = proxy.hand_over()
    browser.recv()
    part = b"x" * 300_000
    browser.send_frame(websocket.ABNF.create_frame(part, websocket.ABNF.OPCODE_BINARY, 0))
    # The proxy may close while we still write, or say so in a close frame.
    with pytest.raises(OSError):
        for _ in range(4):
            browser.send_frame(websocket.ABNF.create_frame(part, websocket.ABNF.OPCODE_CONT, 0))
        raise ConnectionError(goodbye(browser)[1])


def test_sec_S32_one_instance_cannot_take_every_seat(
    proxy: ProxyProcess, agent: ConsoleAgent
) -> None:
    held = [proxy.hand_over("i-1") for _ in range(MAX_PER_INSTANCE)]
    assert goodbye(proxy.hand_over("i-1")) == (1013, "too_many_here")
    assert proxy.hand_over("i-2").recv() == GREETING
    held[0].close()
    proxy.wait_for_consoles(MAX_PER_INSTANCE)
    assert proxy.hand_over("i-1").recv() == GREETING


def test_sec_S32_a_reader_that_stands_still_costs_bounded_memory(tmp_path: Path) -> None:
    def flood(guest: socket.socket) -> None:
        while True:
            guest.sendall(b"x" * 65536)

    with ProxyProcess(tmp_path) as proxy, ConsoleAgent(proxy.config.console_socket, flood):
        before = proxy.pss_kilobytes()
        slow = [proxy.hand_over(f"i-{n}") for n in range(20)]
        time.sleep(0.5)
        assert proxy.pss_kilobytes() - before < 20 * 300
        cpu = _cpu_ticks(proxy)
        time.sleep(0.5)
        assert _cpu_ticks(proxy) - cpu < 10, "the proxy spins on readers that stand still"
        assert slow[0].recv()


def test_sec_S32_half_open_requests_do_not_slow_live_consoles(
    proxy: ProxyProcess, agent: ConsoleAgent
) -> None:
    browsers = [proxy.hand_over(f"i-{n}") for n in range(50)]
    for browser in browsers:
        browser.recv()
    half_open = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    for peer in half_open:
        peer.connect(str(proxy.config.proxy_socket))
        peer.sendall(b"{")
    took = []
    for browser in browsers:
        began = time.perf_counter()
        browser.send_binary(b"x")
        assert browser.recv() == b"x"
        took.append(time.perf_counter() - began)
    for peer in half_open:
        peer.close()
    # Far less than what one that is waited for would take.
    assert sorted(took)[47] < 2


@pytest.mark.parametrize(
    ("code", "close"),
    [("not_running", 1011), ("wrong_boot", 1008), ("unknown_kind", 1011), ("libvirt", 1011)],
)
def test_the_agents_refusal_reaches_the_browser(
    proxy: ProxyProcess, agent: ConsoleAgent, code: str, close: int
) -> None:
    agent.refusal = ConsoleOpened(False, code, "because")
    assert goodbye(proxy.hand_over()) == (close, code)


def test_without_an_agent_the_browser_is_told(proxy: ProxyProcess) -> None:
    assert goodbye(proxy.hand_over()) == (1011, "agent_down")


def test_a_guest_that_powers_off_ends_its_console(proxy: ProxyProcess, agent: ConsoleAgent) -> None:
    browser = proxy.hand_over()
    browser.recv()
    agent.power_off()
    assert goodbye(browser) == (1000, "guest_closed")
    proxy.wait_for_consoles(0)


def test_six_hundred_consoles_work_at_once(proxy: ProxyProcess, agent: ConsoleAgent) -> None:
    browsers = [proxy.hand_over(f"i-{n}") for n in range(600)]
    for number, browser in enumerate(browsers):
        assert browser.recv() == GREETING
        browser.send_binary(b"%d" % number)
    for number, browser in enumerate(browsers):
        assert browser.recv() == b"%d" % number
    assert proxy.consoles() == 600
    for browser in browsers:
        browser.sock.close()
    proxy.wait_for_consoles(0)


def test_sigterm_ends_the_proxy_soon(proxy: ProxyProcess, agent: ConsoleAgent) -> None:
    proxy.hand_over().recv()
    began = time.monotonic()
    proxy.process.send_signal(signal.SIGTERM)
    assert proxy.process.wait(5) == 0
    assert time.monotonic() - began < 4
    assert not proxy.config.proxy_socket.exists()


def test_a_killed_proxy_starts_again_on_the_same_socket(
    proxy: ProxyProcess, agent: ConsoleAgent
) -> None:
    proxy.hand_over().recv()
    proxy.process.kill()
    proxy.process.wait()
    with pytest.raises(ProxyDown):
        ping(proxy.config.proxy_socket)
    proxy.start()
    assert proxy.hand_over().recv() == GREETING


def test_a_second_proxy_does_not_take_the_socket(proxy: ProxyProcess) -> None:
    first = proxy.process
    second = proxy.start()
    assert second.wait(5) == 1
    assert "already listening" in proxy.log.read_text()
    proxy.process = first
    assert ping(proxy.config.proxy_socket).ok


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"null\n",
        b"{}\n",
        b'{"ping": false}\n',
        b'{"handover": {}}\n',
        b"[1]\n",
        b"x" * 70_000,
    ],
)
def test_nonsense_on_the_hand_over_socket_is_dropped(proxy: ProxyProcess, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(proxy.config.proxy_socket))
        peer.settimeout(5)
        try:
            peer.sendall(line)
            assert peer.recv(100) == b""
        except ConnectionError:
            assert len(line) > 65536
    assert ping(proxy.config.proxy_socket).ok


def test_sec_S30_the_proxy_listens_on_no_network_port_and_to_no_other_user(
    proxy: ProxyProcess,
) -> None:
    listening = _listening_inodes() & _socket_inodes(proxy.process.pid)
    assert not listening
    assert proxy.config.proxy_socket.parent.stat().st_mode & 0o777 == 0o750
    assert proxy.config.proxy_socket.stat().st_mode & 0o777 == 0o600


def test_the_idle_proxy_is_small(proxy: ProxyProcess) -> None:
    assert proxy.pss_kilobytes() < 25_000


def _listening_inodes() -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        found.update(row.split()[9] for row in rows)
    return found


def _socket_inodes(pid: int) -> set[str]:
    targets = [str(item.readlink()) for item in Path(f"/proc/{pid}/fd").iterdir()]
    return {target[8:-1] for target in targets if target.startswith("socket:")}


def _cpu_ticks(proxy: ProxyProcess) -> int:
    fields = Path(f"/proc/{proxy.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return int(fields[11]) + int(fields[12])
