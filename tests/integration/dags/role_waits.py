# SPDX-License-Identifier: Apache-2.0
"""A job that is waited for in the triggerer and one on the worker, both with a role's keys, until a file appears."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_batch_events.operators.batch import BatchSubmitJobOperator

with DAG("role_waits", schedule=None, params={"gate": "/nowhere", "topic": "t", "queue": "q"}):
    for task_id, is_deferrable in (("in_triggerer", True), ("on_worker", False)):
        BatchSubmitJobOperator(
            task_id=task_id,
            job={
                "JobName": task_id,
                "Tasks": [
                    {
                        "TaskName": "main",
                        "Application": {
                            "DeliveryForm": "LOCAL",
                            "Command": "while [ ! -e {{ params.gate }} ]; do sleep 0.5; done",
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
            queue_name="{{ params.queue }}" if is_deferrable else None,
            tencentcloud_conn_id="with_role",
            deferrable=is_deferrable,
            poll_interval=5.0,
        )
