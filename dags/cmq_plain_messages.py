# SPDX-License-Identifier: Apache-2.0
"""
Plain messages of a CMQ queue with Airflow's own message queue trigger: start a DAG run, or wait for one in a task.

You need the extra ``messaging``, and two queues that nothing else reads. To ask Airflow for something, send a text to
one of them, through a topic or directly::

    airflow-batch-events provision --topic plain-messages --queue airflow-inbox
    airflow-batch-events provision --topic approvals --queue airflow-approvals
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger
from airflow.sdk import DAG, Asset, AssetWatcher, BaseSensorOperator, task

# [START howto_message_queue_trigger]
inbox = Asset(
    name="cmq_inbox",
    watchers=[
        AssetWatcher(
            name="cmq_inbox",
            trigger=MessageQueueTrigger(scheme="tencent+cmq", queue_name="airflow-inbox"),
        )
    ],
)
# [END howto_message_queue_trigger]

with DAG(
    dag_id="cmq_on_message",
    schedule=[inbox],
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["tencent cloud", "cmq", "example"],
):

    @task
    def read(triggering_asset_events: Any = None) -> list[str]:
        """Return the texts that have triggered this run; there may be several."""
        events = [event for events in triggering_asset_events.values() for event in events]
        return [event.extra["payload"]["body"] for event in events]

    read()


# [START howto_message_queue_sensor]
class MessageSensor(BaseSensorOperator):
    """
    Wait for the next message of a queue and return its text; the message is deleted then.

    :param queue_name: The queue.
    """

    def __init__(self, *, queue_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.queue_name = queue_name

    def execute(self, context: Any) -> None:
        """Wait in the triggerer."""
        self.defer(
            trigger=MessageQueueTrigger(scheme="tencent+cmq", queue_name=self.queue_name),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Any, event: dict[str, Any]) -> str:
        """Return what has come."""
        return event["body"]


# [END howto_message_queue_sensor]

with DAG(
    dag_id="cmq_wait_for_message",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    tags=["tencent cloud", "cmq", "example"],
):
    approval = MessageSensor(task_id="approval", queue_name="airflow-approvals", timeout=3600)

    @task
    def go_on(text: str) -> str:
        """Do what was approved."""
        return f"approved: {text}"

    go_on(approval.output)
