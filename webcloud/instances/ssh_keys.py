"""SSH public keys: which ones are good, and their fingerprints.

Accepted: RSA of 2048 bits and more, ed25519, and ECDSA on the NIST curves.
A key comes in as one line of authorized_keys without options, and is written
back from what was parsed, so that nothing else can ride into a guest's
authorized_keys file.  A private half made here is handed over and forgotten.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from webcloud.errors import BadRequest
from webcloud.instances.fields import printable
from webcloud.words import say

FIELD = "keypair.public_key"
MAX_LENGTH = 16 * 1024
MIN_RSA_BITS = 2048


def checked(public_key: str) -> str:
    """The key as "algorithm blob [comment]"; raises BadRequest saying what is wrong."""
    line = public_key.strip()
    if not line:
        raise _refused("The public key is empty.")
    if len(line) > MAX_LENGTH:
        raise _refused(say("The public key is longer than {most} characters.", most=MAX_LENGTH))
    if not printable(line):
        raise _refused("The public key must be a single line without control characters.")
    if "PRIVATE KEY" in line:
        raise _refused("This is a private key. Keep it to yourself and paste the .pub file.")
    algorithm, _, rest = line.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    try:
        key = serialization.load_ssh_public_key(f"{algorithm} {blob}".encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(
            "The public key cannot be read. It should look like 'ssh-ed25519 AAAA… comment'."
        ) from error
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise _refused(
                say(
                    "The RSA key has {bits} bits; at least {least} are needed.",
                    bits=key.key_size,
                    least=MIN_RSA_BITS,
                )
            )
    elif not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise _refused("Only RSA, ed25519 and ECDSA keys are accepted.")
    return " ".join(part for part in (algorithm, blob, comment.strip()) if part)


def fingerprint(public_key: str) -> str:
    """MD5 of the key's blob as colon-separated hex, the form Nova shows."""
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise _refused("The public key cannot be read.") from error
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def generate(comment: str) -> tuple[str, str]:
    """A fresh ed25519 pair: (public line, private key in OpenSSH's PEM form)."""
    private = ed25519.Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    return f"{public.decode()} {comment}", pem.decode()


def _refused(message: str) -> BadRequest:
    return BadRequest(message, field=FIELD)
