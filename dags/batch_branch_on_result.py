# SPDX-License-Identifier: Apache-2.0
"""
Submit a Batch job, wait for it by event, and branch on how it ended.

What to set up once (see the README, "On the real cloud"):

1. the connection ``tencentcloud_default``: SecretId, SecretKey, region, and the CMQ endpoint from the console;
2. a topic ``batch-events``, a queue ``airflow-batch-events``, and a subscription that forwards the one to the other in
   the SIMPLIFIED format;
3. a zone and an instance type that your account has: the DAG's params.

Trigger it with ``{"command": "exit 3"}`` to see the other branch.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param, task

from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.operators.branch import BatchJobBranchOperator

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_branch_on_result",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "command": Param("echo done", type="string", description="The shell command that the job runs."),
        "failed_action": Param(
            "TERMINATE",
            enum=["TERMINATE", "INTERRUPT"],
            description="INTERRUPT keeps the instance of a failed job for inspection.",
        ),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):
    # [START howto_operator_batch_submit_job]
    submit = BatchSubmitJobOperator(
        task_id="submit",
        job={
            "JobName": "branch-on-result",
            "Tasks": [
                {
                    "TaskName": "main",
                    "Application": {"DeliveryForm": "LOCAL", "Command": "{{ params.command }}"},
                    "ComputeEnv": {
                        "EnvType": "MANAGED",
                        "EnvData": {"InstanceType": "{{ params.instance_type }}", "ImageId": "{{ params.image_id }}"},
                    },
                    "FailedAction": "{{ params.failed_action }}",
                }
            ],
        },
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        event_vars={"dag": "{{ dag.dag_id }}", "run": "{{ run_id }}"},
        wait_for_completion=False,
    )
    # [END howto_operator_batch_submit_job]

    # [START howto_operator_batch_branch]
    branch = BatchJobBranchOperator(
        task_id="branch",
        job_id="{{ ti.xcom_pull(task_ids='submit') }}",
        queue_name=QUEUE,
        on_succeeded="publish_result",
        on_failed="raise_alarm",
        deferrable=True,
    )
    # [END howto_operator_batch_branch]

    @task
    def publish_result(outcome: dict) -> str:
        """Go on with what the job has made."""
        return f"job {outcome['job_id']} succeeded"

    @task
    def raise_alarm(outcome: dict) -> str:
        """Tell somebody."""
        return f"job {outcome['job_id']} ended {outcome['state']}"

    submit >> branch
    branch >> [publish_result(branch.output["outcome"]), raise_alarm(branch.output["outcome"])]
