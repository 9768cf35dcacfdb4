"""Tests of the conductor, each behaviour on every database it supports."""
