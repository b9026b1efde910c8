# SPDX-License-Identifier: Apache-2.0
"""
The subcommands and their options: one definition for ``airflow-batch-events`` and for ``airflow batch-events``.

The rule that must not be relaxed: nothing here imports Airflow, a client or a subcommand. Every ``airflow`` command
reads this list, and the script must answer ``--help`` at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.provisioning.defaults import RETENTION, VISIBILITY_TIMEOUT

DESCRIPTION = "Run Tencent Cloud Batch jobs from Apache Airflow and wait for them by event."

DEFAULT_TOPIC = "batch-events"
DEFAULT_QUEUE = "airflow-batch-events"


class Argument(NamedTuple):
    """
    An option of a subcommand.

    :param flags: How it is written.
    :param settings: What ``ArgumentParser.add_argument`` takes besides.
    """

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


class Command(NamedTuple):
    """
    A subcommand.

    :param module: Its module, which has ``run(args) -> int``.
    :param summary: What it does, for the list of commands.
    :param arguments: Its options; None where the module adds them to the parser itself, which only the script does.
    """

    module: str
    summary: str
    arguments: tuple[Argument, ...] | None

    @property
    def description(self) -> str:
        """What it does, as a sentence."""
        return f"{self.summary[0].upper()}{self.summary[1:]}."

    @property
    def run(self) -> Callable[[argparse.Namespace], int]:
        """What does it; imports the module."""
        found: Callable[[argparse.Namespace], int] = import_module(self.module).run
        return found


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, settings)


def queue_name(name: str) -> str:
    """
    Return the name of a queue on this host; see ``waiting/local_queue.py``.

    :raises ArgumentTypeError: When what comes out cannot be a queue's name.
    """
    if "{" not in name:
        return name
    from airflow_batch_events.cli.common import own_stdout
    from airflow_batch_events.waiting.local_queue import queue_name_here

    try:
        # Airflow is asked for the host's name, and may print.
        with own_stdout():
            return queue_name_here(name)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _account(json_help: str) -> tuple[Argument, ...]:
    """Return the options that say whose cloud, and ``--json``."""
    return (
        _argument(
            "--conn-id",
            default="tencentcloud_default",
            metavar="ID",
            help="the Airflow connection with the key, region and endpoints (default: %(default)s)",
        ),
        _argument("--region", help="instead of the connection's region, for example ap-guangzhou"),
        _argument("--json", action="store_true", help=json_help),
    )


_JSON = "print one JSON object on standard output, and nothing else there, for scripts"
_EACH_AS_JSON = (
    "print only JSON on standard output, for scripts: one object per line for each event as it arrives, and a last one "
    "that says how the command ended"
)

_NAMES = (
    _argument("--topic", default=DEFAULT_TOPIC, help="the topic that jobs notify (default: %(default)s)"),
    _argument(
        "--queue",
        type=queue_name,
        default=DEFAULT_QUEUE,
        help="the queue that waits read; {hostname} stands for this host's name (default: %(default)s)",
    ),
)

# One entry adds a subcommand.
COMMANDS = {
    "doctor": Command(
        "airflow_batch_events.cli.doctor",
        "check the connection, topic and queue, and send a test event",
        (
            *_NAMES,
            _argument("--no-probe", action="store_true", help="do not publish a test event"),
            *_account(_JSON),
        ),
    ),
    # Its options are the emulator's, which may not be installed. It is nothing of Airflow's.
    "emulate": Command("airflow_batch_events.cli.emulate", "run an emulator of Tencent Cloud on this machine", None),
    "provision": Command(
        "airflow_batch_events.cli.provision",
        "create the topic, the queue and the subscription that events need",
        (
            *_NAMES,
            _argument("--subscription", default="", help="the subscription's name (default: to-QUEUE)"),
            _argument(
                "--visibility-timeout",
                type=int,
                default=VISIBILITY_TIMEOUT,
                metavar="S",
                help="seconds until a message that was received but not deleted is delivered again; where several "
                "triggerers read one queue, also the delay of a message that the wrong one received (default: "
                "%(default)s)",
            ),
            _argument(
                "--retention",
                type=int,
                default=RETENTION,
                metavar="S",
                help="seconds for which the queue keeps a message that nobody deletes: the longest time for which "
                "all triggerers may be down (default and maximum: %(default)s)",
            ),
            _argument(
                "--rewind-seconds",
                type=int,
                default=0,
                metavar="S",
                help="seconds for which the queue keeps deleted messages, so that `rewind` can deliver them again; at "
                "most 1,296,000; costs storage (default: off)",
            ),
            _argument(
                "--no-dead-letters",
                action="store_true",
                help="create no dead-letter queue: messages that are not events then stay until their retention ends",
            ),
            _argument("--dry-run", action="store_true", help="show what would be created, and create nothing"),
            *_account(_JSON),
        ),
    ),
    "rewind": Command(
        "airflow_batch_events.cli.rewind",
        "deliver again what was deleted from a queue since a given time",
        (
            # No default: a rewind of the wrong queue would show every watcher its past events again.
            _argument(
                "--queue",
                required=True,
                type=queue_name,
                help="the queue; message rewind must have been on for it at that time",
            ),
            _argument(
                "--to",
                required=True,
                metavar="TIME",
                help="deliver again what arrived since then: --to=-2h, --to=-1d12h, --to=-90m, or ISO 8601 (UTC unless "
                "it has an offset)",
            ),
            _argument("--dry-run", action="store_true", help="show what would be delivered again, and do nothing"),
            *_account(_JSON),
        ),
    ),
    "tail": Command(
        "airflow_batch_events.cli.tail",
        "show events as they arrive; every other reader still gets them",
        (
            _argument("--topic", default=DEFAULT_TOPIC, help="the topic to listen to (default: %(default)s)"),
            _argument("--count", type=int, default=None, metavar="N", help="stop after N events"),
            _argument("--seconds", type=float, default=None, metavar="S", help="stop after S seconds"),
            *_account(_EACH_AS_JSON),
        ),
    ),
}
