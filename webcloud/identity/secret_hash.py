"""Random secrets and the form in which they are stored.

Each carries 256 random bits, so a plain SHA-256 is enough to store; the
secret itself is shown once and kept nowhere.
"""

from __future__ import annotations

import hashlib
import secrets

LONGEST = 255


def new_secret() -> str:
    """43 URL-safe characters of 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What is stored and looked up: 64 hexadecimal characters."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
