# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout
from support.tasks import TaskRunner

from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.exceptions import WaitQueueNotFoundError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.sensors.batch import BatchEventSensor


@pytest.fixture
def client(cloud):
    with SdkClient(CloudAccess.at_endpoint(cloud.endpoint, cloud.secret_id, cloud.secret_key)) as client:
        yield client


@pytest.fixture
def queue(client):
    client.send(tdmq.create_queue("sensed"))
    client.send(tdmq.create_subscription("events", "sensed", "sensed"))
    yield "sensed"
    client.send(tdmq.delete_queue("sensed"))


def publish(cloud, name, **batch):
    event = {"EventName": name, "EventTime": "2026-01-01T00:00:00Z", "Batch": batch}
    cloud.call(lambda emulator: emulator.broker.publish("events", json.dumps({"Events": [event]})))


def sense(**settings):
    return TaskRunner(lambda: BatchEventSensor(task_id="t", **{"queue_name": "sensed", "timeout": 20, **settings}))


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("name", EventName)
def test_each_event_reaches_a_sensor(cloud, name):
    (event,) = sense(events=[name.value]).run(meanwhile=lambda: publish(cloud, name.value, JobId="job-1"))
    assert (event["event_name"], event["job_id"]) == (name.value, "job-1")


def test_a_sensor_waits_for_as_many_different_events_as_it_is_told(cloud, queue, client):
    def meanwhile():
        for node in ("node-1", "node-1", "node-2", "node-3"):
            publish(cloud, "COMPUTE_NODE_ABNORMAL", EnvId="env-none", ComputeNodeId=node)
        publish(cloud, "COMPUTE_NODE_DELETING", EnvId="env-none", ComputeNodeId="node-4")

    events = sense(events=["COMPUTE_NODE_ABNORMAL"], env_id="env-none", count=3).run(meanwhile)
    assert sorted(event["batch"]["ComputeNodeId"] for event in events) == ["node-1", "node-2", "node-3"]


@pytest.mark.usefixtures("queue")
def test_a_lost_event_is_found_by_a_poll(cloud):
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    application = {"DeliveryForm": "LOCAL", "Command": "scripted: outcome=succeed"}
    job = {"JobName": "silent", "Tasks": [{"TaskName": "main", "Application": application, "ComputeEnv": env}]}
    hook = BatchHook()
    job_id = hook.submit_job(job, {"Zone": "ap-guangzhou-6"})
    hook.wait_for_jobs([job_id], poll_interval=0.05)
    assert sense(events=["JOB_SUCCEED"], job_id=job_id).run() == []


@pytest.mark.usefixtures("queue")
def test_a_sensor_whose_time_is_over_says_how_many_have_come(cloud):
    with pytest.raises(AirflowSensorTimeout, match="1 of 2 events came"):
        sense(events=["JOB_FAILED"], count=2, timeout=2).run(lambda: publish(cloud, "JOB_FAILED", JobId="job-1"))


@pytest.mark.usefixtures("cloud")
def test_a_queue_that_does_not_exist_is_named():
    with pytest.raises(WaitQueueNotFoundError, match="queue 'nowhere'"):
        sense(queue_name="nowhere").run()


@pytest.mark.parametrize(
    ("settings", "words"), [({"events": ["JOB_DONE"]}, "unknown event"), ({"count": 0}, "1 or more")]
)
def test_settings_that_make_no_sense_are_refused_when_the_dag_is_parsed(settings, words):
    with pytest.raises(ValueError, match=words):
        sense(**settings).make()


@pytest.mark.parametrize("events", [None, 7, True, "JOB_SUCCEED", {"event_name": "JOB_SUCCEED"}], ids=repr)
def test_events_that_are_no_list_are_a_clear_error(events):
    """Payloads of another version."""
    sensor = BatchEventSensor(task_id="t", queue_name="q")
    with pytest.raises(ValueError, match="must be a list"):
        sensor.execute_complete({}, event={"status": "ended", "events": events})
