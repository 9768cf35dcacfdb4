"""Making files and folders that nobody else can slip something into.

Modes are set explicitly, whatever the umask; a symbolic link in place of a
file or folder of ours is refused; a file appears under its name only when it
is complete.  Folders are 0750 with the group of libvirt's qemu user, so that
QEMU can pass through them and nobody else can.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agents.errors import AgentError, from_os_error

QEMU_USER = "libvirt-qemu"
FOLDER_MODE, PASSAGE_MODE = 0o750, 0o711
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def qemu_group() -> int:
    """The group id QEMU runs with; root's where libvirt has no such user."""
    try:
        return pwd.getpwnam(QEMU_USER).pw_gid
    except KeyError:
        return 0


def ensure_folder(path: Path, group: int | None = None) -> Path:
    """Have the folder, 0750, ours. Raises AgentError ``io``."""
    try:
        # What is already there is judged below, whoever made it.
        with suppress(FileExistsError):
            path.mkdir(0o750)
    except OSError as error:
        raise from_os_error(error, f"making {path.name}") from error
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise AgentError("io", f"{path.name} is not a folder of ours, refusing to use it")
    if status.st_gid != (wanted := qemu_group() if group is None else group):
        os.chown(path, -1, wanted)
    if stat.S_IMODE(status.st_mode) != FOLDER_MODE:
        path.chmod(FOLDER_MODE)
    return path


def ensure_parent(path: Path) -> None:
    """Have the folder above; one we make may be passed through, not listed, by others."""
    parent = path.parent
    if not parent.exists():
        parent.mkdir(parents=True)
        parent.chmod(PASSAGE_MODE)


def remove_part(path: Path) -> None:
    """Remove what an interrupted attempt left; a symbolic link is refused."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise AgentError("io", f"{path.name} is not a plain file, refusing to touch it")
    path.unlink()


def create_part(path: Path, mode: int = 0o640) -> int:
    """A new empty file, open for writing; an older attempt's is replaced."""
    remove_part(path)
    descriptor = os.open(path, _NEW, 0o600)
    os.fchmod(descriptor, mode)
    return descriptor


@contextmanager
def replacing(path: Path, mode: int = 0o640, group: int = -1) -> Iterator[int]:
    """Write to a descriptor; ``path`` gets the content when the block ends well."""
    part = path.with_name(path.name + ".part")
    descriptor = create_part(part, mode)
    try:
        if group >= 0:
            os.fchown(descriptor, -1, group)
        yield descriptor
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        part.unlink(missing_ok=True)
        raise
    os.close(descriptor)
    part.rename(path)


def write(path: Path, content: bytes, mode: int = 0o640, group: int = -1) -> None:
    """Replace the file's content at once. Raises AgentError."""
    try:
        with (
            replacing(path, mode, group) as descriptor,
            os.fdopen(os.dup(descriptor), "wb") as file,
        ):
            file.write(content)
    except OSError as error:
        raise from_os_error(error, f"writing {path.name}") from error


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """``write`` that also survives a power cut right after it. Raises AgentError."""
    write(path, content, mode)
    try:
        sync_folder(path.parent)
    except OSError as error:
        raise from_os_error(error, f"writing {path.name}") from error


def put_in_place(part: Path, path: Path) -> None:
    """Give a complete part its name in its owner's folder, so that a power cut takes neither.

    Raises OSError.
    """
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(path)
    for folder in (path.parent, path.parent.parent):
        sync_folder(folder)


def sync_folder(path: Path) -> None:
    """Have the folder's names on the platter, so that a rename survives a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_text(path: Path) -> str | None:
    """The file's text, or None when there is none; a symbolic link is an error."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, f"reading {path.name}") from error
    with os.fdopen(descriptor, "r", encoding="utf-8", errors="replace") as file:
        return file.read()


def is_plain(path: Path) -> bool:
    """Whether a plain file (no link) of this name is there."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
