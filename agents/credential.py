"""This host's own credential: read from its file, or got with a join token.

The file is 0600 JSON with ``host_id`` and ``secret``.  A token is used once:
its digest is kept beside the credential, and only a token not seen before is
tried when the controller no longer accepts the credential.
"""

from __future__ import annotations

import hashlib
import json
import logging

from agents.config import AgentConfig
from agents.controller_api import ControllerApi, Refused, Unreachable
from agents.errors import AgentError
from agents.inventory import host_uuid
from agents.storage import files
from agents.wire import WIRE_VERSION

log = logging.getLogger(__name__)


class Credential:
    """Holds the pair in memory for the HTTP API and for hints."""

    def __init__(self, config: AgentConfig, api: ControllerApi) -> None:
        self._config = config
        self._api = api
        self._pair = ("", "")
        self._token_digest = ""

    def pair(self) -> tuple[str, str]:
        return self._pair

    def load(self) -> bool:
        """Take the stored credential, if there is one."""
        text = files.read_text(self._config.credential_file)
        if text is None:
            return False
        try:
            stored = json.loads(text)
            pair = (str(stored["host_id"]), str(stored["secret"]))
        except (ValueError, KeyError, TypeError):
            log.error("%s does not hold a credential", self._config.credential_file)
            return False
        self._token_digest = str(stored.get("token_sha256", ""))
        self._use(pair)
        return True

    def join(self) -> bool:
        """Trade a token that was not used before; False when there is none or it failed."""
        path = self._config.join_token_file
        token = (files.read_text(path) or "").strip() if path is not None else ""
        digest = hashlib.sha256(token.encode()).hexdigest()
        if not token or digest == self._token_digest:
            return False
        try:
            self.redeem(token)
        except (Unreachable, Refused, AgentError) as error:
            log.warning("joining the controller: %s", error)
            return False
        return True

    def redeem(self, token: str) -> str:
        """Trade this token, and keep what it was traded for; the host's name.

        Raises Unreachable or Refused, and AgentError when this host cannot keep it;
        the credential there was is then kept, and the token can be traded again.
        """
        uuid = host_uuid(self._config)
        joined = self._api.join(token, self._config.name, uuid, WIRE_VERSION)
        digest = hashlib.sha256(token.encode()).hexdigest()
        stored = {"host_id": joined.host_id, "secret": joined.secret, "token_sha256": digest}
        files.write_durably(self._config.credential_file, json.dumps(stored).encode())
        self._token_digest = digest
        self._use((joined.host_id, joined.secret))
        log.info("joined the controller as host %s", joined.host_id)
        return joined.name

    def _use(self, pair: tuple[str, str]) -> None:
        self._pair = pair
        self._api.authorize(*pair)
