"""Every error a caller can cause or meet, as a type with an HTTP status.

A service raises one of these; the web layer renders it once, in the dialect
of the API that was called (see ``webcloud.web``).  Each error carries what
happened, why, and what to do next.  Nobody compares error text: callers tell
errors apart by class or by ``code``.
"""

from __future__ import annotations

from webcloud.words import join


class WebcloudError(Exception):
    """Base class.

    ``message`` says what happened and why, in English; one made by ``words.say``
    is translated with its values where a page shows it.  ``field`` names the input at fault
    (dotted path, e.g. ``server.flavorRef``); ``next_step`` says what to do.
    """

    status = 500
    code = "internal_error"

    def __init__(
        self, message: str, *, field: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.next_step = next_step

    @property
    def full_message(self) -> str:
        """The message with its next step, as one paragraph."""
        return join(" ", (self.message, self.next_step)) if self.next_step else self.message


class BadRequest(WebcloudError):
    """The input is wrong; nothing was changed."""

    status = 400
    code = "bad_request"


class Unauthorized(WebcloudError):
    """Nobody is logged in, or the credential is wrong or has expired."""

    status = 401
    code = "unauthorized"


class LoginNeeded(Unauthorized):
    """A page was asked for without a session; ``location`` is the way to the login page."""

    status = 302
    code = "login_needed"

    def __init__(self, location: str) -> None:
        super().__init__("You are not logged in.", next_step="Log in at /login.")
        self.location = location


class Forbidden(WebcloudError):
    """The caller may see the thing but not do this to it."""

    status = 403
    code = "forbidden"


class QuotaExceeded(Forbidden):
    """The project's limit would be passed."""

    code = "quota_exceeded"


class NotFound(WebcloudError):
    """No such thing, or none that this caller may see (the two look alike)."""

    status = 404
    code = "not_found"


class NotAcceptable(WebcloudError):
    """The requested API version is outside the supported range."""

    status = 406
    code = "not_acceptable"


class Conflict(WebcloudError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"


class Busy(Conflict):
    """Another operation is under way on the same resource."""

    code = "busy"


class NoCapacity(Conflict):
    """No host can take the instance; the message names what each lacked."""

    code = "no_capacity"


class TooLarge(WebcloudError):
    """The body, file or field is longer than allowed."""

    status = 413
    code = "too_large"


class RateLimited(WebcloudError):
    """Too many attempts; ``retry_after`` is in seconds."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(WebcloudError):
    """A part is down for now; ``retry_after`` is in seconds."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after = retry_after
