# SPDX-License-Identifier: Apache-2.0
"""
What the subcommands share: whose cloud, and how the result is printed.

People get text, scripts get ``--json``, one object on standard output. The exit status is 0 for "as it should be", 1
for "something is wrong and was said", 2 for a command line that makes no sense.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from airflow_batch_events.exceptions import BatchEventsError, ConfigurationError
from airflow_batch_events.protocol.credentials import CloudAccess
from airflow_batch_events.queue_names import queue_name_here

DEFAULT_TOPIC = "batch-events"
DEFAULT_QUEUE = "airflow-batch-events"


def add_account_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whose cloud, and ``--json``."""
    parser.add_argument(
        "--conn-id",
        default="tencentcloud_default",
        metavar="ID",
        help="the Airflow connection with the key, region and endpoints (default: %(default)s)",
    )
    parser.add_argument("--region", help="instead of the connection's region, for example ap-guangzhou")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def add_name_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the topic and the queue."""
    parser.add_argument("--topic", default=DEFAULT_TOPIC, help="the topic that jobs notify (default: %(default)s)")
    parser.add_argument(
        "--queue",
        type=queue_name,
        default=DEFAULT_QUEUE,
        help="the queue that waits read; {hostname} stands for this host's name (default: %(default)s)",
    )


def queue_name(name: str) -> str:
    try:
        return queue_name_here(name)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def find_access(conn_id: str, region: str | None) -> CloudAccess:
    """
    Read a connection from the environment, the secrets backends or Airflow's database.

    :raises ConfigurationError: Naming the connection, and the field or how to create it.
    """
    # A command that only prints its help must not wait for Airflow.
    from airflow.exceptions import AirflowNotFoundException
    from airflow.models import Connection

    from airflow_batch_events.hooks.connection import access_from_connection, missing

    try:
        # Outside a task nothing else reaches the connections in the database.
        connection = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException as error:
        raise missing(conn_id) from error
    return access_from_connection(connection, region)


def run_reporting(args: argparse.Namespace, work: Callable[[CloudAccess, Console], tuple[bool, dict[str, Any]]]) -> int:
    """
    Do a subcommand's work and print what came of it.

    :param args: The parsed command line.
    :param work: Takes the cloud and where to talk to people; returns whether all is well and the JSON object.
    """
    # With --json everything for people goes to standard error, so that standard output is one object.
    console = Console(stderr=args.json, highlight=False, soft_wrap=True)
    try:
        is_well, result = work(find_access(args.conn_id, args.region), console)
    except BatchEventsError as error:
        is_well, result = False, {"error": type(error).__name__, "message": str(error)}
        label = "Settings" if isinstance(error, ConfigurationError) else "The cloud"
        console.print(f"{label}: {error}", style="red", markup=False)
    if args.json:
        json.dump({"ok": is_well, **result}, sys.stdout)
        sys.stdout.write("\n")
    return 0 if is_well else 1
