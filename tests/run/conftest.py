"""Every test here runs the real command."""

from tests.support.running_cloud import cloud

__all__ = ["cloud"]
