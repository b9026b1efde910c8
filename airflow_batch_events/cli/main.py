# SPDX-License-Identifier: Apache-2.0
"""
The command ``airflow-batch-events``.

Of the subcommands in ``cli/commands.py`` only the chosen one is imported, because ``--help`` must not wait for Airflow,
and one broken subcommand must not break the others.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from airflow_batch_events import __version__
from airflow_batch_events.cli.commands import COMMANDS, DESCRIPTION
from airflow_batch_events.text import printable


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
    return run_to_end(lambda: _run(sys.argv[1:]))


def run_to_end(work: Callable[[], int]) -> int:
    """Do what this process was started for, and return its exit status."""
    try:
        return work()
    except KeyboardInterrupt:
        # The status that shells use. Once its imports are done, a subcommand says more.
        return 128 + signal.SIGINT
    finally:
        _close_stdout()


def _run(given: Sequence[str]) -> int:
    chosen = given[0] if given and given[0] in COMMANDS else None
    parser = _Parser(prog="airflow-batch-events", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.summary, description=command.description)
        if name != chosen:
            continue
        if command.arguments is None:
            import_module(command.module).add_arguments(subparser)
        for flags, settings in command.arguments or ():
            subparser.add_argument(*flags, **settings)
    args = parser.parse_args(_with_values_joined(given))
    return int(COMMANDS[args.command].run(args))


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
