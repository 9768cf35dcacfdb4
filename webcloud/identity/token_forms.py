"""The closed schema of ``POST /v3/auth/tokens``, as the stock clients fill it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Closed(BaseModel):
    """Unknown fields and wrong types are refused; "false" is not a boolean."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DomainRef(Closed):
    id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=64)


class UserRef(Closed):
    """A user by id, or by name within the domain."""

    id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=255)
    domain: DomainRef | None = None


class PasswordUser(UserRef):
    password: str = Field(max_length=4096)


class Password(Closed):
    user: PasswordUser


class TokenRef(Closed):
    id: str = Field(max_length=255)


class CredentialRef(Closed):
    """A credential by id, or by name with its user."""

    id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=255)
    user: UserRef | None = None
    secret: str = Field(max_length=255)


class Identity(Closed):
    methods: list[Literal["password", "token", "application_credential"]] = Field(
        min_length=1, max_length=1
    )
    password: Password | None = None
    token: TokenRef | None = None
    application_credential: CredentialRef | None = None


class ProjectRef(Closed):
    id: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=64)
    domain: DomainRef | None = None


class Scope(Closed):
    """There is one domain and no system scope: only projects can be asked for."""

    project: ProjectRef


class Auth(Closed):
    identity: Identity
    scope: Scope | Literal["unscoped"] | None = None


class AuthRequest(Closed):
    auth: Auth
