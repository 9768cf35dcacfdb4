"""How many consoles may be open: in all, and of one instance."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

MAX_CONSOLES = 2000
MAX_PER_INSTANCE = 10


class Full(Exception):
    """No seat is left; ``code`` goes to the page, which has words for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Seats:
    """Counts open consoles."""

    def __init__(self, total: int = MAX_CONSOLES, per_instance: int = MAX_PER_INSTANCE) -> None:
        self._total = total
        self._per_instance = per_instance
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return self._taken.total()

    @contextmanager
    def one(self, instance_id: str) -> Iterator[None]:
        """Hold a seat; raises Full."""
        with self._lock:
            if self._taken.total() >= self._total:
                raise Full("too_many")
            if self._taken[instance_id] >= self._per_instance:
                raise Full("too_many_here")
            self._taken[instance_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[instance_id] -= 1
                if not self._taken[instance_id]:
                    del self._taken[instance_id]
