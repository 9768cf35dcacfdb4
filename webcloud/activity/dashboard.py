"""The list of operations, one operation, and the drawer at the bottom of every page."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, g, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud.conductor import story
from webcloud.conductor.models import OperationRow
from webcloud.conductor.queries import operations_of_project
from webcloud.conductor.story import Story
from webcloud.db import current
from webcloud.errors import NotFound
from webcloud.frontend import sessions
from webcloud.identity import queries as identity
from webcloud.identity.callers import Caller, current_caller
from webcloud.web import require
from webcloud.words import say

blueprint = Blueprint("activity_pages", __name__, url_prefix="/activity")

IN_LIST = 100
IN_DRAWER = 8
PAGES = {"instance": "instances_pages.show", "image": "images_pages.show"}


@blueprint.get("")
@require("activity:read")
def index() -> str:
    """The project's operations, newest first; ``?everywhere=1`` for operators."""
    caller = current_caller()
    everywhere = caller.is_admin and request.args.get("everywhere") == "1"
    project_id = None if everywhere else caller.project_id
    stories = story.tell(current(), operations_of_project(current(), project_id, IN_LIST))
    template = "_list.html" if "HX-Request" in request.headers else "index.html"
    return render_template(
        f"activity/{template}",
        stories=stories,
        everywhere=everywhere,
        users=_user_names(current(), stories),
        link_of=link_of,
    )


@blueprint.get("/<operation_id>")
@require("activity:read")
def show(operation_id: str) -> str:
    """One operation with its steps."""
    row = _visible(current(), current_caller(), operation_id)
    (told,) = story.tell(current(), [row])
    template = "_operation.html" if "HX-Request" in request.headers else "show.html"
    return render_template(
        f"activity/{template}",
        story=told,
        users=_user_names(current(), [told]),
        link_of=link_of,
    )


@blueprint.get("/drawer")
@require("activity:read")
def drawer() -> str:
    """The drawer alone, for a refetch."""
    return render_template("activity/_drawer.html")


def latest_stories() -> list[Story]:
    """What the drawer shows: the project's newest operations."""
    caller: Caller | None = g.get("caller")
    if caller is None or not caller.project_id:
        return []
    project_id = caller.project_id
    return sessions.read(
        lambda session: story.tell(session, operations_of_project(session, project_id, IN_DRAWER)),
        [],
    )


def link_of(operation: OperationRow) -> str:
    """The page of what the operation is about, or "" when there is none."""
    endpoint = PAGES.get(operation.subject_type)
    if endpoint is None or endpoint not in current_app.view_functions:
        return ""
    values: dict[str, Any] = {f"{operation.subject_type}_id": operation.subject_id}
    return url_for(endpoint, **values)


def _visible(session: Session, caller: Caller, operation_id: str) -> OperationRow:
    question = select(OperationRow).where(OperationRow.id == operation_id)
    if not caller.is_admin:
        question = question.where(OperationRow.project_id == caller.project_id)
    row = session.scalar(question)
    if row is None:
        raise NotFound(say("There is no operation {operation_id}.", operation_id=operation_id))
    return row


def _user_names(session: Session, stories: list[Story]) -> dict[str, str]:
    wanted = {each.operation.user_id for each in stories}
    return {user.id: user.name for user in identity.users(session) if user.id in wanted}
