# SPDX-License-Identifier: Apache-2.0
"""All that can read a queue, on one queue: a watcher, waits for jobs, a wait for events, waits for a message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger
from airflow.sdk import Asset, AssetWatcher, BaseSensorOperator, dag, task

from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor
from airflow_batch_events.triggers.event import BatchEventTrigger

QUEUE = "strange-messages"
CONN_ID = "strange_cloud"
PLACE = {"queue_name": QUEUE, "tencentcloud_conn_id": CONN_ID}
GOOD = "good"
EVENTS = 50
MESSAGES = 5
TIMEOUT = 6 * 3600
"""Seconds; the test itself notices when nothing happens any more."""

events_seen = Asset(
    name="strange_events",
    watchers=[AssetWatcher(name="strange_events", trigger=BatchEventTrigger(**PLACE))],
)


@dag(
    schedule=[events_seen],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # One run at a time, so that each takes all events that have come meanwhile.
    max_active_runs=1,
)
def strange_events_seen() -> None:
    @task
    def note(triggering_asset_events: Any = None) -> int:
        events = [event for events in triggering_asset_events.values() for event in events]
        return len([event.extra["payload"]["event_id"] for event in events])

    note()


class MessageSensor(BaseSensorOperator):
    """Wait for the next message, whatever it is."""

    def execute(self, context: Any) -> None:
        self.defer(
            trigger=MessageQueueTrigger(scheme="tencent+cmq", **PLACE),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        return event


@dag(schedule=None, params={"jobs": [], "others": []})
def strange_messages() -> None:
    @task
    def job_ids(key: str, params: dict[str, Any]) -> list[str]:
        return list(params[key])

    # Most of the waits begin and end in the triggerer, because fifty workers would take a minute.
    jobs = job_ids.override(task_id="jobs")("jobs")
    BatchJobSensor.for_each(jobs, task_id="wait", raise_on_failure=False, timeout=TIMEOUT, **PLACE)
    BatchJobSensor.partial(
        task_id="wait_and_resume",
        raise_on_failure=False,
        deferrable=True,
        end_from_trigger=False,
        timeout=TIMEOUT,
        **PLACE,
    ).expand(job_id=job_ids.override(task_id="others")("others"))
    BatchEventSensor(task_id="events", events=["TASK_SUCCEED"], job_name=GOOD, count=EVENTS, timeout=TIMEOUT, **PLACE)
    MessageSensor.partial(task_id="message", timeout=TIMEOUT, max_active_tis_per_dagrun=1).expand(
        doc=[str(number) for number in range(MESSAGES)]
    )


strange_events_seen()
strange_messages()
