# SPDX-License-Identifier: Apache-2.0
"""``airflow-batch-events rewind``: deliver again what was deleted from a queue since a given time."""

from __future__ import annotations

import argparse
from typing import Any

from airflow_batch_events.cli.common import Output, run_reporting
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.provisioning.rewind import Rewind, apply_rewind, plan_rewind_of


def run(args: argparse.Namespace) -> int:
    """Rewind the queue; return 0 when it delivers again, or in a dry run when it could."""

    def work(access: CloudAccess, output: Output) -> tuple[bool, dict[str, Any]]:
        with SdkClient(access) as client:
            plan = plan_rewind_of(client.send, args.queue, args.to)
            if not args.dry_run:
                apply_rewind(client.send, plan)
            _tell(output, plan, args.dry_run)
            return True, {**plan.to_dict(), "dry_run": args.dry_run}

    return run_reporting(args, work)


def _tell(output: Output, plan: Rewind, is_dry: bool) -> None:
    if plan.start == plan.oldest:
        output.line(f"The queue holds a message of {plan.oldest}; no rewind can begin after it.", style="dim")
    verb = "would deliver" if is_dry else "delivers"
    many = "what" if plan.kept is None else f"at most {plan.kept:,} messages that"
    output.line(
        f"Queue {plan.queue_name} {verb} again {many} arrived since {plan.start} and were deleted.",
        style="" if is_dry else "green",
    )
    output.line(
        "Running watchers recognize the events that they have fired; other readers see them again.", style="dim"
    )
