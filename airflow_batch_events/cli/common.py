# SPDX-License-Identifier: Apache-2.0
"""
What the subcommands share: whose cloud, and how the result is printed.

Standard output belongs to the result: text for people or, with ``--json``, JSON for scripts. What Airflow, a plugin or
a library prints, log lines included, goes to standard error. The exit status is 0 for "as it should be", 1 for
"something is wrong and was said", 2 for a command line that makes no sense, 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import UnsupportedOperation
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from airflow_batch_events.exceptions import BatchEventsError, ConfigurationError
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.text import MAX_TEXT, printable, printable_lines

ENDED_BY_USER = 130
"""The exit status after Ctrl-C, as shells have it."""

_STDOUT, _STDERR = 1, 2
_MAX_DEPTH = 100
_MAX_INTEGER = 2**63


class Output:
    """
    Where a subcommand's result goes.

    :param stream: Standard output.
    :param as_json: Whether it belongs to JSON; then the lines for people go to standard error.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stream = stream
        self._console = Console(file=sys.stderr if as_json else stream, highlight=False, soft_wrap=True)

    def line(self, *parts: str | tuple[str, str], style: str = "") -> None:
        """
        Print a line for people; whatever the parts hold, it stays one line and shows only text.

        :param parts: Text, or text with a style of its own.
        :param style: The style of the line.
        """
        pairs = ((part, "") if isinstance(part, str) else part for part in parts)
        # A Text object, because a str would be read as markup and emoji codes.
        self._console.print(Text.assemble(*((printable(text, MAX_TEXT), kind) for text, kind in pairs), style=style))

    def record(self, value: Mapping[str, Any]) -> None:
        """Print an object for scripts, on one line of ASCII characters."""
        self._stream.write(f"{_as_json(value)}\n")
        self._stream.flush()


Work = Callable[[CloudAccess, Output], tuple[bool, dict[str, Any]]]


def find_access(conn_id: str, region: str | None) -> CloudAccess:
    """
    Read a connection from the environment, the secrets backends or Airflow's database.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    """
    # A command that only prints its help must not wait for Airflow.
    from airflow_batch_events.airflow_compat.connections import get_connection_outside_tasks
    from airflow_batch_events.airflow_compat.exceptions import AirflowNotFoundException
    from airflow_batch_events.hooks.connection import access_from_connection, missing

    try:
        connection = get_connection_outside_tasks(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    return access_from_connection(connection, region)


def run_reporting(args: argparse.Namespace, work: Work) -> int:
    """
    Do a subcommand's work and print what came of it.

    :param args: The parsed command line.
    :param work: Takes the cloud and where the result goes; returns whether all is well and the JSON object.
    """
    try:
        with own_stdout() as stream:
            output = Output(stream, as_json=args.json)
            status, result = _do(args, work, output)
            if args.json:
                output.record({"ok": status == 0, **result})
            return status
    except BrokenPipeError:
        # The reader has read enough, and nobody is left to be told.
        return 1
    except OSError as error:
        # Everything else that the work raises was told already: the result itself cannot be written.
        sys.stderr.write(f"Standard output cannot be written: {error.strerror}\n")
        return 1


def _do(args: argparse.Namespace, work: Work, output: Output) -> tuple[int, dict[str, Any]]:
    try:
        is_well, result = work(find_access(args.conn_id, args.region), output)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        output.line("Ended.", style="dim")
        return ENDED_BY_USER, {"error": "KeyboardInterrupt", "message": "ended by Ctrl-C"}
    except BatchEventsError as error:
        label = "Settings" if isinstance(error, ConfigurationError) else "The cloud"
        output.line(f"{label}: {error}", style="red")
        return 1, _described(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        # Airflow and its plugins end a process that they cannot be set up in; a script still gets its object.
        sys.stderr.write("\n".join(printable_lines(traceback.format_exc())) + "\n")
        output.line(f"Unexpected: {type(error).__name__}: {error}", style="red")
        return 1, _described(error)
    return (0 if is_well else 1), result


def _described(error: BaseException) -> dict[str, Any]:
    return {"error": type(error).__name__, "message": printable(error, MAX_TEXT)}


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """
    Keep standard output for the caller: what anybody else writes there meanwhile goes to standard error.

    That holds for the file descriptor, too, so for C libraries and child processes.
    """
    stream = sys.stdout
    stream.flush()
    kept = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    try:
        with redirect_stdout(sys.stderr):
            if _is_stdout(stream):
                with open(kept, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False) as own:
                    yield own
            else:
                # A program that runs this command in its own process has put something else there.
                yield stream
    finally:
        stream.flush()
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _is_stdout(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDOUT
    except UnsupportedOperation:
        return False


def _as_json(value: object) -> str:
    # JSON leaves this one control character as it is.
    return json.dumps(_portable(value), allow_nan=False).replace("\x7f", "\\u007f")


def _portable(value: object, depth: int = 0) -> object:
    """Return a value as every reader of JSON takes it: what has no number, text or depth there becomes text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_MAX_INTEGER <= value < _MAX_INTEGER else printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if depth == _MAX_DEPTH:
        return "..."
    if isinstance(value, Mapping):
        return {str(_portable(str(key))): _portable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item, depth + 1) for item in value]
    return printable(value)
