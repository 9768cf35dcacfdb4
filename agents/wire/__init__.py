"""The contract between controller and agents: versioned dataclasses.

This package uses the standard library alone and is the only part of
``agents`` that ``webcloud`` may import.  ``codec`` turns dataclasses into
JSON and back and refuses unknown fields; ``since`` marks what older versions
do not know; ``commands`` are what a controller asks of a host; ``reports``
are what a host tells; ``consoles`` is the small local protocol by which the
proxy gets a guest's console opened.

The controller is updated first: it speaks this version and the one before.
Before WIRE_VERSION is raised, ``python -m tests.wire.record`` keeps the
present one in ``tests/wire/recorded``, where the tests hold us to it.
"""

WIRE_VERSION = 2
OLDEST_VERSION = WIRE_VERSION - 1
