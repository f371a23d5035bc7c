"""`make soak`: random faults on the real service; ends with 1 where a promise broke."""

from __future__ import annotations

import argparse
import random
import sys

from tests.soak.soaking import Plan, soak


def main() -> int:
    """Read the arguments, soak on each database, print the reports."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults, over all databases")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--keep", help="a new folder to work in, which stays")
    asked = parser.parse_args()
    databases = ["sqlite", "postgresql"] if asked.database == "both" else [asked.database]
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - a program
    seconds = asked.minutes * 60 / len(databases)
    plans = [
        Plan(seed=asked.seed, seconds=seconds, database=name, keep=asked.keep) for name in databases
    ]
    reports = [soak(plan, say=lambda line: print(line, flush=True)) for plan in plans]  # noqa: T201
    for report in reports:
        print(report.text)  # noqa: T201
    return 0 if all(report.good for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
