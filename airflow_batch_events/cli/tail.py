# SPDX-License-Identifier: Apache-2.0
"""``airflow-batch-events tail``: show events from a temporary queue, so that no other reader misses one."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any

from airflow_batch_events.cli.common import Output, run_reporting
from airflow_batch_events.cli.temporary_queue import temporary_queue
from airflow_batch_events.events.message import BatchEvent, parse_message
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.text import printable


def run(args: argparse.Namespace) -> int:
    """Show events until Ctrl-C, or until ``--count`` or ``--seconds`` is reached."""

    def work(access: CloudAccess, output: Output) -> tuple[bool, dict[str, Any]]:
        shown = 0

        def show(event: BatchEvent) -> None:
            nonlocal shown
            shown += 1
            if args.json:
                output.record(event.to_dict())
            else:
                output.line(*_parts(event))

        with SdkClient(access) as client, temporary_queue(client, args.topic, "tail") as queue_name:
            output.line(f"Listening to topic {args.topic}; press Ctrl-C to stop.", style="dim")
            try:
                asyncio.run(_read(access, queue_name, show, args, lambda: shown))
            except KeyboardInterrupt:
                output.line("Stopped.", style="dim")
        return True, {"events": shown}

    return run_reporting(args, work)


async def _read(
    access: CloudAccess,
    queue_name: str,
    show: Callable[[BatchEvent], None],
    args: argparse.Namespace,
    shown: Callable[[], int],
) -> None:
    ends = None if args.seconds is None else time.monotonic() + args.seconds
    async with CmqClient(access) as client:
        while (ends is None or time.monotonic() < ends) and (args.count is None or shown() < args.count):
            messages = await client.receive(queue_name, wait_seconds=1)
            for message in messages:
                for event in parse_message(message.body).events:
                    show(event)
            await client.delete(queue_name, [message.receipt_handle for message in messages])


def _parts(event: BatchEvent) -> list[str | tuple[str, str]]:
    time_text = event.time.format("HH:mm:ss") if event.time else "--:--:--"
    color = "green" if event.name.endswith("SUCCEED") else "red" if "FAILED" in event.name else "cyan"
    names = (event.job_id, event.job_name, event.task_name, event.env_id, event.compute_node_id)
    where = " ".join(name for name in names if name)
    index = "" if event.task_instance_index is None else f"[{event.task_instance_index}]"
    variables = " ".join(f"{key}={value}" for key, value in event.vars.items())
    return [f"{time_text} ", (f"{printable(event.name):32}", color), f" {where}{index} ", (variables, "dim")]
