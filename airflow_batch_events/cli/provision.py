# SPDX-License-Identifier: Apache-2.0
"""``airflow-batch-events provision``: create the topic, the queue and the subscription that events need."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from airflow_batch_events.cli.common import Output, run_reporting
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.provisioning import provision
from airflow_batch_events.provisioning.provision import QUEUE_DEFAULTS, DesiredState


def run(args: argparse.Namespace) -> int:
    """Create what is missing; return 0 when everything exists in the end."""
    wanted = DesiredState(
        topic_name=args.topic,
        queue_name=args.queue,
        subscription_name=args.subscription,
        settings=replace(
            QUEUE_DEFAULTS, visibility_timeout=args.visibility_timeout, msg_retention_seconds=args.retention
        ).with_rewind(args.rewind_seconds),
        dead_letters=not args.no_dead_letters,
    )

    def work(access: CloudAccess, output: Output) -> tuple[bool, dict[str, Any]]:
        with SdkClient(access) as client:
            plan = provision.plan(client.send, wanted)
            for item in plan.present:
                output.line(f"exists: {item}", style="dim")
            for problem in plan.problems:
                output.line(f"wrong: {problem}", style="red")
            result = {"present": list(plan.present), "problems": list(plan.problems), "dry_run": args.dry_run}
            if plan.problems or args.dry_run:
                for step in plan.steps:
                    output.line(f"would {step.title}")
                return not plan.problems, {**result, "steps": [step.title for step in plan.steps]}
            provision.apply(client.send, plan, output.line)
            output.line(f"Jobs that notify topic {args.topic} can be waited for on queue {args.queue}.", style="green")
            return True, {**result, "steps": [step.title for step in plan.steps]}

    return run_reporting(args, work)
