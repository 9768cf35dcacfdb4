"""``clouds.yaml`` and ``openrc``: how a stock client logs in to this cloud.

Both are readable by their owner alone.  A password that was generated lives
in them and nowhere else; the database has its hash.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from pathlib import Path

PASSWORD_KEY = "      password: "  # noqa: S105 - the line's beginning, not a secret


def new_password() -> str:
    """A random password, 192 bits."""
    return secrets.token_urlsafe(24)


def stored_password(state: Path) -> str | None:
    """The password in the clouds.yaml that was written here before, if there is one."""
    try:
        lines = (state / "clouds.yaml").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    for line in lines:
        if line.startswith(PASSWORD_KEY):
            try:
                value = json.loads(line.removeprefix(PASSWORD_KEY))
            except ValueError:
                return None
            return value if isinstance(value, str) else None
    return None


def write(state: Path, url: str, region: str, password: str) -> None:
    """Write both files anew. Double-quoted JSON strings are YAML strings too."""
    quoted = json.dumps
    write_private(
        state / "clouds.yaml",
        f"""\
clouds:
  webcloud:
    auth:
      auth_url: {quoted(url + "/identity/v3")}
      username: "admin"
{PASSWORD_KEY}{quoted(password)}
      project_name: "admin"
      user_domain_name: "Default"
      project_domain_name: "Default"
    region_name: {quoted(region)}
    interface: "public"
    identity_api_version: 3
""",
    )
    values = {
        "OS_AUTH_URL": url + "/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": region,
        "OS_INTERFACE": "public",
        "OS_IDENTITY_API_VERSION": "3",
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
    write_private(state / "openrc", "".join(lines))


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner can read, at no moment otherwise."""
    part = path.with_name(f".{path.name}.new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
