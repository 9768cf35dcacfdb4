"""A request and a host with room for it, from which tests make others."""

from __future__ import annotations

from webcloud.scheduler.request import Candidate, Request

REQUEST = Request(vcpus=2, memory_mb=2048, disk_gb=20, image_id="image-1")
ROOMY = Candidate(
    host_id="h1",
    name="n1",
    enabled=True,
    disabled_reason="",
    alive=True,
    architecture="x86_64",
    hypervisor="kvm",
    free_vcpus=16,
    free_memory_mb=8192,
    free_disk_gb=100,
    total_memory_mb=16384,
)
