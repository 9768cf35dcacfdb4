"""Fixtures of the agent's tests: a controller's edge and hosts that dial in to it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_controller import AgentController
from tests.support.agent_host import AgentHost
from tests.support.libvirt_daemon import ensure_libvirtd


@pytest.fixture
def controller() -> Iterator[AgentController]:
    with AgentController() as serving:
        yield serving


@pytest.fixture
def test_host(controller: AgentController) -> Iterator[AgentHost]:
    """A host on libvirt's test driver; the test starts its agent."""
    host = AgentHost(controller.url, "test")
    yield host
    host.clean()


@pytest.fixture
def guest_host(controller: AgentController) -> Iterator[AgentHost]:
    """A host on the machine's own libvirt and QEMU."""
    ensure_libvirtd()
    host = AgentHost(controller.url, "qemu")
    yield host
    host.clean()


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that other users may pass through, as pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="webcloud-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
