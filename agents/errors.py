"""How a command fails: one type that carries a code of the wire contract.

Handlers raise AgentError; ``from_os_error`` turns an operating system error
into one.  Nobody looks at the text of an error to decide anything.
"""

from __future__ import annotations

import errno

from agents.wire.reports import ERROR_CODES

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class AgentError(Exception):
    """A command could not be carried out.

    ``code`` is a key of ``agents.wire.reports.ERROR_CODES``; ``retryable``
    says whether asking again later could help.
    """

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        if code not in ERROR_CODES:
            raise ValueError(f"{code} is not a code of the wire contract")
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Superseded(AgentError):
    """A newer command for the same resource arrived while this one ran."""

    def __init__(self) -> None:
        super().__init__("stale_generation", ERROR_CODES["stale_generation"])


def from_os_error(error: OSError, doing: str) -> AgentError:
    """``no_space`` for a full disk, else ``io``; both may pass, so both are retryable."""
    reason = error.strerror or type(error).__name__
    code = "no_space" if error.errno in _FULL else "io"
    return AgentError(code, f"{doing}: {reason}", retryable=True)
