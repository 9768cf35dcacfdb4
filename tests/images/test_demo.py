"""The demo image: built twice alike, and truly booted under QEMU's emulation."""

from __future__ import annotations

import hashlib
import io
import json
import selectors
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pycdlib
import pytest

from webcloud.errors import Unavailable
from webcloud.images import demo
from webcloud.images.demo_kernel import find_kernel, load_modules
from webcloud.images.inspection import inspect

METADATA = {
    "uuid": "11111111-2222-4333-8444-555555555555",
    "hostname": "first.example",
    "public_keys": {"mine": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB me@here\n"},
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoImage:
    return demo.build(tmp_path_factory.mktemp("demo") / "demo.img")


def test_the_same_host_builds_the_same_small_disk(image: demo.DemoImage, tmp_path: Path) -> None:
    said: list[str] = []
    time.sleep(2.1)  # FAT keeps times in steps of two seconds; none may get into the file.
    again = demo.build(tmp_path / "again.img", said.append)
    assert again.sha256 == image.sha256
    assert again.sha256 == hashlib.sha256(again.path.read_bytes()).hexdigest()
    assert again.size == again.path.stat().st_size <= 40_000_000
    assert len(said) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["again.img"]


def test_the_disk_passes_our_own_inspection(image: demo.DemoImage) -> None:
    assert inspect(image.path, "raw").virtual_size == image.size
    sector = image.path.read_bytes()[:512]
    boot, kind, start, length = struct.unpack("<B3xB3xII", sector[446:462])
    assert (boot, kind, (start + length) * 512) == (0x80, 0x0E, image.size)


def test_a_failed_build_leaves_the_old_image_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "demo.img"
    target.write_bytes(b"old")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="syslinux mtools"):
        demo.build(target)
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.img"]


def test_sec_S17_a_link_in_the_place_of_the_unfinished_file_is_not_followed(
    tmp_path: Path,
) -> None:
    canary = tmp_path / "canary"
    canary.write_bytes(b"untouched")
    (tmp_path / "demo.img.part").symlink_to(canary)
    built = demo.build(tmp_path / "demo.img")
    assert canary.read_bytes() == b"untouched"
    assert stat.S_IMODE(built.path.lstat().st_mode) == 0o640


def test_the_cloud_kernel_wins_and_a_kernel_without_modules_never_does(tmp_path: Path) -> None:
    boot, modules = tmp_path / "boot", tmp_path / "modules"
    boot.mkdir()
    with pytest.raises(Unavailable, match="linux-image-cloud-amd64"):
        find_kernel(boot, modules)
    for release in ("6.1.0-9-cloud-amd64", "6.1.0-10-cloud-amd64", "7.0.0-1-amd64", "9-cloud"):
        (boot / f"vmlinuz-{release}").touch()
        if release != "9-cloud":
            (modules / release).mkdir(parents=True)
            (modules / release / "modules.dep").touch()
    assert find_kernel(boot, modules).release == "6.1.0-10-cloud-amd64"


def test_modules_come_after_all_that_they_need() -> None:
    names = [module.file_name for module in load_modules(find_kernel())]
    assert len(names) == len(set(names))
    assert names.index("virtio_ring.ko") < names.index("virtio.ko") < names.index("virtio_pci.ko")
    assert names.index("failover.ko") < names.index("virtio_net.ko")
    assert names.index("cdrom.ko") < names.index("sr_mod.ko")


class Guest:
    """One QEMU with its serial port and monitor on sockets."""

    def __init__(self, disk: Path, drive: Path, folder: Path) -> None:
        argv = f"""qemu-system-x86_64 -M q35 -accel tcg -m 128 -display none -vga virtio
            -netdev user,id=n,restrict=on -device virtio-net-pci,netdev=n,romfile=
            -drive file={disk},format=raw,if=none,id=d,snapshot=on
            -device virtio-blk-pci,drive=d,bootindex=1
            -drive file={drive},format=raw,if=none,id=c,readonly=on -device virtio-blk-pci,drive=c
            -serial unix:{folder}/serial,server=on,wait=off
            -monitor unix:{folder}/monitor,server=on,wait=off""".split()
        self.process = subprocess.Popen(argv)
        self.serial = self._connect(folder / "serial")
        self.monitor = self._connect(folder / "monitor")
        self.screen = folder / "screen.ppm"
        self.output = ""

    def _connect(self, path: Path) -> socket.socket:
        end = time.monotonic() + 10
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
                return connection
            except OSError:
                connection.close()
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def read_until(self, text: str, seconds: float = 30) -> str:
        end = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.serial, selectors.EVENT_READ)
            while text not in self.output and time.monotonic() < end:
                if selector.select(0.2):
                    self.output += self.serial.recv(4096).decode(errors="replace")
        assert text in self.output, self.output
        return self.output

    def order(self, line: str) -> None:
        self.monitor.sendall(line.encode() + b"\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.serial.close()
        self.monitor.close()


@pytest.fixture
def guest(image: demo.DemoImage, tmp_path: Path) -> Iterator[Guest]:
    drive = tmp_path / "config.iso"
    _write_config_drive(drive)
    running = Guest(image.path, drive, tmp_path)
    yield running
    running.close()


def test_the_image_boots_tells_its_metadata_obeys_keyboard_and_power_button(guest: Guest) -> None:
    text = guest.read_until(f"{demo.READY} first 10.0.2.")
    assert "metadata: instance id 11111111-2222-4333-8444-555555555555" in text
    assert "metadata: ssh key ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB" in text
    assert "bytes (not run)" in text
    guest.read_until("root@first:~# ")
    # What is typed on the VGA console's keyboard is seen from the serial one.
    for key in (*"echo", "spc", *"hi", "shift-dot", "slash", *"tmp", "slash", "x", "ret"):
        guest.order(f"sendkey {key} 20")
        time.sleep(0.08)
    guest.serial.sendall(b"for i in 1 2 3 4 5; do usleep 300000; cat /tmp/x; done; echo E''ND\n")
    assert "\nhi\r" in guest.read_until("END\r")
    guest.serial.sendall(b"ls /tmp/never; echo MA''RK\n")
    assert "No such file" in guest.read_until("MARK\r")
    guest.order("system_powerdown")
    assert guest.process.wait(timeout=10) == 0


def test_poweroff_in_the_shell_ends_the_guest(guest: Guest) -> None:
    guest.read_until("root@first:~# ")
    guest.serial.sendall(b"poweroff\n")
    assert guest.process.wait(timeout=3) == 0


def _write_config_drive(path: Path) -> None:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", vol_ident="config-2")
    iso.add_directory("/OPENSTACK", rr_name="openstack")
    iso.add_directory("/OPENSTACK/LATEST", rr_name="latest")
    for name, short, data in (
        ("meta_data.json", "META.JSO", json.dumps(METADATA).encode()),
        ("user_data", "USER.DAT", b"#!/bin/sh\ntouch /tmp/never\n"),
    ):
        iso.add_fp(io.BytesIO(data), len(data), f"/OPENSTACK/LATEST/{short};1", rr_name=name)
    iso.write(str(path))
    iso.close()
