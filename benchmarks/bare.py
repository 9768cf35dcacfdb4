"""The same guest on libvirt alone: what a user would wait for without a cloud.

A copy of an instance's description with an identity, a disk overlay, a log
and a tap of its own.  ``virsh`` is what does the work, as a person would.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from pathlib import Path
from xml.etree import ElementTree

import libvirt

from agents.libvirt_host import parse_xml
from tests.support.guest_cloud import remove_domain
from tests.support.libvirt_daemon import URI


class BareGuest:
    """Made from the instance's own folder and XML; ``remove`` takes everything away."""

    def __init__(self, folder: Path, xml: str) -> None:
        self.id = str(uuid.uuid4())
        self.folder = folder.with_name(self.id)
        # Without extended attributes, where libvirt remembers who uses a file.
        shutil.copytree(folder, self.folder, copy_function=shutil.copyfile)
        gid = folder.stat().st_gid
        shutil.chown(self.folder, 0, gid)
        self.folder.chmod(0o750)
        for path in self.folder.iterdir():
            shutil.chown(path, 0, gid)
        self.xml = self.folder / "domain.xml"
        self.xml.write_text(self._copied(folder, xml), encoding="utf-8")

    def create(self) -> float:
        return _virsh("create", str(self.xml))

    def define(self) -> float:
        return _virsh("define", str(self.xml))

    def start(self) -> float:
        return _virsh("start", self.id)

    def destroy(self) -> float:
        return _virsh("destroy", self.id)

    def undefine(self) -> float:
        return _virsh("undefine", self.id)

    def shut_down(self) -> float:
        """Press the power button and wait for the end."""
        began = time.perf_counter()
        _virsh("shutdown", self.id)
        with libvirt.open(URI) as connection:
            domain = connection.lookupByUUIDString(self.id)
            while domain.isActive():
                time.sleep(0.005)
        return time.perf_counter() - began

    def remove(self) -> None:
        remove_domain(self.id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _copied(self, folder: Path, xml: str) -> str:
        root = parse_xml(xml)
        for name, value in (("name", f"bare-{self.id}"), ("uuid", self.id)):
            found = root.find(name)
            assert found is not None
            found.text = value
        for tag in ("metadata", "title"):
            for element in root.findall(tag):
                root.remove(element)
        for element in root.iter():
            for key, value in element.items():
                if value.startswith(str(folder)):
                    element.set(key, value.replace(str(folder), str(self.folder)))
        for number, card in enumerate(root.iterfind("./devices/interface")):
            card.find("mac").set("address", f"52:54:00:{self.id[0:2]}:{self.id[2:4]}:{number:02x}")  # type: ignore[union-attr]
            for target in card.findall("target"):
                target.set("dev", f"bare{self.id[:8]}{number}")
        return ElementTree.tostring(root, encoding="unicode")


def _virsh(*arguments: str) -> float:
    """Seconds."""
    began = time.perf_counter()
    argv = ["virsh", "-q", "-c", URI, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began
