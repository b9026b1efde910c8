# SPDX-License-Identifier: Apache-2.0
"""
Start a DAG run whenever Batch jobs end, no matter who submitted them.

One asset for every job that ends, one for the failures of a family of jobs. A watcher needs every event, so each has a
queue that nothing else reads: further subscriptions on the topic that the jobs notify::

    airflow-batch-events provision --topic batch-events --queue airflow-batch-watch
    airflow-batch-events provision --topic batch-events --queue airflow-batch-watch-nightly

Airflow may gather several events into one run, so a run reads all that have triggered it. With
``--rewind-seconds 86400`` the queues can be rewound after an outage, see ``airflow-batch-events rewind``.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_batch_events.triggers.event import BatchEventTrigger

WATCH_QUEUE = "airflow-batch-watch"
NIGHTLY_QUEUE = "airflow-batch-watch-nightly"

# [START howto_asset_watcher]
jobs_ended = Asset(
    name="batch_jobs_ended",
    uri="tencent-batch://ap-guangzhou/jobs/all",
    watchers=[
        AssetWatcher(
            name="batch_jobs_ended",
            trigger=BatchEventTrigger(WATCH_QUEUE, events=["JOB_SUCCEED", "JOB_FAILED", "JOB_FAILED_INTERRUPTED"]),
        )
    ],
)
# [END howto_asset_watcher]

# [START howto_asset_watcher_family]
nightly_failed = Asset(
    name="batch_nightly_failed",
    uri="tencent-batch://ap-guangzhou/jobs/nightly",
    watchers=[
        AssetWatcher(
            name="batch_nightly_failed",
            trigger=BatchEventTrigger(
                NIGHTLY_QUEUE, events=["JOB_FAILED", "JOB_FAILED_INTERRUPTED"], job_name="nightly-*"
            ),
        )
    ],
)
# [END howto_asset_watcher_family]


# [START howto_asset_watcher_payloads]
def payloads(triggering_asset_events: Any) -> list[dict[str, Any]]:
    """Return the events that have triggered a run."""
    return [event.extra["payload"] for events in triggering_asset_events.values() for event in events]


# [END howto_asset_watcher_payloads]

with DAG(
    dag_id="batch_on_job_end",
    schedule=[jobs_ended],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["tencent cloud", "batch", "example"],
):

    @task
    def note(triggering_asset_events: Any = None) -> list[str]:
        """Say which jobs have ended."""
        return [f"{event['job_id']} {event['event_name']}" for event in payloads(triggering_asset_events)]

    note()

with DAG(
    dag_id="batch_on_nightly_failure",
    schedule=[nightly_failed],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["tencent cloud", "batch", "example"],
):

    @task
    def call_somebody(triggering_asset_events: Any = None) -> list[str]:
        """Name the jobs for the person on call."""
        return [event["batch"].get("JobName", event["job_id"]) for event in payloads(triggering_asset_events)]

    call_somebody()
