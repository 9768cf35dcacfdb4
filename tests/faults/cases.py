"""The cases of the fault matrix, made from the registry of operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import operations
from tests.support.operations import Factory, check, drive, replaced
from tests.support.small_cloud import SmallCloud
from tests.support.step_faults import twice
from webcloud.conductor.operation import Operation, Step

REGISTERED = operations.registered()
STEP_COUNT = sum(len(operation.steps) for operation, _ in REGISTERED)
KINDS = [pytest.param(*each, id=each[0].kind) for each in REGISTERED]


def steps_where(wanted: Callable[[type[Operation], Step], bool]) -> list[object]:
    """Operation, factory and step's name of each step that is wanted."""
    return [
        pytest.param(operation, factory, step.name, id=f"{operation.kind}-{step.name}")
        for operation, factory in REGISTERED
        for step in operation.steps
        if wanted(operation, step)
    ]


STEPS = steps_where(lambda _operation, _step: True)
FORWARD_ONLY = steps_where(lambda operation, _step: operation.forward_only)
TURNED = steps_where(lambda operation, _step: not operation.forward_only)
UNDONE = steps_where(lambda _operation, step: step.undo is not None)

every_operation = pytest.mark.parametrize(("operation", "factory"), KINDS)
every_step = pytest.mark.parametrize(("operation", "factory", "step"), STEPS)
every_turning_step = pytest.mark.parametrize(("operation", "factory", "step"), TURNED)
every_forward_step = pytest.mark.parametrize(("operation", "factory", "step"), FORWARD_ONLY)
every_undo = pytest.mark.parametrize(("operation", "factory", "step"), UNDONE)
EFFECTS = pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])


def repeat_every_step(operation: type[Operation], factory: Factory, cloud: SmallCloud) -> None:
    """Each step is carried out twice, and the operation ends as if it had been once."""
    given = factory(cloud)
    with replaced(operation, do=lambda step: twice):
        row = drive(cloud.database, given)
    check(cloud, row, given, status="done")
