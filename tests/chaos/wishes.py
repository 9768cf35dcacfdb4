"""What users wish for, and the record of one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACTIONS: dict[str, dict[str, Any]] = {
    "start": {"os-start": None},
    "stop": {"os-stop": None},
    "reboot": {"reboot": {"type": "SOFT"}},
    "hard_reboot": {"reboot": {"type": "HARD"}},
}
# status of an instance at rest -> what users do with it, and how often
WISHES = {
    "ACTIVE": {"stop": 4, "reboot": 2, "hard_reboot": 2, "delete": 3},
    "SHUTOFF": {"start": 6, "delete": 2},
    "ERROR": {"start": 3, "delete": 2},
    "UNKNOWN": {"delete": 1},
    "BUILD": {"delete": 1},
}


@dataclass
class Sent:
    """One request. ``status`` 0 means that it never got a clear answer."""

    verb: str
    key: str
    at: float
    instance_id: str = ""
    status: int = 0
    request_id: str = ""
    tries: int = 0
    ended: float = 0.0
    unclear: list[int] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300
