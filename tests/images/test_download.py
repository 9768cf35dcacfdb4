"""Imports by URL: where they may not go, and how they go on after an interruption."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.images import corpus
from tests.images.web import Site, serving_site
from webcloud.errors import TooLarge, WebcloudError
from webcloud.images import addresses, checksums, download
from webcloud.images.addresses import AddressRefused
from webcloud.images.download import FetchFailed, Limits, Stopped, fetch
from webcloud.images.store import ImageStore

IMAGE = "11111111-2222-4333-8444-555555555555"
OPEN = Limits(10**8, allow_private=True)
CLOSED = Limits(10**8)

FORBIDDEN = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/",
    "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/", "http://017700000001:{port}/", "http://127.0.0.1.:{port}/",
    "http://127.000.000.001:{port}/", "http://0:{port}/", "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/", "http://[::]:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/", "http://[fd00::1]:{port}/", "http://[fe80::1]:{port}/",
    "http://[fe80::1%25lo]:{port}/", "http://[::1%25lo]:{port}/", "http://[2002:7f00:1::]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[2001::1]:{port}/", "http://[ff02::1]:{port}/",
    "http://169.254.169.254/latest/meta-data/", "http://169.254.169.254:{port}/",
    "http://[::ffff:169.254.169.254]/", "http://10.0.0.1:{port}/", "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/", "http://100.64.0.1:{port}/", "http://224.0.0.1:{port}/",
    "http://255.255.255.255:{port}/", "http://192.0.2.1:{port}/", "http://198.18.0.1:{port}/",
    "http://user@127.0.0.1:{port}/", "http://user:secret@127.0.0.1:{port}/",
    "http://example.org@127.0.0.1:{port}/", "http://127.0.0.1:{port}@example.org/",
    "http://example.org#@127.0.0.1:{port}/", "http://example.org\\@127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/", "http://127.0.0.1 :{port}/", "http://127.0.0.1:{port}\r\nX: y/",
    "http://①②⑦.⓪.⓪.①:{port}/", "http://ⓛocalhost:{port}/", "http://127。0。0。1:{port}/",
    "http://127.0.0.1:22/", "http://127.0.0.1:6379/", "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:port/",
    "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/",
    "filesystem:///etc/passwd", "dict://127.0.0.1:{port}/", "unix:///run/x.sock", "//127.0.0.1/",
    "http:/127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "http://", "http:///x", "", "http://[",
    "http://no-such-name.invalid:{port}/", "http://-bad-:{port}/", "http://a..b:{port}/",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site(Site(corpus.raw())) as served:
        yield served


@pytest.fixture
def any_port(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """Take the test's server for a web port, so that only the address can be the reason."""
    monkeypatch.setattr(addresses, "PORTS", addresses.PORTS | {site.port})


@pytest.mark.parametrize("url", FORBIDDEN)
def test_sec_S12_a_forbidden_address_is_never_connected_to(
    url: str, site: Site, any_port: None, store: ImageStore
) -> None:
    with pytest.raises(AddressRefused) as caught:
        fetch(url.replace("{port}", str(site.port)), store, IMAGE, CLOSED)
    assert site.connections == 0
    assert store.image_ids() == set()
    for secret in ("127.0", "refused by", str(site.port), "timed out", "Errno"):
        assert secret not in caught.value.full_message


def test_sec_S12_there_are_enough_forms() -> None:
    assert len(set(FORBIDDEN)) >= 40


def test_sec_S12_one_text_for_every_address_that_does_not_answer(
    store: ImageStore, any_port: None, site: Site
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    told = set()
    for url, limits in (
        (f"http://127.0.0.1:{site.port}/", CLOSED),
        ("http://no-such-name.invalid/", CLOSED),
        (f"http://127.0.0.1:{closed}/", OPEN),
    ):
        with pytest.raises(AddressRefused) as caught:
            fetch(url, store, IMAGE, limits)
        told.add((caught.value.code, caught.value.full_message))
    assert len(told) == 1


def names(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[list[str]]]) -> list[str]:
    """Have names resolve to these answers, one list after the other; returns what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *rest: Any, **named: Any) -> Any:
        if host not in answers:
            return real(host, port, *rest, **named)
        asked.append(host)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_sec_S12_one_forbidden_answer_among_good_ones_is_enough(
    monkeypatch: pytest.MonkeyPatch, store: ImageStore, site: Site, any_port: None
) -> None:
    names(monkeypatch, {"mixed.example": [["93.184.216.34", "127.0.0.1"]]})
    with pytest.raises(AddressRefused):
        fetch(f"http://mixed.example:{site.port}/", store, IMAGE, CLOSED)
    assert site.connections == 0


def test_sec_S12_a_rebinding_name_is_looked_up_once_and_only_that_answer_is_used(
    monkeypatch: pytest.MonkeyPatch, store: ImageStore, site: Site
) -> None:
    asked = names(monkeypatch, {"rebind.example": [["127.0.0.1"], ["127.0.0.9"]]})
    fetch(f"http://rebind.example:{site.port}/image.img", store, IMAGE, OPEN)
    assert asked == ["rebind.example"]
    assert site.headers[0]["Host"] == f"rebind.example:{site.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_sec_S12_every_hop_of_a_redirect_is_vetted(
    status: int, store: ImageStore, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first hop is let through by hand; the place it leads to must not be reached."""
    with serving_site(Site(corpus.raw())) as forbidden:
        site.redirect_to, site.redirect_status = forbidden.url(), status
        real = addresses.vet

        def vet(url: str, *, allow_private: bool = False) -> addresses.Target:
            return real(url, allow_private=url.startswith(site.url("/")))

        monkeypatch.setattr(download, "vet", vet)
        with pytest.raises(AddressRefused):
            fetch(site.url("/redirect"), store, IMAGE, CLOSED)
        assert (site.connections, forbidden.connections) == (1, 0)


def test_sec_S12_redirects_end_after_three_and_never_lose_encryption(
    store: ImageStore, site: Site
) -> None:
    site.redirect_to = "/redirect"
    with pytest.raises(FetchFailed, match="more than 3"):
        fetch(site.url("/redirect"), store, IMAGE, OPEN)
    assert len(site.headers) == 4
    target = addresses.Target("https://a.example/x", "https", "a.example", 443, "/x", ())
    for location in ("http://a.example/x", ""):
        with pytest.raises(FetchFailed):
            download._next(target, location)
    assert download._next(target, "/y") == "https://a.example/y"


def test_sec_S12_nothing_of_ours_is_sent_along(store: ImageStore, site: Site) -> None:
    site.redirect_to = site.url()
    assert fetch(site.url("/redirect"), store, IMAGE, OPEN) == len(corpus.raw())
    for sent in site.headers:
        assert set(sent) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}


def test_sec_S12_a_private_address_needs_the_setting_and_metadata_is_never_reached() -> None:
    assert addresses.vet("http://10.1.2.3/", allow_private=True).addresses == ("10.1.2.3",)
    for url in ("http://169.254.169.254/", "http://[fe80::1]/", "http://0.0.0.0/",
                "http://[::ffff:10.1.2.3]/", "http://224.0.0.1/"):  # fmt: skip
        with pytest.raises(AddressRefused):
            addresses.vet(url, allow_private=True)


def test_a_public_address_is_allowed_with_its_name_for_the_server() -> None:
    target = addresses.vet("https://93.184.216.34/a/b.img?c=d#e")
    assert (target.port, target.path, target.host_header) == (443, "/a/b.img?c=d", "93.184.216.34")
    assert addresses.vet("http://[2606:4700::1]:8080").host_header == "[2606:4700::1]:8080"


def test_a_server_without_a_trusted_certificate_is_refused(
    tmp_path: Path, store: ImageStore
) -> None:
    with serving_site(Site(corpus.raw())) as plain, pytest.raises(AddressRefused):
        fetch(f"https://127.0.0.1:{plain.port}/image.img", store, IMAGE, OPEN)
    target = addresses.vet("https://127.0.0.1:8443/", allow_private=True)
    pool = download._pool(target, "127.0.0.1")
    context = pool.conn_kw["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_https_goes_to_the_vetted_address_under_the_servers_own_name(
    tmp_path: Path, store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path, "images.example")
    asked_for: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    names(monkeypatch, {"images.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    monkeypatch.setattr(download.certifi, "where", lambda: str(certificate))
    with serving_site(Site(corpus.raw()), tls=context) as site:
        fetch(f"https://images.example:{site.port}/image.img", store, IMAGE, OPEN)
        assert asked_for == ["images.example"]
        assert store.part(IMAGE).read_bytes() == corpus.raw()
        with pytest.raises(AddressRefused):
            fetch(f"https://other.example:{site.port}/image.img", store, IMAGE, OPEN)


def make_certificate(folder: Path, name: str) -> Path:
    """A key and a certificate for the name that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "certificate.pem"
    file.write_bytes(private + signed.public_bytes(pem))
    return file


def test_a_broken_download_goes_on_where_it_ended(store: ImageStore, site: Site) -> None:
    site.cut_after = 300_000
    with pytest.raises(FetchFailed):
        fetch(site.url(), store, IMAGE, OPEN)
    assert store.received(IMAGE) == 300_000
    told: list[tuple[int, int | None]] = []
    size = fetch(site.url(), store, IMAGE, OPEN, progress=lambda *far: told.append(far))
    assert size == len(site.data)
    assert site.ranges == [None, "bytes=300000-"]
    assert told[-1] == (size, size)
    assert store.part(IMAGE).read_bytes() == site.data


def test_a_file_that_changed_meanwhile_is_fetched_from_its_start(
    store: ImageStore, site: Site
) -> None:
    site.cut_after = 300_000
    with pytest.raises(FetchFailed):
        fetch(site.url(), store, IMAGE, OPEN)
    site.data, site.etag = corpus.gpt(), '"two"'
    assert fetch(site.url(), store, IMAGE, OPEN) == len(site.data)
    assert store.part(IMAGE).read_bytes() == site.data


def test_without_a_validator_nothing_is_continued(store: ImageStore, site: Site) -> None:
    site.cut_after, site.etag = 300_000, ""
    with pytest.raises(FetchFailed):
        fetch(site.url(), store, IMAGE, OPEN)
    fetch(site.url(), store, IMAGE, OPEN)
    assert site.ranges == [None, None]


def test_a_file_over_the_limit_is_refused_before_and_while_it_comes(
    store: ImageStore, site: Site
) -> None:
    small = Limits(1000, allow_private=True)
    for path in ("/image.img", "/image-endless"):
        with pytest.raises(TooLarge):
            fetch(site.url(path), store, IMAGE, small)
        assert store.received(IMAGE) == 0


def test_other_answers_and_stopping_are_told_apart(store: ImageStore, site: Site) -> None:
    with pytest.raises(FetchFailed, match="404"):
        fetch(site.url("/nothing"), store, IMAGE, OPEN)
    with pytest.raises(Stopped):
        fetch(site.url(), store, IMAGE, OPEN, stopped=lambda: True)
    with pytest.raises(FetchFailed, match="too long"):
        fetch(site.url(), store, IMAGE, Limits(10**8, seconds=-1, allow_private=True))


def test_sec_S20_publishers_lists_of_checksums_are_understood(site: Site) -> None:
    one, two = "a" * 64, "B" * 128
    text = (
        f"# comment\n{one}  other.img\n{one} *x.img\nSHA512 (y.img) = {two}\n"
        f"{'c' * 32}  md5.img\n-----BEGIN PGP SIGNATURE-----\n"
    )
    assert checksums.find(text, "x.img") == one
    assert checksums.find(text, "y.img") == two.lower()
    assert checksums.find(text, "md5.img") is None
    assert checksums.find(text, "img") is None
    assert checksums.find(one, "any.img") == one
    assert checksums.find(f"{one}  build-7.img", "latest.img") is None
    assert checksums.find(f"{one}  build-7.img", "latest.img", only_one=True) == one
    assert checksums.find(text, "latest.img", only_one=True) is None
    site.texts["/SUMS"] = text
    assert checksums.look_up(site.url("/SUMS"), "http://x.example/a/x.img", OPEN) == one
    with pytest.raises(FetchFailed):
        checksums.look_up(site.url("/SUMS"), "http://x.example/none.img", OPEN)
    site.texts["/SUMS"] = "x" * (checksums.MOST_BYTES + 1)
    with pytest.raises(WebcloudError):
        checksums.look_up(site.url("/SUMS"), "http://x.example/x.img", OPEN)
