"""The machine's own libvirt for tests, started by hand where no systemd does it.

virtlogd and libvirtd are left running afterwards: another test may use them,
and stopping them would be wrong on a machine whose they are.
"""

from __future__ import annotations

import time

import libvirt

from webcloud.supervising import hypervisor

URI = "qemu:///system"


def ensure_libvirtd(seconds: float = 20) -> None:
    """Have qemu:///system answer; raises CannotStart or RuntimeError when it will not."""
    if _answers():
        return
    hypervisor.start(lambda _words: None)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _answers():
            return
        time.sleep(0.1)
    raise RuntimeError(f"{URI} does not answer: are libvirt-daemon-system and QEMU installed?")


def _answers() -> bool:
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        libvirt.open(URI).close()
    except libvirt.libvirtError:
        return False
    return True
