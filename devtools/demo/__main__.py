# SPDX-License-Identifier: Apache-2.0
"""
``python -m devtools.demo``, which ``make demo`` runs.

However it ends (Ctrl-C, a closed terminal, ``kill``), it first stops what it has started.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from airflow_batch_events.exceptions import BatchEventsError
from devtools.demo.run_demo import run_demo
from devtools.demo.terminal import Terminal

# The examples are not part of the installed package: people copy them from the repository.
_DAGS = Path(__file__).parents[2] / "dags"
_INTERRUPTED = 130
_FILE_WIDTH = 140


def main() -> int:
    """Run the demo as the command line says, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="See it work: a local cloud, a real Airflow, six DAG runs."
    )
    parser.add_argument("--keep", action="store_true", help="keep Airflow and the cloud up until Ctrl-C")
    parser.add_argument("--jobs", type=_job_count, default=20, metavar="N", help="jobs of the fan-out (default: 20)")
    parser.add_argument("--dags", type=Path, default=_DAGS, metavar="DIR", help="the folder with the example DAGs")
    parser.add_argument("--plain", action="store_true", help="plain lines, as when the output is no terminal")
    return _run(parser.parse_args())


def _run(args: argparse.Namespace) -> int:
    """Run the demo; 0 when every run ended as expected."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    if not (args.dags / "batch_branch_on_result.py").is_file():
        console.print(
            f"The example DAGs are not in {args.dags}: run this from a checkout of the repository, "
            "or name their folder with --dags.",
            style="red",
        )
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with Terminal(console, plain=True if args.plain else None) as terminal:
            as_expected = run_demo(terminal, dags=args.dags, jobs=args.jobs, keep=args.keep)
    except KeyboardInterrupt:
        console.print("Interrupted. Everything has been stopped.")
        return _INTERRUPTED
    except (RuntimeError, OSError, BatchEventsError) as error:
        console.print(Text(f"The demo failed: {error}", style="red"), soft_wrap=True)
        return 1
    return 0 if as_expected else 1


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _job_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 500:
        raise argparse.ArgumentTypeError("1 to 500")
    return count


if __name__ == "__main__":
    sys.exit(main())
