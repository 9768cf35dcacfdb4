"""The version of this webcloud."""

__version__ = "0.1.0"
