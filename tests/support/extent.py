"""How much the tests tried that are made from lists: a line each at the end of a run.

What a test counts comes with its report, because the process that ran it may
be another one than that which prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter

FAULTS = re.compile(r"tests/faults/test\w*_f\d")
STEPS = "steps of the stateful test"


def write(reporter: TerminalReporter) -> None:
    """Say how large the fault matrix was, and how many steps the stateful test made."""
    reports = [
        report
        for found in reporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport)
    ]
    for line in [*_fault_matrix(reports), *_stateful(reports)]:
        reporter.write_line(line)


def _fault_matrix(reports: list[pytest.TestReport]) -> Iterator[str]:
    cases = [report for report in reports if FAULTS.match(report.nodeid)]
    passed = [report for report in cases if report.when == "call" and report.passed]
    if not passed:
        return
    from tests.faults.cases import STEP_COUNT

    kinds = {kind for report in passed for kind in re.findall(r"_f(\d)", report.nodeid)}
    seconds = sum(report.duration for report in cases)
    yield (
        f"fault matrix: {len(kinds)} kinds x {STEP_COUNT} steps = {len(passed)} cases "
        f"in {seconds:.0f} s"
    )


def _stateful(reports: list[pytest.TestReport]) -> Iterator[str]:
    counted = {
        report.nodeid: int(str(value))
        for report in reports
        for name, value in report.user_properties
        if name == STEPS
    }
    if counted:
        yield f"stateful test: {sum(counted.values())} steps"
