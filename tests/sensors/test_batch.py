# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.exceptions import (
    BatchJobFailedError,
    BatchJobInterruptedError,
    CredentialsError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import SdkClient
from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor
from tencent_batch_emulator.faults.rules import Fault

pytestmark = pytest.mark.usefixtures("cloud")

GOOD, BAD, ENDLESS = "duration=0", "outcome=failed duration=0", "outcome=hang"
WAYS = {
    "poke": {"mode": "poke"},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True, "queue_name": "waits"},
}
EACH_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
REFUSED_KEYS = Fault(effect="error", action="DescribeJobs", code="AuthFailure.SecretIdNotFound")


def submit(script: str = GOOD, *, interrupt: bool = False) -> str:
    job = announced_job(f"scripted: {script}", "events")
    if interrupt:
        job["Tasks"][0]["FailedAction"] = "INTERRUPT"
    return BatchHook().submit_job(job, PLACEMENT)


def sense_jobs(job_id: Any, **settings: Any) -> TaskRunner:
    settings = {"poke_interval": 0.1, "timeout": 30, **settings}
    return TaskRunner(lambda: BatchJobSensor(task_id="t", job_id=job_id, **settings))


def poking(job_id: Any, **settings: Any) -> tuple[BatchJobSensor, Any]:
    """Return a sensor and a context to poke it with."""
    task = sense_jobs(job_id, **settings)
    sensor = task.make()
    sensor.read_parameters()
    return sensor, task.context()


def poke_until_ended(sensor: BatchJobSensor, context: Any) -> Any:
    while not (result := sensor.poke(context)).is_done:
        time.sleep(0.1)
    return result.xcom_value


def end(job_id: str) -> None:
    BatchHook().end_job(job_id)


@EACH_WAY
def test_one_job_has_one_outcome(way: dict[str, Any]) -> None:
    job_id = submit()
    outcome = sense_jobs(job_id, **way).run()
    assert (outcome["job_id"], outcome["state"], outcome["succeeded"]) == (job_id, "SUCCEED", True)


@EACH_WAY
def test_several_jobs_have_outcomes_in_their_order(way: dict[str, Any]) -> None:
    job_ids = [submit("duration=1"), submit(), submit("duration=0.5")]
    outcomes = sense_jobs(job_ids, **way).run()
    assert [(outcome["job_id"], outcome["state"]) for outcome in outcomes] == [(one, "SUCCEED") for one in job_ids]


@EACH_WAY
def test_without_jobs_there_is_nothing_to_wait_for(cloud: Any, way: dict[str, Any]) -> None:
    before = cloud.count()
    assert sense_jobs([], **way).run() == []
    assert cloud.count() == before


@EACH_WAY
def test_the_link_leads_to_the_first_job(cloud: Any, way: dict[str, Any]) -> None:
    job_id = submit()
    task = sense_jobs([job_id, submit()], **way)
    task.run()
    assert task.ti.xcoms["_link_BatchJobLink"] == f"{cloud.endpoint}/console/jobs/{job_id}"


@EACH_WAY
@pytest.mark.parametrize(
    ("interrupt", "error"), [(False, BatchJobFailedError), (True, BatchJobInterruptedError)], ids=["failed", "kept"]
)
def test_a_failed_job_fails_the_task(way: dict[str, Any], interrupt: bool, error: type[Exception]) -> None:
    with pytest.raises(error, match="exit code 1"):
        sense_jobs([submit(), submit(BAD, interrupt=interrupt)], **way).run()


@EACH_WAY
def test_a_failure_may_be_a_value(way: dict[str, Any]) -> None:
    outcomes = sense_jobs([submit(BAD), submit()], raise_on_failure=False, **way).run()
    assert [outcome["state"] for outcome in outcomes] == ["FAILED", "SUCCEED"]


@EACH_WAY
@pytest.mark.parametrize("setting", ["soft_fail", "never_fail"])
def test_a_failed_job_may_skip_the_task(way: dict[str, Any], setting: str) -> None:
    with pytest.raises(AirflowSkipException, match="exit code 1"):
        sense_jobs(submit(BAD), **{setting: True}, **way).run()


@EACH_WAY
def test_a_timeout_is_airflow_s_own_and_names_the_job(way: dict[str, Any]) -> None:
    job_id = submit(ENDLESS)
    with pytest.raises(AirflowSensorTimeout, match=job_id):
        sense_jobs([submit(), job_id], timeout=0.5, **way).run()


@EACH_WAY
@pytest.mark.parametrize("setting", ["soft_fail", "never_fail"])
def test_a_timeout_may_skip_the_task(way: dict[str, Any], setting: str) -> None:
    with pytest.raises(AirflowSkipException):
        sense_jobs(submit(ENDLESS), timeout=0.5, **{setting: True}, **way).run()


def test_a_rescheduled_sensor_waits_without_a_worker() -> None:
    job_id = submit(ENDLESS)
    task = sense_jobs(job_id, mode="reschedule", raise_on_failure=False)
    assert task.run(meanwhile=lambda: end(job_id))["state"] == "FAILED"
    assert task.reschedules >= 1


def test_a_poke_polls_all_open_jobs_in_one_call(cloud: Any) -> None:
    job_ids = [submit(), submit(ENDLESS), submit(ENDLESS)]
    BatchHook().wait_for_jobs(job_ids[:1], poll_interval=0.1)
    sensor, context = poking(job_ids)
    before = cloud.count("DescribeJobs")
    assert not sensor.poke(context).is_done
    assert not sensor.poke(context).is_done
    assert cloud.count("DescribeJobs") == before + 2


def test_an_outcome_that_a_poke_knows_is_kept(cloud: Any) -> None:
    deleted, running = submit(), submit("duration=1")
    BatchHook().wait_for_jobs([deleted], poll_interval=0.1)
    sensor, context = poking([deleted, running])
    sensor.poke(context)
    BatchHook().delete_job(deleted)
    outcomes = poke_until_ended(sensor, context)
    assert [outcome["state"] for outcome in outcomes] == ["SUCCEED", "SUCCEED"]


def test_a_poke_outlives_an_outage(cloud: Any) -> None:
    sensor, context = poking(submit())
    cloud.add_fault(Fault(effect="error", action="DescribeJobs", code="ResourceUnavailable"))
    assert not sensor.poke(context).is_done
    cloud.clear_faults()
    assert poke_until_ended(sensor, context)["state"] == "SUCCEED"


@EACH_WAY
def test_refused_keys_fail_the_task_at_first_contact(cloud: Any, way: dict[str, Any]) -> None:
    cloud.add_fault(REFUSED_KEYS)
    with pytest.raises(CredentialsError, match="tencentcloud_default"):
        sense_jobs("job-n0tthere", **way).run()


def test_a_poke_outlives_refused_keys_after_a_first_answer(cloud: Any) -> None:
    job_id = submit(ENDLESS)
    sensor, context = poking(job_id, raise_on_failure=False)
    sensor.poke(context)
    cloud.add_fault(REFUSED_KEYS)
    assert not sensor.poke(context).is_done
    cloud.clear_faults()
    end(job_id)
    assert poke_until_ended(sensor, context)["state"] == "FAILED"


def test_a_rescheduled_sensor_outlives_later_refused_keys(cloud: Any) -> None:
    job_id = submit(ENDLESS)
    task = sense_jobs(job_id, mode="reschedule", raise_on_failure=False)

    def meanwhile() -> None:
        if task.reschedules == 1:
            cloud.add_fault(REFUSED_KEYS)
        elif task.reschedules == 2:
            cloud.clear_faults()
            end(job_id)

    assert task.run(meanwhile)["state"] == "FAILED"


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


def test_a_sensor_waits_for_so_many_different_events(cloud, queue, client):
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
def test_a_timeout_says_how_many_events_have_come(cloud):
    with pytest.raises(AirflowSensorTimeout, match="1 of 2 events came"):
        sense(events=["JOB_FAILED"], count=2, timeout=2).run(lambda: publish(cloud, "JOB_FAILED", JobId="job-1"))


@pytest.mark.usefixtures("cloud")
def test_a_queue_that_does_not_exist_is_named():
    with pytest.raises(WaitQueueNotFoundError, match="queue 'nowhere'"):
        sense(queue_name="nowhere").run()


@pytest.mark.parametrize(
    ("settings", "words"), [({"events": ["JOB_DONE"]}, "unknown event"), ({"count": 0}, "1 or more")]
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        sense(**settings).make()


@pytest.mark.parametrize("events", [None, 7, True, "JOB_SUCCEED", {"event_name": "JOB_SUCCEED"}], ids=repr)
def test_events_that_are_no_list_are_a_clear_error(events):
    """Payloads of another version."""
    sensor = BatchEventSensor(task_id="t", queue_name="q")
    with pytest.raises(ValueError, match="must be a list"):
        sensor.execute_complete({}, event={"status": "ended", "events": events})
