"""Amounts of memory in the words that people use: 512 MB, 8 GB, 6.5 GB."""

from __future__ import annotations


def memory(mebibytes: int) -> str:
    """Rounded down to a tenth, so that what is free is never said to be more than it is."""
    if mebibytes < 1024:
        return f"{mebibytes} MB"
    tenths = mebibytes * 10 // 1024
    whole, rest = divmod(tenths, 10)
    return f"{whole}.{rest} GB" if rest else f"{whole} GB"
