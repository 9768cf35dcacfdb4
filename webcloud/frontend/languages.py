"""Which language a page is in: the user's choice, else what the browser asks for.

Pages for visitors who are not logged in take ``?language=vi`` too, so that the
login page can be read before anything is remembered.  No cookie is set.
"""

from __future__ import annotations

import json

from flask import Flask, g, request
from flask_babel import Babel, get_locale, gettext

from webcloud.errors import WebcloudError
from webcloud.words import Said, restored

# In their own words, as a reader looks for them.
LANGUAGES = {"en": "English", "vi": "Tiếng Việt"}
DEFAULT = "en"


def init_app(app: Flask) -> None:
    """Install Flask-Babel and what templates need to know about the language."""
    Babel(app, locale_selector=choose, default_locale=DEFAULT)
    app.jinja_env.globals.update(
        LANGUAGES=LANGUAGES,
        language=language,
        script_words=script_words,
        theme=theme,
        said=said,
        said_error=said_error,
        restored=restored,
    )


def choose() -> str:
    """The code of the language for this request, one of LANGUAGES."""
    caller = g.get("caller")
    if caller is not None and caller.language in LANGUAGES:
        return str(caller.language)
    wanted = request.args.get("language", "")
    if caller is None and wanted in LANGUAGES:
        return wanted
    return request.accept_languages.best_match(list(LANGUAGES)) or DEFAULT


def language() -> str:
    """The language of the page being rendered."""
    locale = get_locale()
    return str(locale.language) if locale is not None else DEFAULT


def theme() -> str:
    """light, dark or auto."""
    caller = g.get("caller")
    chosen = caller.theme if caller is not None else ""
    return chosen if chosen in ("light", "dark") else "auto"


def said(message: str) -> str:
    """Translate a text that reached the template in a variable (see webcloud.words).

    The answer is plain text: what came with the values is escaped by the template.
    """
    if not message:
        return ""
    if not isinstance(message, Said):
        return str(gettext(message))
    template = str(gettext(message.message)) if message.message else ""
    values = {
        name: said(value) if isinstance(value, Said) else value
        for name, value in message.values.items()
    }
    return template.format_map(values) if values else template


def said_error(error: WebcloudError) -> str:
    """An error's message and next step, each translated where the catalogue has it."""
    return " ".join(said(part) for part in (error.message, error.next_step or "") if part)


def script_words() -> str:
    """The words that scripts show, as JSON."""
    words = {
        "copied": gettext("Copied"),
        "request_failed": gettext("It did not work; nothing was changed. Reload and try again."),
        "unreachable": gettext("The server cannot be reached. Check your connection."),
        "nothing_found": gettext("Nothing found"),
        "selected_one": gettext("1 instance selected"),
        "selected_many": gettext("{count} instances selected"),
        "delete_one": gettext("Delete {name} and its disk"),
        "delete_many": gettext("Delete {count} instances and their disks"),
        "stop_one": gettext("Stop {name}"),
        "stop_many": gettext("Stop {count} instances"),
        "upload_receive": gettext("Receiving: {done} of {total}, about {left} left"),
        "upload_resumed": gettext("Connection lost; trying again from {done}."),
        "upload_failed": gettext("The upload stopped: {why}"),
        "upload_leave": gettext("The upload is not finished."),
        "verify": gettext("Checking format and checksum"),
        "store": gettext("Storing"),
    }
    return json.dumps(words, ensure_ascii=False)
