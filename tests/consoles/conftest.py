"""One web server and one proxy for all the console tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console_agent import ConsoleAgent
from tests.support.console_proxy import ProxyProcess
from tests.support.console_site import ConsoleSite


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(root: Path) -> Iterator[ConsoleSite]:
    with ConsoleSite(root) as serving:
        yield serving


@pytest.fixture(scope="module")
def proxy(root: Path) -> Iterator[ProxyProcess]:
    with ProxyProcess(root) as relaying:
        yield relaying


@pytest.fixture(scope="module")
def agent(proxy: ProxyProcess) -> Iterator[ConsoleAgent]:
    with ConsoleAgent(proxy.config.console_socket) as answering:
        yield answering
