# SPDX-License-Identifier: Apache-2.0
"""Tasks that use connections with secrets in them, rightly and wrongly, and show what a task can show of them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

JOB: dict[str, Any] = {
    "JobName": "secret",
    "Tasks": [
        {
            "TaskName": "main",
            "Application": {"DeliveryForm": "LOCAL", "Command": "sleep 3; env"},
            "ComputeEnv": {
                "EnvType": "MANAGED",
                "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
            },
        }
    ],
}


class ShowingSubmitOperator(BatchSubmitJobOperator):
    """Submit a job, and show the hook with all that it has."""

    def execute(self, context: Any) -> Any:
        """Write to the log what a curious task would."""
        try:
            return super().execute(context)
        finally:
            self.log.info("%r %r %r %r", self.hook, self.hook.access, self.hook.client, vars(self.hook))


with DAG("secret_keepers", schedule=None, params={"topic": "t", "queue": "q"}):
    for key in ("right", "refused", "token", "nowhere"):
        ShowingSubmitOperator(
            task_id=key,
            job=JOB,
            placement={"Zone": "ap-guangzhou-6"},
            topic_name="{{ params.topic }}",
            queue_name="{{ params.queue }}",
            tencentcloud_conn_id=f"secret_{key}",
            deferrable=True,
            log_output=True,
        )
        # What the triggerer writes when it is refused, by a queue that no right key reads at the same time.
        if key in ("refused", "token"):
            BatchJobSensor(
                task_id=f"wait_{key}",
                job_id="job-00000000",
                queue_name="{{ params.queue }}-refused",
                tencentcloud_conn_id=f"secret_{key}",
                deferrable=True,
                timeout=3600,
            )
