"""What the create form sends, checked field by field so that all faults show at once.

Only what the form itself can know is checked here: whether an image or a host
is there is for the services to say.
"""

from __future__ import annotations

from typing import Literal

from flask_babel import gettext
from pydantic import BaseModel, ConfigDict, ValidationError

from webcloud.errors import BadRequest
from webcloud.field_faults import said_of
from webcloud.frontend.languages import said
from webcloud.instances.fields import MAX_USER_DATA, Description, Name
from webcloud.words import say


class CreateForm(BaseModel):
    """The form as the browser sends it; ``network_id`` "" lets the cloud choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    image_id: str
    flavor_id: str
    network_id: str = ""
    key_mode: Literal["none", "existing", "paste", "generate"] = "none"
    key_name: str = ""
    new_key_name: str = ""
    public_key: str = ""
    user_data: str = ""
    description: Description = ""
    zone: str = ""
    group_id: str = ""
    idempotency_key: str = ""


class Refused(Exception):
    """Faults by field name, in words."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__()
        self.errors = errors


def parse(values: dict[str, str]) -> CreateForm:
    """Raises Refused with every fault, BadRequest for a field that the form has not."""
    errors: dict[str, str] = {}
    form: CreateForm | None = None
    try:
        form = CreateForm.model_validate(values)
    except ValidationError as wrong:
        for fault in wrong.errors(include_url=False, include_input=False):
            name = str(fault["loc"][0])
            if name not in CreateForm.model_fields:
                raise BadRequest(
                    say("Unknown field {name!r}.", name=name[:100]), field=name
                ) from wrong
            missing = fault["type"] == "missing"
            errors[name] = gettext("Choose one.") if missing else _sentence(said_of(fault))
    if len(unix_lines(values.get("user_data", ""))) > MAX_USER_DATA:
        errors["user_data"] = gettext("User data is at most 64 KiB.")
    mode = values.get("key_mode", "none")
    if mode == "existing" and not values.get("key_name"):
        errors["key_name"] = gettext("Choose a key pair.")
    if mode == "paste":
        if not values.get("new_key_name", "").strip():
            errors["new_key_name"] = gettext("Give the key a name.")
        if not values.get("public_key", "").strip():
            errors["public_key"] = gettext("Paste the public key, e.g. from ~/.ssh/id_ed25519.pub.")
    if mode == "generate":
        errors["new_key_name"] = gettext("Press Generate first, and keep the private key.")
    if errors or form is None:
        raise Refused(errors)
    return form


def _sentence(message: str) -> str:
    """A field's fault as a sentence in the reader's language."""
    words = said(message)
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def unix_lines(text: str) -> bytes:
    """What was typed, with the line ends of Unix: browsers send others, scripts break on them."""
    return text.replace("\r\n", "\n").encode()
