# SPDX-License-Identifier: Apache-2.0
"""
Create a compute environment, run a job on its nodes, and delete the environment, whatever became of the job.

The environment publishes what happens to its nodes to the same topic as the job. Set up the connection, the topic and
the queue as for ``batch_branch_on_result``; an account may have 10 environments.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Param

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.operators.compute_env import (
    BatchCreateComputeEnvOperator,
    BatchDeleteComputeEnvOperator,
    BatchModifyComputeEnvOperator,
)
from airflow_batch_events.sensors.compute_env import BatchComputeEnvSensor

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"

with DAG(
    dag_id="batch_compute_env",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    doc_md=__doc__,
    params={
        "nodes": Param(1, type="integer", minimum=1, maximum=20, description="How many nodes to begin with."),
        "more_nodes": Param(2, type="integer", minimum=1, maximum=20, description="How many nodes the job needs."),
        "zone": Param("ap-guangzhou-6", type="string"),
        "instance_type": Param("S5.MEDIUM2", type="string"),
        "image_id": Param("img-eb30mz89", type="string"),
    },
    tags=["tencent cloud", "batch", "example"],
):
    # [START howto_operator_batch_create_compute_env]
    create = BatchCreateComputeEnvOperator(
        task_id="create",
        compute_env={
            "EnvName": "airflow-example",
            "DesiredComputeNodeCount": "{{ params.nodes }}",
            "EnvData": {"InstanceType": "{{ params.instance_type }}", "ImageId": "{{ params.image_id }}"},
        },
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        max_failed_nodes=0,
        deferrable=True,
    )
    # [END howto_operator_batch_create_compute_env]

    # [START howto_operator_batch_modify_compute_env]
    grow = BatchModifyComputeEnvOperator(
        task_id="grow",
        env_id=create.output,
        desired_nodes="{{ params.more_nodes }}",
        wait_for_completion=False,
    )
    # [END howto_operator_batch_modify_compute_env]

    # [START howto_sensor_batch_compute_env]
    wait_for_nodes = BatchComputeEnvSensor(
        task_id="wait_for_nodes",
        env_id=create.output,
        nodes="{{ params.more_nodes }}",
        max_failed_nodes=0,
        deferrable=True,
        timeout=3600,
    )
    # [END howto_sensor_batch_compute_env]

    # [START howto_job_builder]
    work = BatchSubmitJobOperator(
        task_id="work",
        job=build_job(
            "on-the-nodes",
            'echo "instance $BATCH_TASK_INSTANCE_INDEX on a node of our own"',
            env_id="{{ ti.xcom_pull(task_ids='create') }}",
            instances=4,
        ),
        placement={"Zone": "{{ params.zone }}"},
        topic_name=TOPIC,
        queue_name=QUEUE,
        deferrable=True,
    )
    # [END howto_job_builder]

    # [START howto_operator_batch_delete_compute_env]
    delete = BatchDeleteComputeEnvOperator(
        task_id="delete",
        env_id="{{ ti.xcom_pull(task_ids='create', key='env_id') }}",
        drain=True,
        deferrable=True,
    )
    # [END howto_operator_batch_delete_compute_env]

    # A teardown without a setup runs whatever became of the others, also when the nodes could not be created.
    create >> grow >> wait_for_nodes >> work >> delete.as_teardown()
