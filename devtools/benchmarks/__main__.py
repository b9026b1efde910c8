# SPDX-License-Identifier: Apache-2.0
"""Measure, print one table, write JSON: ``python -m devtools.benchmarks [--quick] [PART ...]``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devtools.benchmarks.figures import Figure

TESTS = Path(__file__).parents[2] / "tests"
PARTS = ("parse", "http", "dispatch", "many", "latency", "live", "emulator", "start", "tasks", "airflow")
QUICK = ("parse", "http", "dispatch", "many", "latency", "live", "emulator")
OUTPUT = Path(".test-output/bench.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, and no real Airflow unless it is named")
    parser.add_argument("--json", type=Path, default=OUTPUT, metavar="PATH", help="%(default)s by default")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="also write the table for a document")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    # Jobs and addresses are made by what the tests make them with.
    sys.path.insert(0, str(TESTS))
    from devtools.benchmarks import figures

    found: list[figures.Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-airflow-") as home:
        os.environ["AIRFLOW_HOME"] = home
        for part in args.parts or (QUICK if args.quick else PARTS):
            began = time.monotonic()
            for figure in _measure(part)(quick=args.quick):
                found.append(figure)
                print(f"{part}: {figure.name}: {figure.value:.4g} {figure.unit}", file=sys.stderr, flush=True)
            print(f"{part} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    figures.show(found)
    figures.save(found, args.json)
    if args.markdown:
        args.markdown.write_text(figures.markdown(found))
    print(f"as JSON: {args.json}")
    return 0


def _measure(part: str) -> Callable[..., Iterator[Figure]]:
    modules = {
        "http": "http_stacks",
        "emulator": "emulator_load",
        "airflow": "real_airflow",
        "many": "many_jobs",
        "live": "live_output",
        "start": "triggerer_start",
        "tasks": "many_tasks",
    }
    module = importlib.import_module(f"devtools.benchmarks.{modules.get(part, part)}")
    return module.measure  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main())
