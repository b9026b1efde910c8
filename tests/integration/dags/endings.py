# SPDX-License-Identifier: Apache-2.0
"""One task a DAG, each of which waits in its own way for a job that runs until a file appears."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_batch_events.operators.batch import BatchSubmitJobOperator

WAYS: dict[str, dict[str, Any]] = {
    "deferred": {"deferrable": True},
    "deferred_and_kept": {"deferrable": True, "cancel_on_kill": False, "end_from_trigger": False},
    "deferred_for_seconds": {"deferrable": True, "execution_timeout": timedelta(seconds=10)},
    "blocking": {"deferrable": False, "poll_interval": 1},
    "blocking_for_seconds": {"deferrable": False, "poll_interval": 1, "execution_timeout": timedelta(seconds=10)},
}

for way, settings in WAYS.items():
    with DAG(f"ends_{way}", schedule=None, params={"gate": "/nowhere", "topic": "t", "queue": "q"}):
        BatchSubmitJobOperator(
            task_id="run",
            job={
                "JobName": "{{ params.gate.split('/')[-1] }}",
                "Tasks": [
                    {
                        "TaskName": "main",
                        "Application": {
                            "DeliveryForm": "LOCAL",
                            "Command": "while [ ! -e {{ params.gate }} ]; do sleep 0.2; done",
                        },
                        "ComputeEnv": {
                            "EnvType": "MANAGED",
                            "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
                        },
                    }
                ],
            },
            placement={"Zone": "ap-guangzhou-6"},
            topic_name="{{ params.topic }}",
            queue_name="{{ params.queue }}",
            **settings,
        )
