"""Words that people will read, marked in Python for the translation catalogue.

``mark`` is for a fixed sentence, ``say`` for one with values in it.  Both are
English here and in every API; pages translate them where they are shown (see
``webcloud.frontend.languages``).  A message id is always written in the source:
what came from outside is only ever a value, never a template.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Said(str):
    """An English text that remembers its message id and values.

    ``message`` has its places as ``{name}``; without values it is the text as
    it stands.  A value that is itself a Said is translated too.
    """

    message: str
    values: Mapping[str, object]

    def __new__(cls, message: str, values: Mapping[str, object]) -> Said:
        text = super().__new__(cls, message.format_map(values) if values else message)
        text.message = message
        text.values = values
        return text

    def __getnewargs__(self) -> tuple[str, Mapping[str, object]]:  # type: ignore[override]
        return self.message, self.values

    def as_json(self) -> dict[str, Any]:
        """``{"message", "values"}``, from which ``from_json`` makes the same text again."""
        values = {
            name: value.as_json() if isinstance(value, Said) else _plain(value)
            for name, value in self.values.items()
        }
        return {"message": self.message, "values": values}


def mark(message: str) -> str:
    """Return the message id unchanged; templates translate it where it is shown."""
    return message


def say(message: str, /, **values: object) -> Said:
    """The message with these values in its ``{name}`` places, in English."""
    return Said(message, values)


def word(text: str) -> Said:
    """A word of ours that is looked up by itself (a state, a resource), marked elsewhere."""
    return text if isinstance(text, Said) else Said(text, {})


def join(separator: str, parts: Iterable[str]) -> Said:
    """The texts in one, each translated by itself; ``separator`` holds no braces."""
    values = {f"part{number}": word(part) for number, part in enumerate(parts)}
    return Said(separator.join(f"{{{name}}}" for name in values), values)


def stored(text: str) -> dict[str, Any]:
    """What a JSON column keeps beside the English text: ``{"said": …}`` or nothing."""
    return {"said": text.as_json()} if isinstance(text, Said) else {}


def from_json(kept: Mapping[str, Any]) -> Said:
    """The text that ``as_json`` was made of."""
    values = {
        name: from_json(value) if isinstance(value, dict) else value
        for name, value in kept["values"].items()
    }
    return Said(kept["message"], values)


def restored(kept: Mapping[str, Any], field: str = "message") -> str:
    """The text of a stored record: as said, else the English string it was written with."""
    if kept.get("said"):
        return from_json(kept["said"])
    return str(kept.get(field) or "")


def _plain(value: object) -> object:
    return value if isinstance(value, bool | int | float) else str(value)
