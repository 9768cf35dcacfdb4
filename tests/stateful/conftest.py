"""The hypervisors that the cloud under test runs on."""

from __future__ import annotations

from tests.support.session_libvirtd import hypervisors

__all__ = ["hypervisors"]
