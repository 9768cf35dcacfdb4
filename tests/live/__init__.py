"""Tests of hints to browsers."""
