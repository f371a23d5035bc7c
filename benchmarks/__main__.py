"""All figures in one run: ``python -m benchmarks [--quick] [--json FILE]``.

Ratios hold from machine to machine, absolute figures do not: each stands beside what the least
possible script needs for the same work in the same run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import deliveries, recordings, snapshots
from benchmarks.measuring import Sample, median
from tests.databases import fresh_database, postgres_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    Found = dict[str, list[Sample]]

_MB = 1024 * 1024


def main() -> None:
    arguments = _arguments()
    items, rows, rounds = (2_000, 100_000, 1) if arguments.quick else (5_000, 1_000_000, 2)
    rows, items = arguments.rows or rows, arguments.items or items
    with postgres_server() as server:
        tables: dict[str, Found] = {
            f"Delivering {items} levels": deliveries.measure(
                items=items, rounds=rounds, postgres=fresh_database(server)
            ),
            f"The ledger's share of it, {items} levels": recordings.measure(
                items=items, rounds=rounds, postgres=fresh_database(server)
            ),
        }
    tables[f"Pulling a snapshot of {rows} rows"] = snapshots.measure(rows=rows, rounds=rounds)
    for title, found in tables.items():
        _show(title, found)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(_plain(tables), indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--rows", type=int, help="rows of the snapshot")
    parser.add_argument("--items", type=int, help="levels to deliver")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE")
    return parser.parse_args()


_LEAST = {"plain aiohttp", "csv + dict", "claim + record, SQLite"}
"""In each table, what the others are compared with."""


def _show(title: str, found: Found) -> None:
    middle = {name: median(samples) for name, samples in found.items()}
    least = next(sample for name, sample in middle.items() if name in _LEAST)
    print(f"\n{title}")
    print(
        f"{'':28}{'items':>9}{'wall s':>8}{'items/s':>9}{'us CPU':>8}{'x least':>9}{'peak MB':>9}"
    )
    for name, sample in middle.items():
        print(
            f"{name:28}{sample.items:9}{sample.wall:8.2f}{sample.rate:9.0f}"
            f"{sample.micros:8.1f}{sample.micros / least.micros:9.2f}{sample.peak / _MB:9.0f}"
        )


def _plain(tables: dict[str, Found]) -> dict[str, dict[str, Sequence[dict[str, float]]]]:
    return {
        title: {name: [asdict(sample) for sample in samples] for name, samples in found.items()}
        for title, found in tables.items()
    }


if __name__ == "__main__":
    main()
