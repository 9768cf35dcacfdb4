"""``webcloud user``: people and scripts, and their ways in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from webcloud.commands.settings import open_database, state_option
from webcloud.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from webcloud.identity.models import User


@click.group(name="user")
def command() -> None:
    """Create and list users, set passwords, make login links."""


@command.command()
@state_option
@click.argument("name")
@click.option("--email", default="", help="Shown beside the name.")
@click.option("--project", "project_name", help="Their project (default: one of their name).")
@click.option(
    "--role", type=click.Choice(["admin", "member", "reader"]), default="member", show_default=True
)
def create(state: Path | None, name: str, email: str, project_name: str | None, role: str) -> None:
    """Create user NAME with a role in a project, and print their login link."""
    from webcloud.identity import login_links, queries, service
    from webcloud.identity.callers import SYSTEM

    config, database = open_database(state)
    wanted = project_name or name
    with database.transaction() as session:
        project = queries.project_named(session, wanted) or service.create_project(
            session, SYSTEM, name=wanted
        )
        user = service.create_user(
            session,
            SYSTEM,
            name=name,
            password_hash=None,
            email=email,
            default_project_id=project.id,
        )
        service.grant(session, SYSTEM, user, project, role)
        link = login_links.create(session, user, config.public_url)
    click.echo(f"Created user {name}, {role} in project {wanted}.")
    click.echo(f"Log in once, within 10 minutes: {link}")


@command.command(name="list")
@state_option
def list_users(state: Path | None) -> None:
    """List users with their projects and roles."""
    from sqlalchemy import select

    from webcloud.identity import queries
    from webcloud.identity.models import Project, RoleAssignment

    _, database = open_database(state)
    with database.reading() as session:
        for user in queries.users(session):
            rows = session.execute(
                select(Project.name, RoleAssignment.role)
                .join(RoleAssignment, RoleAssignment.project_id == Project.id)
                .where(RoleAssignment.user_id == user.id)
                .order_by(Project.name, RoleAssignment.role)
            )
            roles = ", ".join(f"{project}: {role}" for project, role in rows)
            note = "" if user.enabled else "  (disabled)"
            click.echo(f"{user.id}  {user.name}  {roles}{note}")


@command.command()
@state_option
@click.argument("name")
def password(state: Path | None, name: str) -> None:
    """Set the password of NAME, asked for twice, or read from a pipe.

    Every session and token of the user ends.
    """
    from webcloud.identity import passwords, service
    from webcloud.identity.callers import SYSTEM

    if sys.stdin.isatty():
        new = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    else:
        new = sys.stdin.readline().rstrip("\n")
    passwords.check_acceptable(new)
    hashed = passwords.hash_password(new)
    _, database = open_database(state)
    with database.transaction() as session:
        service.set_password_hash(session, SYSTEM, _named(session, name), hashed)
    click.echo(f"The password of {name} is set.")


@command.command()
@state_option
@click.argument("name")
def link(state: Path | None, name: str) -> None:
    """Print a link that logs NAME in once, within 10 minutes."""
    from webcloud.identity import login_links

    config, database = open_database(state)
    with database.transaction() as session:
        click.echo(login_links.create(session, _named(session, name), config.public_url))


def _named(session: Session, name: str) -> User:
    from webcloud.identity import queries

    user = queries.user_named(session, name)
    if user is None:
        raise NotFound(f"There is no user called {name}.", next_step="See: webcloud user list")
    return user
