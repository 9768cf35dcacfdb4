"""Making, changing and removing projects and users.

For operators, but for one's own password.  Passwords are hashed before the
write transaction begins.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from webcloud.db import current
from webcloud.identity import login, passwords, queries, serialize, service
from webcloud.identity.api import forms
from webcloud.identity.api.envelopes import one
from webcloud.identity.callers import current_caller
from webcloud.identity.login import refused
from webcloud.openapi import documented
from webcloud.web import database, json_body, parse, require

blueprint = Blueprint("identity_changing", __name__, url_prefix="/identity/v3")


@blueprint.post("/projects")
@require("identity:admin")
@documented("Create a project.", body=forms.ProjectBody, status=201)
def create_project() -> tuple[dict[str, Any], int]:
    form = parse(forms.ProjectBody, json_body()).project
    caller = current_caller()
    made = service.create_project(
        current(), caller, name=form.name, description=form.description or ""
    )
    if form.enabled is False:
        service.set_project_enabled(current(), caller, made, False)
    return one("project", serialize.project(made)), 201


@blueprint.patch("/projects/<project_id>")
@require("identity:admin")
@documented("Change a project.", body=forms.ProjectChangeBody)
def change_project(project_id: str) -> dict[str, Any]:
    form = parse(forms.ProjectChangeBody, json_body()).project
    caller = current_caller()
    found = queries.project(current(), project_id)
    if form.name is not None or form.description is not None:
        service.describe_project(
            current(), caller, found, name=form.name, description=form.description
        )
    if form.enabled is not None and form.enabled != found.enabled:
        service.set_project_enabled(current(), caller, found, form.enabled)
    return one("project", serialize.project(found))


@blueprint.delete("/projects/<project_id>")
@require("identity:admin")
@documented("Delete a project that is empty.", status=204)
def delete_project(project_id: str) -> tuple[str, int]:
    service.delete_project(current(), current_caller(), queries.project(current(), project_id))
    return "", 204


@blueprint.post("/users")
@require("identity:admin", transaction=False)
@documented("Create a user.", body=forms.UserBody, status=201)
def create_user() -> tuple[dict[str, Any], int]:
    form = parse(forms.UserBody, json_body()).user
    hashed = _hashed(form.password)
    with database().transaction() as session:
        caller = current_caller()
        if form.default_project_id is not None:
            queries.project(session, form.default_project_id)
        made = service.create_user(
            session,
            caller,
            name=form.name,
            password_hash=hashed,
            email=form.email or "",
            default_project_id=form.default_project_id,
        )
        if form.enabled is False:
            service.set_user_enabled(session, caller, made, False)
    return one("user", serialize.user(made)), 201


@blueprint.patch("/users/<user_id>")
@require("identity:admin", transaction=False)
@documented("Change a user.", body=forms.UserChangeBody)
def change_user(user_id: str) -> dict[str, Any]:
    form = parse(forms.UserChangeBody, json_body()).user
    hashed = _hashed(form.password)
    with database().transaction() as session:
        caller = current_caller()
        found = queries.user(session, user_id)
        if form.default_project_id is not None:
            queries.project(session, form.default_project_id)
        if (form.name, form.email, form.default_project_id) != (None, None, None):
            service.describe_user(
                session,
                caller,
                found,
                name=form.name,
                email=form.email,
                default_project_id=form.default_project_id,
            )
        if hashed is not None:
            service.set_password_hash(session, caller, found, hashed)
        if form.enabled is not None and form.enabled != found.enabled:
            service.set_user_enabled(session, caller, found, form.enabled)
    return one("user", serialize.user(found))


@blueprint.delete("/users/<user_id>")
@require("identity:admin")
@documented("Delete a user.", status=204)
def delete_user(user_id: str) -> tuple[str, int]:
    service.delete_user(current(), current_caller(), queries.user(current(), user_id))
    return "", 204


@blueprint.post("/users/<user_id>/password")
@require("login", transaction=False)
@documented("Change one's own password.", body=forms.PasswordBody, status=204)
def change_password(user_id: str) -> tuple[str, int]:
    """One's own password, with the old one; ends every session and token."""
    form = parse(forms.PasswordBody, json_body()).user
    caller = current_caller()
    if user_id != caller.user_id or caller.restricted:
        raise refused()
    login.with_password(database(), form.original_password, user_id=user_id)
    hashed = _hashed(form.password)
    with database().transaction() as session:
        service.set_password_hash(session, caller, queries.user(session, user_id), hashed or "")
    return "", 204


def _hashed(password: str | None) -> str | None:
    if password is None:
        return None
    passwords.check_acceptable(password, field="user.password")
    return passwords.hash_password(password)
