"""The closed schemas of what can be made and changed through the identity API."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from webcloud.field_faults import wrong
from webcloud.words import say

# Control and formatting characters let two names look alike or break a log line.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def _plain(value: str) -> str:
    if value != value.strip() or _UNPRINTABLE.search(value):
        raise wrong(say("no control characters, and no space at either end"))
    return value


def _aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_plain)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Moment = Annotated[datetime, Field(strict=False), AfterValidator(_aware)]
Domain = Literal["default"]
Options = dict[str, Any]


class Closed(BaseModel):
    """Unknown fields and wrong types are refused; "false" is not a boolean."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ProjectChange(Closed):
    name: Name | None = None
    description: Text | None = None
    enabled: bool | None = None
    domain_id: Domain | None = None
    parent_id: Domain | None = None
    is_domain: Literal[False] | None = None
    tags: list[str] = Field(default=[], max_length=0)
    options: Options = Field(default={}, max_length=0)


class ProjectCreation(ProjectChange):
    name: Name


class UserChange(Closed):
    name: Name | None = None
    password: str | None = Field(default=None, max_length=4096)
    email: Text | None = None
    description: Literal[""] | None = None
    enabled: bool | None = None
    default_project_id: str | None = Field(default=None, max_length=64)
    domain_id: Domain | None = None
    options: Options = Field(default={}, max_length=0)


class UserCreation(UserChange):
    name: Name


class PasswordChange(Closed):
    password: str = Field(max_length=4096)
    original_password: str = Field(max_length=4096)


class RoleRef(Closed):
    id: str | None = None
    name: str | None = None


class CredentialCreation(Closed):
    name: Name
    description: Text | None = None
    secret: str | None = Field(default=None, max_length=255)
    roles: list[RoleRef] = Field(default=[], max_length=10)
    expires_at: Moment | None = None
    unrestricted: bool = False
    access_rules: list[Any] | None = Field(default=None, max_length=0)
    project_id: str | None = None


class ProjectBody(Closed):
    project: ProjectCreation


class ProjectChangeBody(Closed):
    project: ProjectChange


class UserBody(Closed):
    user: UserCreation


class UserChangeBody(Closed):
    user: UserChange


class PasswordBody(Closed):
    user: PasswordChange


class CredentialBody(Closed):
    application_credential: CredentialCreation
