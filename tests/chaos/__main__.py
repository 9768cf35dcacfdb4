"""``make chaos``: hurt a cloud for a while, and say what came of what was accepted.

The exit code is 1 when anything was lost, left over or done twice; then the
database, the journals, the logs, the requests and the seed are kept.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields

from tests.chaos.report import as_json, lines
from tests.chaos.run import Chaos, Options, chosen


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    for each in fields(Options):
        choices = ["sqlite", "postgresql", "mariadb"] if each.name == "database" else None
        parser.add_argument(f"--{each.name}", type=type(each.default), choices=choices)
    parser.add_argument("--keep", action="store_true", help="keep the folder of a clean run, too")
    given = vars(parser.parse_args(arguments))
    keep = given.pop("keep")
    chaos = Chaos(chosen(given))
    clean = False
    print(f"everything lies in {chaos.cloud.base}", flush=True)
    try:
        outcome = chaos.run()
        print("\n".join(lines(outcome)))
        print(as_json(outcome), flush=True)
        clean = outcome.clean
    finally:
        chaos.end()
        if clean and not keep:
            chaos.cloud.remove()
        else:
            print(f"kept in {chaos.cloud.base}, seed {chaos.options.seed}", flush=True)
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
