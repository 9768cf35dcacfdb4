"""Key pairs through the API: which keys are good, and that private halves are not kept."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.instances.compute import Compute, fault
from tests.support.furnished import Furnished
from webcloud.config import Config
from webcloud.db import Database
from webcloud.instances.models import Instance, KeyPair


def line(key: object, comment: str = "") -> str:
    public = key.public_key().public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return f"{public.decode()} {comment}".strip()


GOOD = {
    "ed25519": line(ed25519.Ed25519PrivateKey.generate(), "me@laptop"),
    "rsa 2048": line(rsa.generate_private_key(65537, 2048)),
    "ecdsa 256": line(ec.generate_private_key(ec.SECP256R1()), "a comment of words"),
    "ecdsa 521": line(ec.generate_private_key(ec.SECP521R1())),
}
BAD = {
    "empty": "",
    "words": "not a key at all",
    "one word": "ssh-ed25519",
    "broken base64": "ssh-ed25519 AAAA!!!!",
    "another algorithm": "ssh-rsa " + GOOD["ed25519"].split()[1],
    "cut short": GOOD["ed25519"][:50],
    "rsa 1024": line(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "dsa": line(dsa.generate_private_key(1024)),  # noqa: S505
    "two lines": GOOD["ed25519"] + "\nssh-rsa AAAA",
    "with options": 'command="reboot" ' + GOOD["ed25519"],
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "too long": GOOD["ed25519"] + " " + "x" * 20_000,
}


def bring(compute: Compute, name: str, public_key: str) -> TestResponse:
    return compute.post("/os-keypairs", {"keypair": {"name": name, "public_key": public_key}})


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_key_is_taken_with_novas_fingerprint(kind: str, compute: Compute) -> None:
    answer = bring(compute, "k1", f"  {GOOD[kind]}\n")
    assert answer.status_code == 201, answer.text  # type: ignore[attr-defined]
    shown = compute.get("/os-keypairs/k1")["keypair"]
    assert shown["public_key"] == GOOD[kind]
    digest = hashlib.md5(base64.b64decode(GOOD[kind].split()[1]), usedforsecurity=False).digest()
    assert shown["fingerprint"] == ":".join(f"{byte:02x}" for byte in digest)
    assert shown["user_id"] == compute.person.user_id
    assert "private_key" not in shown


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_key_is_refused(kind: str, compute: Compute) -> None:
    answer = bring(compute, "k1", BAD[kind])
    assert fault(answer)[0] == "badRequest"
    assert "public_key" in answer.text  # type: ignore[attr-defined]
    assert compute.get("/os-keypairs") == {"keypairs": []}


@pytest.mark.parametrize("name", ["", " ", "a/b", "<b>", "x" * 256, "a\nb", "k\u00e9"])
def test_a_bad_name_is_refused(name: str, compute: Compute) -> None:
    assert fault(bring(compute, name, GOOD["ed25519"]))[0] == "badRequest"


def test_a_name_is_taken_once_for_each_user(compute: Compute, outsider: Compute) -> None:
    bring(compute, "k1", GOOD["ed25519"])
    assert fault(bring(compute, "k1", GOOD["ed25519"]))[0] == "conflictingRequest"
    assert bring(outsider, "k1", GOOD["ed25519"]).status_code == 201  # type: ignore[attr-defined]


def test_key_pairs_belong_to_their_user_alone(
    compute: Compute, outsider: Compute, operator: Compute
) -> None:
    bring(compute, "k1", GOOD["ed25519"])
    for other in (outsider, operator):
        assert other.get("/os-keypairs") == {"keypairs": []}
        assert fault(other.call("GET", "/os-keypairs/k1"))[0] == "itemNotFound"
        assert fault(other.call("DELETE", "/os-keypairs/k1"))[0] == "itemNotFound"
        mine = f"user_id={compute.person.user_id}"
        assert fault(other.call("GET", f"/os-keypairs?{mine}"))[0] == "forbidden"


def test_a_private_key_made_here_is_stored_nowhere(compute: Compute, config: Config) -> None:
    answer = compute.at("2.10").post("/os-keypairs", {"keypair": {"name": "k1"}})
    assert answer.status_code == 201
    made = answer.json["keypair"]  # type: ignore[index]
    private = serialization.load_ssh_private_key(made["private_key"].encode(), None)
    assert line(private).split()[1] == made["public_key"].split()[1]
    secret = "".join(made["private_key"].splitlines()[2:4])[:60]
    for file in Path(config.state_dir).rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


def test_keys_are_not_made_here_from_2_92_on(compute: Compute) -> None:
    answer = compute.at("2.92").post("/os-keypairs", {"keypair": {"name": "k1"}})
    assert "keypair.public_key" in fault(answer)[2]


def test_shapes_before_2_2(compute: Compute) -> None:
    old = compute.at("2.1")
    answer = bring(old, "k1", GOOD["ed25519"])
    assert answer.status_code == 200  # type: ignore[attr-defined]
    assert "type" not in old.get("/os-keypairs")["keypairs"][0]["keypair"]
    assert old.call("DELETE", "/os-keypairs/k1").status_code == 202


def test_a_server_keeps_its_key_when_the_pair_is_deleted(
    compute: Compute, furnished: Furnished, database: Database
) -> None:
    bring(compute, "k1", GOOD["ed25519"])
    compute.create(furnished.image_id, key_name="k1")
    assert compute.call("DELETE", "/os-keypairs/k1").status_code == 204
    with database.reading() as session:
        assert session.scalars(select(KeyPair)).all() == []
        instance = session.scalars(select(Instance)).one()
    assert (instance.key_name, instance.public_key) == ("k1", GOOD["ed25519"])


def test_lists_come_in_pages(compute: Compute) -> None:
    for name in ("c", "a", "b"):
        bring(compute, name, GOOD["ed25519"])
    page = compute.get("/os-keypairs?limit=1&marker=a")["keypairs"]
    assert [each["keypair"]["name"] for each in page] == ["b"]
    assert fault(compute.call("GET", "/os-keypairs?marker=nope"))[0] == "badRequest"


def test_the_quota_of_key_pairs_holds(compute: Compute, database: Database) -> None:
    from webcloud.identity import quotas

    with database.transaction() as session:
        quotas.set_limits(session, compute.person.project_id, {"key_pairs": 1})
    bring(compute, "k1", GOOD["ed25519"])
    assert fault(bring(compute, "k2", GOOD["ed25519"]))[0] == "forbidden"
