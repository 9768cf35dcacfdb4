"""No address of the web server sends a browser to another site."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tests.support.console_site import ConsoleSite

STARTS = ["//", "/\\", "/%2f%2f", "/%5c", "/%0d%0aLocation:%20http://", "/.//", "/;//", "///"]
PLACES = ["", "/static", "/static/vendor", "/console", "/console/vnc"]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("place", PLACES)
def test_sec_S23_no_path_form_redirects_elsewhere(
    site: ConsoleSite, place: str, start: str
) -> None:
    for end in ("", "/", "/%2f..", "/.."):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=5)
        connection.putrequest("GET", f"{place}{start}evil.example{end}", skip_host=True)
        connection.putheader("Host", f"127.0.0.1:{site.port}")
        connection.endheaders()
        answer = connection.getresponse()
        target = urlsplit(answer.headers.get("Location", "").replace("\\", "/"))
        assert target.netloc in ("", f"127.0.0.1:{site.port}"), answer.headers
        assert answer.status < 500
        connection.close()
