"""Why an image's bytes are refused, as one typed error, and the advice for each format.

Nothing is decided here: ``inspection`` and ``qcow2_header`` decide.
"""

from __future__ import annotations

from webcloud.errors import BadRequest
from webcloud.words import mark, say

ACCEPTED = ("raw", "qcow2", "iso")

# qemu-img's own name of a format where it differs from the everyday one.
_CONVERTIBLE = {
    "vmdk": "vmdk",
    "vhd": "vpc",
    "vhdx": "vhdx",
    "vdi": "vdi",
    "qed": "qed",
    "parallels": "parallels",
    "bochs": "bochs",
    "cloop": "cloop",
    "dmg": "dmg",
}
_PACKED = {
    "gzip": "gunzip",
    "xz": "unxz",
    "bzip2": "bunzip2",
    "zstd": "unzstd",
    "zip": "unzip",
    "tar": "tar -xf (an OVA file is a tar archive with a VMDK disk inside)",
}


class ImageRefused(BadRequest):
    """The bytes are not an image that may be stored. ``code`` is stable.

    Codes: ``format_unsupported``, ``format_mismatch``, ``format_ambiguous``,
    ``image_empty``, ``image_truncated``, ``virtual_size_too_large``,
    ``not_a_regular_file``, ``qcow2_backing_file``, ``qcow2_data_file``,
    ``qcow2_feature``, ``qcow2_extension``, ``qcow2_header``, ``checksum_mismatch``.
    """

    def __init__(self, code: str, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message, field="disk_format", next_step=next_step)
        self.code = code


def unsupported(name: str) -> ImageRefused:
    """The refusal of a format by its name, saying how to get an accepted one."""
    return ImageRefused(
        "format_unsupported",
        say(
            "Images in the format {name} are not accepted; accepted are raw, qcow2 and iso.",
            name=name,
        ),
        next_step=how_to_convert(name),
    )


def mismatch(declared: str, actual: str) -> ImageRefused:
    """The bytes are another format than the one that was declared."""
    return ImageRefused(
        "format_mismatch",
        say(
            "The image was declared as {declared} but its bytes are {actual}.",
            declared=declared,
            actual=actual,
        ),
        next_step=(
            say("Upload it again declared as {actual}.", actual=actual)
            if actual in ACCEPTED
            else how_to_convert(actual)
        ),
    )


def how_to_convert(name: str) -> str:
    if name in _PACKED:
        return say("Unpack the file first: {command}.", command=_PACKED[name])
    if name == "luks":
        return mark("Decrypt the disk first; an encrypted image cannot be inspected.")
    source = _CONVERTIBLE.get(name, "FORMAT")
    return say(
        "Convert it first: qemu-img convert -f {source} -O qcow2 IN OUT.qcow2", source=source
    )
