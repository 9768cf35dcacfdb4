"""Attacks that once worked. Each stays here for good."""
