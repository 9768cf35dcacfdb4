"""A slice of the tests on PostgreSQL and MariaDB, so that no change waits for the whole run.

``make test-postgresql`` and ``make test-mariadb`` run all of them there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
POISONED = (
    "tests/regressions/test_poisoned_rows.py"
    "::test_every_page_and_list_is_shown_beside_a_damaged_row"
)
# What asks the database most: scoped queries, claims, orders, unique names, big numbers.
SLICE = (
    "tests/activity",
    "tests/admin/test_verify_records.py",
    "tests/hosts/test_agent_api.py",
    "tests/hosts/test_lies.py",
    "tests/instances/test_search.py",
    "tests/networks/test_addresses.py",
    f"{POISONED}[host.versions]",
    f"{POISONED}[operation.params]",
    "tests/test_db.py",
)


@pytest.mark.sqlite("the whole run is on that database already")
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_slice_of_the_tests_passes_there(kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--database", kind, *SLICE],
        cwd=CHECKOUT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
