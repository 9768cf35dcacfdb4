"""Bodies that are too large, or hold what no database can keep."""

from __future__ import annotations

import contextlib
import socket

import pytest
from flask.testing import FlaskClient

from tests.regressions.conftest import Site
from tests.support.people import Person

PART = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'


def test_sec_S62_a_stranger_cannot_fill_the_disk_with_a_file_in_a_form(site: Site) -> None:
    head = (
        b"POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=B\r\n\r\n"
    )
    piece = b"a" * 1_000_000
    taken = 0
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as peer:
        peer.sendall(head + b"%x\r\n%s\r\n" % (len(PART), PART))
        # Hung up on, as it should be.
        with contextlib.suppress(OSError):
            while taken < 100_000_000:
                peer.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                taken += len(piece)
    assert taken < 50_000_000


@pytest.mark.parametrize("path", ["/login", "/agents/v1/join", "/identity/v3/auth/tokens"])
def test_sec_S62_a_body_over_the_limit_is_refused_by_name(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"a" * 3_000_000, content_type="application/octet-stream")
    assert answer.status_code in (403, 413)
    form = client.post(path, data={"name": "a" * 3_000_000})
    assert form.status_code in (403, 413)


@pytest.mark.parametrize("value", [r'"\ud800"', r'"\u0000"', "NaN", "-Infinity", '"\xff"', "1e"])
def test_json_that_no_database_can_keep_is_refused(
    client: FlaskClient, member: Person, value: str
) -> None:
    raw = f'{{"keypair": {{"name": {value}}}}}'.encode("latin-1")
    answer = client.post(
        "/compute/v2.1/os-keypairs",
        data=raw,
        headers={**member.headers, "Content-Type": "application/json"},
    )
    assert answer.status_code == 400
    said = answer.get_data(as_text=True)
    assert ("keypair.name" if "\\u" in value else "not valid JSON") in said


def test_a_nul_in_an_address_finds_nothing(client: FlaskClient, member: Person) -> None:
    for path, status in (("/servers/a%00b", 404), ("/servers?name=a%00b", 400)):
        answer = client.get(f"/compute/v2.1{path}", headers=member.headers)
        assert answer.status_code == status
