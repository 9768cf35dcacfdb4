"""The demo image's disk: a partition table, one FAT file system, a boot loader.

Debian's ``mtools`` and ``syslinux`` write into a plain file, so neither root
nor a loop device is needed.  The result is a raw disk of a fixed size that
boots from a BIOS; the guest runs from memory and never writes to it.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from webcloud.errors import Unavailable
from webcloud.words import say

SECTOR = 512
PARTITION_START = 2048  # in sectors: 1 MiB, where every partitioning program puts it
MIB = 1024 * 1024
FIXED_TIME = 1609459200  # The same files give the same disk, whenever it is made.
PACKAGES = "syslinux mtools"
MBR_CODE = (Path("/usr/lib/syslinux/mbr/mbr.bin"), Path("/usr/lib/SYSLINUX/mbr.bin"))

SYSLINUX_CONFIG = """\
DEFAULT demo
PROMPT 0
LABEL demo
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND {command_line}
"""


def write_disk(target: Path, kernel: Path, initramfs: bytes, command_line: str) -> None:
    """Write the disk to ``target`` and keep only it; raises Unavailable when a tool is missing."""
    mbr_code = _mbr_code()
    tools = {name: _tool(name) for name in ("mformat", "mcopy", "syslinux")}
    content = {
        "vmlinuz": kernel.read_bytes(),
        "initrd.gz": initramfs,
        "syslinux.cfg": SYSLINUX_CONFIG.format(command_line=command_line).encode(),
    }
    sectors = _partition_sectors(sum(len(data) for data in content.values()))
    work = target.with_name(target.name + ".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    try:
        target.touch(mode=0o640)
        with target.open("wb") as disk:
            disk.truncate((PARTITION_START + sectors) * SECTOR)
            disk.write(mbr_code.ljust(440, b"\0") + _partition_table(sectors))
        partition = f"{target}@@{PARTITION_START * SECTOR}"
        _run(work, tools["mformat"], "-i", partition, "-T", str(sectors), "-h", "64", "-s", "32",
             "-H", str(PARTITION_START), "-N", "77656263", "-v", "WEBCLOUD", "::")  # fmt: skip
        for name, data in content.items():
            (work / name).write_bytes(data)
            os.utime(work / name, (FIXED_TIME, FIXED_TIME))
            _run(work, tools["mcopy"], "-m", "-i", partition, str(work / name), f"::{name}")
        _run(work, tools["syslinux"], "--offset", str(PARTITION_START * SECTOR), "--install",
             str(target))  # fmt: skip
    finally:
        shutil.rmtree(work)


def _partition_sectors(content_bytes: int) -> int:
    """Room for the files, the boot loader and FAT's own tables, in whole MiB."""
    mib = -(-content_bytes // MIB) + 2
    return max(mib, 17) * MIB // SECTOR  # below 16 MiB mformat would choose FAT12


def _partition_table(sectors: int) -> bytes:
    """Disk signature, one active partition of type 0x0e (FAT16, LBA), and 55 AA."""
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x0E, b"\xfe\xff\xff",
                        PARTITION_START, sectors)  # fmt: skip
    return b"webc\0\0" + entry + b"\0" * 48 + b"\x55\xaa"


def _mbr_code() -> bytes:
    for path in MBR_CODE:
        if path.is_file():
            return path.read_bytes()
    raise Unavailable(
        say("The boot loader syslinux is not installed. Install: {packages}.", packages=PACKAGES)
    )


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Unavailable(
            say(
                "The program {name} is not installed. Install: {packages}.",
                name=name,
                packages=PACKAGES,
            )
        )
    return found


def _run(work: Path, *argv: str) -> None:
    """Run one tool; its temporary files stay in ``work`` and a failure names what it said."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "TMPDIR": str(work),
        "MTOOLS_SKIP_CHECK": "1",
        "MTOOLSRC": os.devnull,
        "SOURCE_DATE_EPOCH": str(FIXED_TIME),
        "TZ": "UTC",
        "LC_ALL": "C",
    }
    result = subprocess.run(argv, env=environment, capture_output=True, cwd=work, check=False)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip()
        raise Unavailable(
            say(
                "{program} could not write the demo image: {output}",
                program=Path(argv[0]).name,
                output=said,
            )
        )
