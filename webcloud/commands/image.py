"""``webcloud image``: the image store from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from webcloud.commands.settings import open_database, state_option
from webcloud.errors import BadRequest

if TYPE_CHECKING:
    from webcloud.config import Config
    from webcloud.db import Database
    from webcloud.identity.callers import Caller

CHUNK = 1024 * 1024
FORMATS = {".qcow2": "qcow2", ".raw": "raw", ".iso": "iso"}


@click.group(name="image")
def command() -> None:
    """List images, import one from a file, build the demo image."""


@command.command(name="list")
@state_option
def list_images(state: Path | None) -> None:
    """List all images."""
    from sqlalchemy import select

    from webcloud.images.models import Image

    _, database = open_database(state)
    with database.reading() as session:
        for image in session.scalars(select(Image).order_by(Image.name, Image.id)):
            size = f"{image.size / 1024**2:.0f} MB" if image.size else "-"
            click.echo(
                f"{image.id}  {image.name}  {image.status}  {image.disk_format}  "
                f"{size}  {image.visibility}"
            )


@command.command()
@state_option
def demo(state: Path | None) -> None:
    """Build the tiny demo image from this machine's own kernel, if there is none."""
    from webcloud.images import demo_install

    config, database = open_database(state)
    click.echo(demo_install.install(database, _operator(config, database), click.echo))


@command.command(name="import")
@state_option
@click.argument("file", type=click.File("rb"))
@click.option("--name", help="The image's name (default: the file's).")
@click.option(
    "--format", "disk_format", type=click.Choice(["qcow2", "raw", "iso"]), help="What FILE is."
)
@click.option("--public", is_flag=True, help="Let every project use it.")
def import_file(
    state: Path | None, file: IO[bytes], name: str | None, disk_format: str | None, public: bool
) -> None:
    """Store FILE as an image of the project admin and print its id."""
    from webcloud.images import service, uploads
    from webcloud.images.forms import NewImage
    from webcloud.web import parse

    path = Path(file.name)
    kind = disk_format or FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadRequest(
            f"{path.name} does not say what it is.", next_step="Add --format qcow2, raw or iso."
        )
    wanted = {
        "name": name or path.stem,
        "disk_format": kind,
        "container_format": "bare",
        "visibility": "public" if public else "private",
    }
    form = parse(NewImage, wanted)
    size = path.stat().st_size
    config, database = open_database(state)
    caller = _operator(config, database)
    with database.transaction() as session:
        image_id = service.create(session, caller, form).id
    uploads.whole(database, caller, image_id, _chunks(file, size), size)
    click.echo(image_id)


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    with click.progressbar(length=size, label="Storing", file=sys.stderr) as bar:
        while chunk := file.read(CHUNK):
            yield chunk
            bar.update(len(chunk))


def _operator(config: Config, database: Database) -> Caller:
    from webcloud.commands import operator
    from webcloud.images import place

    place.configure(config)
    with database.reading() as session:
        found: Caller = operator.caller(session)
    return found
