"""The rules: what users, operators and fate may do, and what is refused.

Each rule tells the world's model what it wished for; what became of it is
looked at after a ``drain``, of which there is one at the end of every run.
"""

from __future__ import annotations

from tests.stateful.fate import Fate
from tests.stateful.operators import Operators
from tests.stateful.refusals import Refusals
from tests.stateful.users import Users


class CloudMachine(Users, Operators, Refusals, Fate):
    """All of them at once."""
