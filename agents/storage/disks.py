"""An instance's files: its root disk, and their removal.

The root disk is always a qcow2 that we made: an overlay on the cached image,
or, for an ISO image, an empty disk to install on.  An existing disk is never
replaced, because it may hold somebody's data.  qemu-img writes to ``.part``,
so that an interruption leaves nothing that looks like a disk.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from agents import privileged
from agents.compute.domain_xml import GuestFiles
from agents.errors import AgentError, from_os_error
from agents.ids import checked_id, is_id
from agents.storage import files
from agents.storage.images import CachedImage, ImageCache
from agents.wire.commands import Domain, EnsureDisk

DISK, BASE, CONFIG_DRIVE, SERIAL_LOG = "disk", "base", "config.iso", "console.log"
_NEARLY_FULL = 1 << 20


class InstanceFiles:
    """Everything under ``instances/``."""

    def __init__(self, folder: Path, images: ImageCache) -> None:
        self._folder = folder
        self._images = images

    @property
    def folder(self) -> Path:
        """Where every instance has its own folder."""
        return self._folder

    def folder_of(self, instance_id: str) -> Path:
        return self._folder / checked_id(instance_id)

    def ensure_folder(self, instance_id: str) -> Path:
        files.ensure_folder(self._folder)
        return files.ensure_folder(self.folder_of(instance_id))

    def ensure_disk(self, wanted: EnsureDisk) -> dict[str, Any]:
        """Raises AgentError image_missing, image_too_large, no_space or io."""
        folder = self.ensure_folder(wanted.instance_id)
        disk = folder / DISK
        if files.is_plain(disk):
            return {}
        image = self._images.get(wanted.image_id)
        if image.disk_format != wanted.disk_format:
            raise AgentError(
                "image_refused",
                f"The image is {image.disk_format}, the command says {wanted.disk_format}.",
            )
        overlaid = image.disk_format != "iso"
        if overlaid and wanted.size < image.virtual_size:
            raise AgentError(
                "image_too_large",
                f"The image needs a disk of {image.virtual_size} bytes, "
                f"the disk would have {wanted.size}.",
            )
        # Written first: from here on the cache keeps the image.
        files.write(folder / BASE, wanted.image_id.encode())
        part = folder / f"{DISK}.part"
        os.close(files.create_part(part, 0o640))
        done = privileged.qemu_img_create(str(part), wanted.size, *self.backing_of(image))
        if done.status != 0:
            part.unlink(missing_ok=True)
            raise self._create_failed(done.errors)
        part.chmod(0o640)
        files.put_in_place(part, disk)
        return {}

    @staticmethod
    def backing_of(image: CachedImage) -> tuple[str, str]:
        """What a disk's header says that it lies on, and its format; empty for an ISO image."""
        if image.disk_format == "iso":
            return "", ""
        return f"../../{image.path.parent.name}/{image.path.name}", image.disk_format

    def ensure_absent(self, instance_id: str) -> dict[str, Any]:
        """Remove the instance's folder with all that is in it."""
        folder = self.folder_of(instance_id)
        if folder.is_symlink():
            raise AgentError("io", "the instance's folder is a link, refusing to follow it")
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise from_os_error(error, "removing the instance's files") from error
        return {}

    def of_guest(self, domain: Domain) -> GuestFiles:
        """The files as the domain's description names them. Raises AgentError."""
        folder = self.folder_of(domain.instance_id)
        if not files.is_plain(folder / DISK):
            raise AgentError("disk_missing", "The instance's disk is not on this host.")
        image_id = domain.image_id or (files.read_text(folder / BASE) or "").strip()
        base = base_format = cdrom = ""
        if image_id:
            image = self._images.get(image_id)
            if image.disk_format == "iso":
                cdrom = str(image.path)
            else:
                base, base_format = str(image.path), image.disk_format
        drive = folder / CONFIG_DRIVE
        if domain.config_drive and not files.is_plain(drive):
            raise AgentError("io", "The instance's config drive is not on this host.")
        return GuestFiles(
            disk=str(folder / DISK),
            serial_log=str(folder / SERIAL_LOG),
            base=base,
            base_format=base_format,
            cdrom=cdrom,
            config_drive=str(drive) if domain.config_drive else "",
        )

    def present(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(instance ids that have files, names that belong to nothing)."""
        if not self._folder.is_dir():
            return (), ()
        names = sorted(item.name for item in self._folder.iterdir())
        ids = tuple(name for name in names if is_id(name))
        strays = [name for name in names if not is_id(name)]
        strays += [
            f"{item.parent.name}/{item.name}" for item in sorted(self._folder.glob("*/*.part"))
        ]
        return ids, tuple(strays)

    def without(self, name: str) -> tuple[str, ...]:
        """Ids of instances that have files here, but not DISK or CONFIG_DRIVE among them."""
        ids, _strays = self.present()
        return tuple(id_ for id_ in ids if not files.is_plain(self._folder / id_ / name))

    def _create_failed(self, errors: str) -> AgentError:
        free = os.statvfs(self._folder)
        if free.f_bavail * free.f_frsize < _NEARLY_FULL:
            return AgentError("no_space", "The host's disk is full.", retryable=True)
        return AgentError("io", f"The disk could not be made: {errors[:300]}", retryable=True)
