"""The agent as a process, and the child that changes network devices."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from agents import __main__ as entry
from agents.wire.commands import EnsureImage
from tests.support.agent_controller import SECRET, TOKEN, AgentController
from tests.support.agent_host import AgentHost


def test_a_signal_ends_it_at_once_and_in_order(
    controller: AgentController, test_host: AgentHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in test_host.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["webcloud-agent"])
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    umask = os.umask(0o022)

    def end() -> None:
        try:
            controller.wait_for(lambda: controller.inventories)
        finally:
            # Where the agent does not listen for it, the signal would end the tests.
            if signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]:
                os.kill(os.getpid(), signal.SIGTERM)

    try:
        threading.Thread(target=end, daemon=True).start()
        entry.main()
    finally:
        os.umask(umask)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended == [0]
    assert controller.inventories
    assert not test_host.config.console_socket.exists()


def test_an_image_goes_on_where_a_killed_agent_left_it(
    controller: AgentController, test_host: AgentHost
) -> None:
    import hashlib

    content, image_id = os.urandom(3 << 20), str(uuid.uuid4())
    content = bytes(512) + content
    controller.images[image_id] = content
    digest = hashlib.sha256(content).hexdigest()
    test_host.config.images_dir.mkdir(parents=True)
    (test_host.config.images_dir / f"{image_id}.part").write_bytes(content[: 1 << 20])
    test_host.start()
    controller.wait_for(lambda: controller.inventories, 20)
    asked = controller.ask(EnsureImage(image_id, digest, len(content), "raw"), image_id)
    time.sleep(0.02)
    test_host.kill()
    test_host.start()
    assert controller.answer(asked, 20).status == "done"
    assert (test_host.config.images_dir / image_id).read_bytes() == content


def test_no_secret_is_ever_logged(controller: AgentController, test_host: AgentHost) -> None:
    test_host.environment["WEBCLOUD_AGENT_LOG_LEVEL"] = "DEBUG"
    process = test_host.start()
    controller.wait_for(lambda: controller.domains, 20)
    listing = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    controller.accepts_credential = False
    time.sleep(0.5)
    test_host.stop()
    log = (test_host.base / "agent.log").read_text()
    assert "joined the controller" in log
    for secret in (SECRET, TOKEN):
        assert secret not in log
        assert secret.encode() not in listing


def test_the_agent_waits_without_a_credential_and_ends_when_told(
    controller: AgentController, test_host: AgentHost
) -> None:
    (test_host.base / "token").write_text("wrong")
    test_host.config.state_dir.mkdir()
    test_host.config.credential_file.write_text("not json")
    agent = test_host.start_inside()
    time.sleep(0.3)
    assert controller.joins == 0
    agent.stop()
    test_host.stop()
    assert test_host._thread is not None
    assert not test_host._thread.is_alive()
