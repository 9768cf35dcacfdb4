"""Run the rules for long: ``python -m tests.stateful --seconds 600 --seed 1``.

Each seed is one run of ``--examples`` clouds; seeds are counted up until the
time is over.  The first failure is printed with its steps and its seed.
"""

from __future__ import annotations

import argparse
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.machine import CloudMachine
from tests.support import databases, schemas
from tests.support.session_libvirtd import Hypervisors


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stateful", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=20, help="clouds per seed")
    parser.add_argument("--steps", type=int, default=50, help="rules per cloud")
    parser.add_argument("--database", choices=databases.KINDS, default="sqlite")
    asked = parser.parse_args()
    schemas.choose(asked.database, "")
    CloudMachine.hypervisors = Hypervisors()
    began = time.monotonic()
    number = asked.seed
    try:
        while number == asked.seed or time.monotonic() - began < asked.seconds:
            print(f"seed {number}", flush=True)
            run_state_machine_as_test(
                seed(number)(CloudMachine),
                settings=settings(
                    max_examples=asked.examples,
                    stateful_step_count=asked.steps,
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    # A failure says its steps at once; making them fewer takes hours.
                    phases=(Phase.generate,),
                ),
            )
            number += 1
            print(f"{CloudMachine.steps} steps in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        print(f"{CloudMachine.steps} steps, seeds {asked.seed} to {number}", flush=True)
        CloudMachine.hypervisors.end()
        schemas.chosen.end()
        databases.running.end()


if __name__ == "__main__":
    main()
