"""Our element in a domain's metadata: whose guest it is and which boot.

The element is the only proof that a domain is ours; the name alone is not.
It names the host it was made by, because several installations may use one
libvirt: what another one made is as foreign as any other domain.
Written by ``domain_xml``, read back here.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from agents.libvirt_host import parse_xml

NAMESPACE = "urn:webcloud:instance:1"
PREFIX = "webcloud"


@dataclass(frozen=True)
class GuestMetadata:
    """``boot`` counts the starts of the instance; ``host`` is the host's own id."""

    instance_id: str
    project_id: str
    name: str
    boot: int
    host: str = ""


def element(metadata: GuestMetadata) -> ElementTree.Element:
    """The element without a namespace prefix: libvirt adds its own."""
    root = ElementTree.Element(f"{{{NAMESPACE}}}instance", _attributes(metadata))
    ElementTree.SubElement(root, f"{{{NAMESPACE}}}project").text = metadata.project_id
    ElementTree.SubElement(root, f"{{{NAMESPACE}}}name").text = metadata.name
    return root


def parse(text: str) -> GuestMetadata | None:
    """What the element says, or None when there is none or it is not ours."""
    if not text:
        return None
    try:
        root = parse_xml(text)
    except ElementTree.ParseError:
        return None
    values = {_local(child.tag): child.text or "" for child in root}
    boot = root.get("boot", "0")
    if _local(root.tag) != "instance" or not root.get("id"):
        return None
    return GuestMetadata(
        root.get("id", ""),
        values.get("project", ""),
        values.get("name", ""),
        int(boot) if boot.isascii() and boot.isdigit() else 0,
        root.get("host", ""),
    )


def parse_own(text: str, host: str) -> GuestMetadata | None:
    """The same, but None for what another host's agent made on this libvirt."""
    metadata = parse(text)
    return metadata if metadata is not None and metadata.host == host else None


def to_text(metadata: GuestMetadata) -> str:
    """The element as XML text, the way ``virDomainSetMetadata`` wants it."""
    root = ElementTree.Element("instance", _attributes(metadata))
    ElementTree.SubElement(root, "project").text = metadata.project_id
    ElementTree.SubElement(root, "name").text = metadata.name
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(metadata: GuestMetadata) -> dict[str, str]:
    known = {"id": metadata.instance_id, "boot": str(metadata.boot)}
    return {**known, "host": metadata.host} if metadata.host else known


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
