"""POST /servers/<id>/action: one verb on one instance.

The body has exactly one member, named after the verb.  Verbs of Nova that
this cloud does not have are refused by name.  Another domain adds a verb of
its own with ``register_action``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from flask import Response, jsonify
from pydantic import Field
from sqlalchemy.orm import Session

from webcloud.errors import BadRequest
from webcloud.identity.callers import Caller, current_caller
from webcloud.instances import queries, service
from webcloud.instances.api.dialect import bp, checked, empty
from webcloud.instances.forms import Closed, OptionalCount
from webcloud.instances.models import Instance
from webcloud.openapi import documented
from webcloud.web import database, json_body, require

Handler = Callable[[Caller, str, Any], Response]

NOT_OFFERED = frozenset(
    [
        *("addFixedIp", "addFloatingIp", "addSecurityGroup", "changePassword", "confirmResize"),
        *("createBackup", "createImage", "evacuate", "injectNetworkInfo", "lock", "migrate"),
        *("os-getRDPConsole", "os-getSPICEConsole", "os-getSerialConsole", "os-getVNCConsole"),
        *("os-migrateLive", "os-resetState", "pause", "rebuild", "removeFixedIp"),
        *("removeFloatingIp", "removeSecurityGroup", "rescue", "resetNetwork", "resize"),
        *("restore", "resume", "revertResize", "shelve", "shelveOffload", "suspend"),
        *("trigger_crash_dump", "unlock", "unpause", "unrescue", "unshelve"),
    ]
)
# What a terminal or an XML reader would stumble over.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
BYTES_PER_LINE = 200


class RebootForm(Closed):
    """``{"reboot": {"type": "SOFT"}}``."""

    type: Literal["SOFT", "HARD", "soft", "hard"]


class ConsoleOutputForm(Closed):
    """``length`` is a number of lines, counted from the end; all when absent."""

    length: OptionalCount = Field(default=None, ge=-1, le=100_000)


class ActionForm(Closed):
    """The body of an action: exactly one of these."""

    start: None = Field(default=None, alias="os-start")
    stop: None = Field(default=None, alias="os-stop")
    reboot: RebootForm | None = None
    console_output: ConsoleOutputForm | None = Field(default=None, alias="os-getConsoleOutput")
    force_delete: None = Field(default=None, alias="forceDelete")


def register_action(name: str, handler: Handler) -> None:
    """Have ``handler(caller, instance_id, arguments)`` answer a verb; it opens its own session."""
    _handlers[name] = handler


@bp.post("/servers/<server_id>/action")
@require("instances:write", transaction=False)
@documented(
    "Start, stop, reboot an instance, or read its console log.", body=ActionForm, status=202
)
def act(server_id: str) -> Response:
    caller = current_caller()
    with database().reading() as session:
        queries.get(session, caller, server_id)
    name, arguments = _verb(json_body())
    return _handlers[name](caller, server_id, arguments)


def _verb(body: Any) -> tuple[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object.")
    if len(body) != 1:
        raise BadRequest("The request body must name exactly one action.")
    name, arguments = next(iter(body.items()))
    if name in _handlers:
        return name, arguments
    if name in NOT_OFFERED:
        raise BadRequest(f"This cloud does not offer the action {name!r}.", field=name)
    raise BadRequest(f"There is no action {name[:80]!r}.", field=name[:80])


def _plain(name: str, verb: Callable[[Session, Caller, Instance], str]) -> Handler:
    """Answers with a verb that takes no arguments. Raises BadRequest when some are given."""

    def handle(caller: Caller, server_id: str, arguments: Any) -> Response:
        if arguments not in (None, {}):
            raise BadRequest(f"Action {name!r} takes no arguments; give null.", field=name)
        with database().transaction() as session:
            verb(session, caller, queries.get(session, caller, server_id))
        return empty(202)

    return handle


def _reboot(caller: Caller, server_id: str, arguments: Any) -> Response:
    form = checked(RebootForm, arguments, prefix="reboot")
    with database().transaction() as session:
        instance = queries.get(session, caller, server_id)
        service.reboot(session, caller, instance, hard=form.type.upper() == "HARD")
    return empty(202)


def _console_output(caller: Caller, server_id: str, arguments: Any) -> Response:
    form = checked(ConsoleOutputForm, arguments or {}, prefix="os-getConsoleOutput")
    with database().reading() as session:
        instance = queries.get(session, caller, server_id)
    length = -1 if form.length is None else form.length
    size = 64 * 1024 if length < 0 else min(max(length * BYTES_PER_LINE, 4096), 1024 * 1024)
    text = UNPRINTABLE.sub("", service.console_log(database(), instance, size))
    if length >= 0:
        text = "".join(text.splitlines(keepends=True)[-length:]) if length else ""
    return jsonify({"output": text})


_handlers: dict[str, Handler] = {
    "os-start": _plain("os-start", service.start),
    "os-stop": _plain("os-stop", service.stop),
    "reboot": _reboot,
    "forceDelete": _plain("forceDelete", service.delete),
    "os-getConsoleOutput": _console_output,
}
