"""The agent's settings, and the start of its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.config import AgentConfig
from agents.errors import AgentError
from agents.ids import checked_mac

URL = {"WEBCLOUD_AGENT_CONTROLLER": "https://cloud.example:8774/"}


def test_only_the_controller_must_be_given() -> None:
    config = AgentConfig.from_environment(URL)
    assert config.controller == "https://cloud.example:8774"
    assert config.credential_file == Path("/var/lib/webcloud/agent/credential")
    assert config.console_socket == Path("/run/webcloud/agent/consoles.sock")
    assert config.join_token_file is None
    assert config.virt == "auto"


def test_paths_follow_the_state_directory() -> None:
    config = AgentConfig.from_environment({**URL, "WEBCLOUD_AGENT_STATE_DIR": "/s"})
    assert config.credential_file == Path("/s/credential")
    assert config.images_dir == Path("/s/images")
    assert config.networks_dir == Path("/s/networks")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"WEBCLOUD_AGENT_CONTROLLER": ""}, "WEBCLOUD_AGENT_CONTROLLER"),
        ({"WEBCLOUD_AGENT_CONTROLLER": "cloud.example"}, "WEBCLOUD_AGENT_CONTROLLER"),
        ({"WEBCLOUD_AGENT_VIRT": "xen"}, "WEBCLOUD_AGENT_VIRT"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AgentConfig.from_environment({**URL, **change})


def test_the_process_says_what_is_wrong_and_ends_with_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agents"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "WEBCLOUD_AGENT_CONTROLLER" in done.stderr


def test_a_mac_is_brought_to_lower_case_and_anything_else_refused() -> None:
    assert checked_mac("52:54:00:AA:bb:01") == "52:54:00:aa:bb:01"
    with pytest.raises(AgentError):
        checked_mac("52:54:00:aa:bb")


def test_an_error_outside_the_contract_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="wire contract"):
        AgentError("oops", "x")
