"""A bounded run of the rules, the same each time; ``make stateful`` runs them for long."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.machine import CloudMachine
from tests.support import extent
from tests.support.session_libvirtd import Hypervisors

EXAMPLES, STEPS = 6, 40


def test_a_cloud_under_random_mishaps_is_what_its_model_says(
    hypervisors: Hypervisors, record_property: Callable[[str, object], None]
) -> None:
    CloudMachine.hypervisors = hypervisors
    run_state_machine_as_test(
        CloudMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    record_property(extent.STEPS, CloudMachine.steps)


def test_there_are_rules_enough() -> None:
    assert len(CloudMachine.setup_state().rules) >= 25
