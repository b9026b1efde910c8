# SPDX-License-Identifier: Apache-2.0
"""
``airflow batch-events``: the subcommands inside Airflow's own command line.

Airflow calls this for every ``airflow`` command, so a subcommand is imported when it runs, and not before. Airflow 3.1
reads no commands of providers; there is only the script.

Source: ``cli/cli_parser.py``, line 67, and ``providers_manager.py``, line 1223. Since: 3.2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from airflow_batch_events.cli.commands import COMMANDS, DESCRIPTION

GROUP = "batch-events"


def get_batch_events_commands() -> list[CLICommand]:
    """Return the commands that Airflow adds to its own."""
    return [
        GroupCommand(
            name=GROUP,
            help="Tencent Cloud Batch events: check, create, rewind and watch what brings them",
            description=DESCRIPTION,
            subcommands=tuple(
                ActionCommand(
                    name=name,
                    help=command.description.removesuffix("."),
                    description=command.description,
                    func=_runner(name),
                    args=tuple(Arg(flags=flags, **settings) for flags, settings in command.arguments),
                )
                for name, command in COMMANDS.items()
                if command.arguments is not None
            ),
        )
    ]


def _runner(name: str) -> Callable[[argparse.Namespace], NoReturn]:
    def run(args: argparse.Namespace) -> NoReturn:
        from airflow_batch_events.cli.main import run_to_end

        raise SystemExit(run_to_end(lambda: COMMANDS[name].run(args)))

    return run
