"""The proxy as the controller sees it: a line to it, or a typed error."""

from __future__ import annotations

from webcloud.config import Config
from webcloud.errors import Unavailable
from webcloud.proxy.handover import ProxyDown, Receipt, ping


class ProxyIsDown(Unavailable):
    """The console proxy does not answer; the supervisor starts it again."""

    code = "proxy_down"

    def __init__(self) -> None:
        super().__init__("The console proxy does not answer; it is being restarted.", retry_after=1)


def health(config: Config) -> Receipt:
    """How the proxy is; raises ProxyIsDown."""
    try:
        return ping(config.proxy_socket)
    except ProxyDown as error:
        raise ProxyIsDown from error
