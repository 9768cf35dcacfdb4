"""Disks and config drives, written by the real qemu-img and read back."""

from __future__ import annotations

import base64
import io
import json
import os
import stat
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from agents.errors import AgentError, from_os_error
from agents.storage import files
from agents.storage.config_drive import write_config_drive
from agents.storage.images import ImageCache
from agents.wire.commands import Domain, EnsureDisk, EnsureImage
from tests.agents.storage.images import iso, qcow2
from tests.agents.storage.test_images import Bench
from tests.support.agent_controller import AgentController

MIB = 1 << 20


@pytest.fixture
def bench(controller: AgentController, open_dir: Path) -> Iterator[Bench]:
    yield Bench(controller, open_dir)


def cached(bench: Bench, content: bytes, disk_format: str) -> EnsureImage:
    image = bench.image(content, disk_format)
    bench.ensure(image)
    return image


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(AgentError) as failure:
        call(*arguments)
    return failure.value.code


def qemu_info(disk: Path) -> dict[str, Any]:
    """What QEMU itself reads in the disk's header."""
    argv = ["qemu-img", "info", "--output=json", str(disk)]
    done = subprocess.run(argv, check=True, capture_output=True)
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(("content", "kind"), [(bytes(MIB), "raw"), (qcow2(size=MIB), "qcow2")])
def test_a_disk_is_an_overlay_of_the_wanted_size(bench: Bench, content: bytes, kind: str) -> None:
    image, instance_id = cached(bench, content, kind), str(uuid.uuid4())
    wanted = EnsureDisk(instance_id, image.image_id, kind, 8 * MIB)
    bench.instances.ensure_disk(wanted)
    disk = bench.instances.folder_of(instance_id) / "disk"
    found = qemu_info(disk)
    assert found["virtual-size"] == 8 * MIB
    assert found["backing-filename"] == f"../../images/{image.image_id}"
    before = disk.stat()
    bench.instances.ensure_disk(wanted)
    assert disk.stat().st_mtime_ns == before.st_mtime_ns
    found = bench.instances.of_guest(
        Domain(instance_id, "n", "p", 1, 64, 1, image_id=image.image_id, config_drive=False)
    )
    assert (found.base, found.base_format) == (str(bench.folder / image.image_id), kind)


def test_a_disk_that_was_made_survives_a_power_cut(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds is on the platter before it has its name, and the names are after that."""
    image, instance_id = cached(bench, bytes(MIB), "raw"), str(uuid.uuid4())
    disk = bench.instances.folder_of(instance_id) / "disk"
    synced: list[tuple[str, bool]] = []

    def sync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, disk.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    bench.instances.ensure_disk(EnsureDisk(instance_id, image.image_id, "raw", 8 * MIB))
    named = [(instance_id, True), (disk.parent.parent.name, True)]
    assert synced[-3:] == [("disk.part", False), *named]


def test_an_iso_gets_an_empty_disk_beside_it(bench: Bench) -> None:
    image, instance_id = cached(bench, iso(), "iso"), str(uuid.uuid4())
    bench.instances.ensure_disk(EnsureDisk(instance_id, image.image_id, "iso", 8 * MIB))
    folder = bench.instances.folder_of(instance_id)
    assert "backing-filename" not in qemu_info(folder / "disk")
    domain = Domain(instance_id, "n", "p", 1, 64, 1, disk_format="iso", config_drive=False)
    found = bench.instances.of_guest(domain)
    assert (found.cdrom, found.base) == (str(bench.folder / image.image_id), "")


def test_s6_a_disk_smaller_than_the_image_is_refused(bench: Bench) -> None:
    image, instance_id = cached(bench, qcow2(size=1 << 62), "qcow2"), str(uuid.uuid4())
    wanted = EnsureDisk(instance_id, image.image_id, "qcow2", 1 << 40)
    assert code_of(bench.instances.ensure_disk, wanted) == "image_too_large"
    assert not (bench.instances.folder_of(instance_id) / "disk").exists()


def test_a_format_other_than_the_cached_one_is_refused(bench: Bench) -> None:
    image = cached(bench, bytes(MIB), "raw")
    wanted = EnsureDisk(str(uuid.uuid4()), image.image_id, "qcow2", 8 * MIB)
    assert code_of(bench.instances.ensure_disk, wanted) == "image_refused"


def test_a_disk_needs_its_image(bench: Bench) -> None:
    wanted = EnsureDisk(str(uuid.uuid4()), str(uuid.uuid4()), "raw", MIB)
    assert code_of(bench.instances.ensure_disk, wanted) == "image_missing"


def test_what_an_interruption_left_is_repaired(bench: Bench) -> None:
    image, instance_id = cached(bench, bytes(MIB), "raw"), str(uuid.uuid4())
    folder = bench.instances.ensure_folder(instance_id)
    (folder / "disk.part").write_bytes(b"half a disk")
    assert bench.instances.present() == ((instance_id,), (f"{instance_id}/disk.part",))
    bench.instances.ensure_disk(EnsureDisk(instance_id, image.image_id, "raw", 8 * MIB))
    assert sorted(item.name for item in folder.iterdir()) == ["base", "disk"]


def test_s17_links_in_place_of_files_and_folders_are_refused(bench: Bench, open_dir: Path) -> None:
    image, instance_id = cached(bench, bytes(MIB), "raw"), str(uuid.uuid4())
    victim = open_dir / "victim"
    victim.mkdir()
    wanted = EnsureDisk(instance_id, image.image_id, "raw", 8 * MIB)
    bench.instances.ensure_folder(str(uuid.uuid4()))
    folder = bench.instances.folder_of(instance_id)
    folder.symlink_to(victim)
    assert code_of(bench.instances.ensure_disk, wanted) == "io"
    assert code_of(bench.instances.ensure_absent, instance_id) == "io"
    folder.unlink()
    bench.instances.ensure_folder(instance_id)
    for name in ("disk.part", "base.part"):
        (folder / name).symlink_to(victim / "file")
        assert code_of(bench.instances.ensure_disk, wanted) == "io"
        (folder / name).unlink()
    assert list(victim.iterdir()) == []


def test_s17_modes_do_not_depend_on_the_umask(bench: Bench) -> None:
    before = os.umask(0)
    try:
        image, instance_id = cached(bench, bytes(MIB), "raw"), str(uuid.uuid4())
        bench.instances.ensure_disk(EnsureDisk(instance_id, image.image_id, "raw", 8 * MIB))
        folder = bench.instances.folder_of(instance_id)
        write_config_drive(folder / "config.iso", {"a": ""})
    finally:
        os.umask(before)
    for item in (folder, bench.folder):
        assert stat.S_IMODE(item.stat().st_mode) == 0o750
        assert item.stat().st_gid == files.qemu_group()
        for path in item.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o640, path


def test_a_guest_without_its_files_cannot_be_described(bench: Bench) -> None:
    domain = Domain(str(uuid.uuid4()), "n", "p", 1, 64, 1)
    assert code_of(bench.instances.of_guest, domain) == "disk_missing"
    image = cached(bench, bytes(MIB), "raw")
    bench.instances.ensure_disk(EnsureDisk(domain.instance_id, image.image_id, "raw", 8 * MIB))
    assert code_of(bench.instances.of_guest, domain) == "io"


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mounted], check=True)
    try:
        with pytest.raises(AgentError) as failure:
            files.write(mounted / "file", bytes(MIB))
        assert (failure.value.code, failure.value.retryable) == ("no_space", True)
        assert list(mounted.iterdir()) == []
    finally:
        subprocess.run(["umount", mounted], check=True)
    assert from_os_error(OSError(5, "Input/output error"), "x").code == "io"


def test_qemu_img_failing_on_a_full_disk_is_no_space(bench: Bench, open_dir: Path) -> None:
    image, instance_id = cached(bench, bytes(MIB), "raw"), str(uuid.uuid4())
    folder = bench.instances.ensure_folder(instance_id)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder.parent], check=True)
    try:
        wanted = EnsureDisk(instance_id, image.image_id, "raw", 1 << 30)
        assert code_of(bench.instances.ensure_disk, wanted) == "no_space"
    finally:
        subprocess.run(["umount", folder.parent], check=True)


def read_disc(path: Path) -> tuple[str, dict[str, bytes]]:
    disc = pycdlib.PyCdlib()
    disc.open(str(path))
    found = {}
    for root, _folders, names in disc.walk(rr_path="/"):
        for name in names:
            content = io.BytesIO()
            full = f"{root.rstrip('/')}/{name}"
            disc.get_file_from_iso_fp(content, rr_path=full)
            joliet = io.BytesIO()
            disc.get_file_from_iso_fp(joliet, joliet_path=full)
            assert joliet.getvalue() == content.getvalue()
            found[full.lstrip("/")] = content.getvalue()
    label = disc.pvd.volume_identifier.decode().strip()
    disc.close()
    return label, found


def test_a_config_drive_holds_what_was_sent(tmp_path: Path) -> None:
    contents = {
        "openstack/latest/meta_data.json": b'{"uuid": "x"}',
        "openstack/latest/user_data": bytes(range(256)) * 256,
        "openstack/2012-08-10/meta_data.json": b"{}",
        "openstack/latest/vendor_data2.json": b"",
        "ec2/latest/meta-data.json": b"{}",
    }
    encoded = {name: base64.b64encode(value).decode() for name, value in contents.items()}
    write_config_drive(tmp_path / "config.iso", encoded)
    write_config_drive(tmp_path / "config.iso", encoded)
    assert read_disc(tmp_path / "config.iso") == ("config-2", contents)
    blkid = subprocess.run(
        ["blkid", "-o", "value", "-s", "LABEL", tmp_path / "config.iso"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert blkid.stdout.strip() == "config-2"


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "", ".", "a/../b", "a\nb", "x" * 65, "é"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    assert code_of(write_config_drive, tmp_path / "c", {name: ""}) == "bad_command"


def test_contents_that_are_not_base64_or_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_of(write_config_drive, tmp_path / "c", {"a": "not base64!"}) == "bad_command"
    monkeypatch.setattr("agents.storage.config_drive.MAX_BYTES", 3)
    assert code_of(write_config_drive, tmp_path / "c", {"a": "YWFhYQ=="}) == "bad_command"
    assert not (tmp_path / "c").exists()


def test_an_image_cache_that_does_not_exist_yet_is_empty(tmp_path: Path, bench: Bench) -> None:
    empty = ImageCache(tmp_path / "none", tmp_path / "none", bench.cache._api, lambda: None)
    assert (empty.cached(), empty.strays()) == ((), ())
    assert empty.ensure_absent(str(uuid.uuid4())) == {}
