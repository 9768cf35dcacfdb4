"""One real cloud for all tests of this folder; every test leaves it empty and verified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.boot_sector import ECHO, disk
from tests.support.guest_cloud import GuestCloud


@pytest.fixture(scope="package")
def running() -> Iterator[GuestCloud]:
    """The cloud itself, started once."""
    # Looked at more often than every 15 seconds, so that what a test breaks shows soon.
    cloud = GuestCloud(WEBCLOUD_AGENT_SURVEY_SECONDS="3")
    try:
        cloud.start()
        yield cloud
        cloud.verify()
    finally:
        cloud.end()


@pytest.fixture
def cloud(running: GuestCloud) -> Iterator[GuestCloud]:
    """The cloud without an instance; how the test leaves it is verified, then cleared."""
    yield running
    running.wait_answering()
    running.verify()
    running.delete_all()


@pytest.fixture(scope="package")
def echo(running: GuestCloud) -> str:
    """An image that boots at once and returns what its serial port is sent."""
    return running.api.upload("echo", disk(ECHO))


@pytest.fixture(scope="package")
def demo(running: GuestCloud) -> str:
    """The demo image's id."""
    image_id: str = running.api.image("demo")["id"]
    return image_id
