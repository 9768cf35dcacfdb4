"""The Origin check where the cloud's address is configured."""

from __future__ import annotations

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from webcloud.config import Config
from webcloud.consoles.origins import check_origin, origin_of
from webcloud.errors import Forbidden


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://cloud.example", "https://cloud.example"),
        ("https://Cloud.Example:443/path/", "https://cloud.example"),
        ("http://cloud.example:80", "http://cloud.example"),
        ("https://cloud.example:8443", "https://cloud.example:8443"),
        ("http://[::1]:8774", "http://[::1]:8774"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://cloud.example",
        "https://cloud.example:8443",
        "https://cloud.example.",
        "https://CLOUD.example",
        "https://a.cloud.example",
        "https://cloud.example.evil.example",
        "https://10.0.0.1",
    ],
)
def test_sec_S22_only_the_configured_origin_passes(origin: str | None) -> None:
    config = Config(public_url="https://cloud.example/").with_defaults_filled()
    check_origin(config, _request("https://cloud.example"))
    with pytest.raises(Forbidden) as refused:
        check_origin(config, _request(origin))
    assert "https://cloud.example" in refused.value.full_message


def test_sec_S22_without_a_host_nothing_passes() -> None:
    request = _request("http://", host="")
    with pytest.raises(Forbidden):
        check_origin(Config().with_defaults_filled(), request)


def _request(origin: str | None, host: str = "10.0.0.1") -> Request:
    headers = {"Host": host, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    if origin is not None:
        headers["Origin"] = origin
    return Request(EnvironBuilder(headers=headers).get_environ())
