"""The closed schemas of identity's own forms."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Form(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    next: str = Field(default="", max_length=4000)


class LoginForm(Form):
    name: str = Field(max_length=255)
    password: str = Field(max_length=4096)


class LinkForm(Form):
    token: str = Field(max_length=255)


class ProjectForm(Form):
    project_id: str = Field(max_length=64)


class PreferencesForm(Form):
    language: Literal["en", "vi"] | None = None
    theme: Literal["light", "dark", "auto"] | None = None
