"""The few calls of the OpenStack API that tests of a running cloud make.

One kept connection, as the user ``admin`` unless told otherwise.  Calls fail the test with the
answer's own words unless told what else is expected.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PASSWORD = "a password for tests"
VERSION = "compute 2.96"
POLL_SECONDS = 0.1


class StockApi:
    """``url`` is the cloud's one address."""

    def __init__(
        self, url: str, password: str = PASSWORD, user: str = "admin", project: str = "admin"
    ) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["OpenStack-API-Version"] = VERSION
        self.http.headers["X-Auth-Token"] = self._token(password, user, project)

    def call(self, method: str, path: str, body: Any = None, *, status: int = 0) -> Any:
        """The decoded answer; ``status`` 0 means any success."""
        answer = self._ask(method, path, body)
        fine = answer.status_code == status if status else answer.ok
        assert fine, f"{method} {path}: {answer.status_code} {answer.text[:800]}"
        return answer.json() if answer.content else None

    def image(self, name: str) -> dict[str, Any]:
        found = self.call("GET", f"/image/v2/images?name={name}")["images"]
        assert found, f"there is no image {name}"
        image: dict[str, Any] = found[0]
        return image

    def upload(self, name: str, content: bytes, disk_format: str = "raw") -> str:
        """The id of a new active image."""
        wanted = {"name": name, "disk_format": disk_format, "container_format": "bare"}
        image_id: str = self.call("POST", "/image/v2/images", wanted)["id"]
        answer = self.http.put(
            f"{self.url}/image/v2/images/{image_id}/file",
            data=content,
            headers={"Content-Type": "application/octet-stream"},
            timeout=60,
        )
        assert answer.status_code == 204, answer.text
        return image_id

    def add_key(self, name: str, comment: str = "me@laptop") -> None:
        """A key pair of this name, of a fresh key whose private half nobody has."""
        public = Ed25519PrivateKey.generate().public_key()
        line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        pair = {"name": name, "type": "ssh", "public_key": f"{line} {comment}"}
        self.call("POST", "/compute/v2.1/os-keypairs", {"keypair": pair})

    def delete_key(self, name: str) -> None:
        path = f"/compute/v2.1/os-keypairs/{quote(name, safe='')}"
        self.call("DELETE", path, status=204)

    def flavor(self, name: str) -> str:
        flavors = self.call("GET", "/compute/v2.1/flavors")["flavors"]
        return next(item["id"] for item in flavors if item["name"] == name)

    def create(self, name: str, image_id: str, flavor: str = "tiny", **more: Any) -> str:
        """The id of an instance whose creation was accepted."""
        server = {"name": name, "imageRef": image_id, "flavorRef": self.flavor(flavor), **more}
        server.setdefault("networks", "auto")
        created = self.call("POST", "/compute/v2.1/servers", {"server": server}, status=202)
        server_id: str = created["server"]["id"]
        return server_id

    def show(self, server_id: str) -> dict[str, Any]:
        server: dict[str, Any] = self.call("GET", f"/compute/v2.1/servers/{server_id}")["server"]
        return server

    def act(self, server_id: str, action: str, arguments: Any = None, *, status: int = 202) -> Any:
        path = f"/compute/v2.1/servers/{server_id}/action"
        return self.call("POST", path, {action: arguments}, status=status)

    def console_log(self, server_id: str) -> str:
        output: str = self.act(server_id, "os-getConsoleOutput", {}, status=200)["output"]
        return output

    def delete(self, server_id: str) -> None:
        self.call("DELETE", f"/compute/v2.1/servers/{server_id}", status=204)

    def exists(self, server_id: str) -> bool:
        answer = self._ask("GET", f"/compute/v2.1/servers/{server_id}", None)
        assert answer.status_code in (200, 404), answer.text
        return answer.status_code == 200

    def wait(self, server_id: str, status: str, seconds: float = 120) -> dict[str, Any]:
        """The server once it has this status and nothing under way."""
        server = self.show(server_id)
        deadline = time.monotonic() + seconds
        while server["status"] != status or server["OS-EXT-STS:task_state"]:
            at_rest = not server["OS-EXT-STS:task_state"]
            unwanted = at_rest and server["status"] == "ERROR" != status
            if unwanted or time.monotonic() > deadline:
                raise AssertionError(f"not {status}: {self.story(server)}")
            time.sleep(POLL_SECONDS)
            server = self.show(server_id)
        return server

    def wait_gone(self, server_id: str, seconds: float = 120) -> None:
        wait_for(lambda: not self.exists(server_id), seconds, f"{server_id} is still there")

    def story(self, server: dict[str, Any]) -> str:
        words = {key: server.get(key) for key in ("id", "status", "OS-EXT-STS:task_state", "fault")}
        return str(words)

    def address(self, server: dict[str, Any]) -> str:
        """Its first address."""
        addresses = [item for network in server["addresses"].values() for item in network]
        address: str = addresses[0]["addr"]
        return address

    def _ask(self, method: str, path: str, body: Any) -> requests.Response:
        """Reads are asked again while a killed controller comes back."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.http.request(method, self.url + path, json=body, timeout=30)
            except requests.ConnectionError:
                if method != "GET" or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def _token(self, password: str, user: str, project: str) -> str:
        who = {"name": user, "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": project, "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": who}}
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = self.http.post(f"{self.url}/identity/v3/auth/tokens", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]


def wait_for(condition: Callable[[], object], seconds: float, words: str) -> None:
    """Return once the condition holds; an AssertionError with ``words`` when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {words}")
        time.sleep(POLL_SECONDS)


def as_user_data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
