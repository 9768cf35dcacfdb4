"""What every start needs in the database, done by a process that ends afterwards.

Reads one JSON object from standard input (see ``webcloud.supervising.readiness``)
and writes JSON lines: ``{"say": words}`` for progress, then ``{"result": …}``
or ``{"error": words}``.  Doing it twice is doing it once.  Secrets travel
through these pipes only, never through an argument or the environment.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from webcloud import migrations
from webcloud.commands import operator
from webcloud.config import Config
from webcloud.db import Database
from webcloud.errors import WebcloudError
from webcloud.hosts import enrolment
from webcloud.hosts.models import Host
from webcloud.identity import bootstrap, login_links, passwords
from webcloud.identity.models import Setting, User
from webcloud.images import demo_install, place
from webcloud.instances import flavors
from webcloud.networks import service as networks

DEMO_OFFERED = "demo_image_offered"


def main() -> None:
    """Exit code 1 when the database cannot be prepared."""
    request = json.load(sys.stdin)
    config = Config.from_environment().with_defaults_filled()
    try:
        _write(result=prepare(config, request))
    except WebcloudError as error:
        _write(error=error.full_message)
        sys.exit(1)


def prepare(config: Config, request: dict[str, Any]) -> dict[str, str]:
    """Migrate, create what is missing, and return the link, the password and the token.

    The password is empty when it was changed and is not known here any more.
    """
    if migrations.pending(config.database_url):
        _write(say="bringing the database up to date")
        migrations.upgrade(config.database_url)
    database = Database(config.database_url)
    with database.transaction() as session:
        admin, project = bootstrap.ensure_admin(session)
        password = _choose_password(admin, request)
        if password:
            bootstrap.ensure_admin(session, password)
        flavors.ensure_defaults(session)
        networks.ensure_default(session, project.id, config.default_cidr, config.default_dns)
        link = login_links.create(session, admin, config.public_url)
        token = _join_token(session, request)
    _offer_demo_image(config, database)
    return {"login_link": link, "admin_password": password, "join_token": token}


def _choose_password(admin: User, request: dict[str, Any]) -> str:
    """The one that was given; else the one kept in clouds.yaml while it is right; else a new one.

    A password that admin has chosen since is replaced only by one that is given.
    """
    known: str = request["password"]
    if request["password_given"]:
        return known
    if admin.password_hash is None:
        return known or request["new_password"]
    return known if passwords.matches(admin.password_hash, known) else ""


def _offer_demo_image(config: Config, database: Database) -> None:
    """Build the demo image once; who deletes it does not find it back at the next start."""
    with database.reading() as session:
        if session.get(Setting, DEMO_OFFERED) is not None:
            return
        caller = operator.caller(session)
    place.configure(config)
    try:
        demo_install.install(database, caller, lambda words: _write(say=f"demo image: {words}"))
    except WebcloudError as error:
        # A cloud without a demo image is still a cloud; the next start tries again.
        _write(say=f"no demo image: {error.full_message}")
        return
    with database.transaction() as session:
        session.add(Setting(name=DEMO_OFFERED, value=True))


def _join_token(session: Session, request: dict[str, Any]) -> str:
    """A token for the local host unless it is enrolled and still has its credential."""
    name: str = request["host_name"]
    enrolled = session.scalar(select(Host.id).where(Host.name == name)) is not None
    if enrolled and request["joined"]:
        return ""
    return enrolment.make_join_token(session, name)


def _write(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
