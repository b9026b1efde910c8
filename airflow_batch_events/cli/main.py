# SPDX-License-Identifier: Apache-2.0
"""
The command ``airflow-batch-events``.

A subcommand is a module with ``add_arguments(parser)`` and ``run(args) -> int``. Only the chosen one is imported,
because ``--help`` must not wait for Airflow, and one broken subcommand must not break the others.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from airflow_batch_events import __version__
from airflow_batch_events.text import printable

# One line adds a subcommand: its name, its module, what it does.
COMMANDS = {
    "doctor": ("airflow_batch_events.cli.doctor", "check the connection, topic and queue, and send a test event"),
    "emulate": ("airflow_batch_events.cli.emulate", "run an emulator of Tencent Cloud on this machine"),
    "provision": (
        "airflow_batch_events.cli.provision",
        "create the topic, the queue and the subscription that events need",
    ),
    "rewind": ("airflow_batch_events.cli.rewind", "deliver again what was deleted from a queue since a given time"),
    "tail": ("airflow_batch_events.cli.tail", "show events as they arrive; every other reader still gets them"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # It quotes what was given, and a script may have been given it by others.
        super().error(printable(message, 1000))


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the subcommand that the arguments name and return its exit status.

    :param arguments: The command line without the program's name; that of this process when it is None.
    """
    if arguments is not None:
        return _run(arguments)
    _open_missing_streams()
    try:
        return _run(sys.argv[1:])
    except KeyboardInterrupt:
        # The status that shells use. Once its imports are done, a subcommand says more.
        return 128 + signal.SIGINT
    finally:
        _close_stdout()


def _run(given: Sequence[str]) -> int:
    chosen = given[0] if given and given[0] in COMMANDS else None
    parser = _Parser(
        prog="airflow-batch-events",
        description="Run Tencent Cloud Batch jobs from Apache Airflow and wait for them by event.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == chosen:
            module = import_module(module_name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(_with_values_joined(given))
    return int(args.run(args))


def _open_missing_streams() -> None:
    """Open what the caller has closed (``2>&-``): else the next file or socket gets its number, and all output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _close_stdout() -> None:
    """Send what libraries print while this process ends to standard error: it is not part of the result."""
    with suppress(OSError):
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _with_values_joined(arguments: Sequence[str]) -> list[str]:
    """Join ``--to -2h`` into one argument, because argparse would take the value for another option."""
    joined: list[str] = []
    for argument in arguments:
        if re.match(r"-\d", argument) and joined and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


if __name__ == "__main__":
    sys.exit(main())
