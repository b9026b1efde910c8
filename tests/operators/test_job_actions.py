# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import (
    ApiInUseError,
    ApiRefusedError,
    BatchJobFailedError,
    BatchJobTimeoutError,
    CredentialsError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import (
    BatchDeleteJobOperator,
    BatchRetryJobsOperator,
    BatchTerminateJobOperator,
)
from tencent_batch_emulator.faults.rules import Fault

pytestmark = pytest.mark.usefixtures("cloud")

ENDLESS, MISSING = "outcome=hang", "job-n0tthere"
FAILS_ONCE, FAILS_TWICE = "fail_first=1 duration=1", "outcome=failed duration=0.2"
BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])


def submit(script: str = "duration=0") -> str:
    return BatchHook().submit_job(announced_job(f"scripted: {script}", "events"), PLACEMENT)


def ended(script: str = "duration=0") -> str:
    """Submit a job, and return its id when it has ended."""
    job_id = submit(script)
    BatchHook().wait_for_jobs([job_id], poll_interval=0.1)
    return job_id


def terminate(job_id: Any, **settings: Any) -> TaskRunner:
    return TaskRunner(lambda: BatchTerminateJobOperator(task_id="t", job_id=job_id, **settings))


def retry(job_id: Any, **settings: Any) -> TaskRunner:
    settings = {"queue_name": "waits", "poll_interval": 0.2, **settings}
    return TaskRunner(lambda: BatchRetryJobsOperator(task_id="t", job_id=job_id, **settings))


def delete(job_id: Any) -> TaskRunner:
    return TaskRunner(lambda: BatchDeleteJobOperator(task_id="t", job_id=job_id))


def state_of(job_id: str) -> str | None:
    return BatchHook().get_job_state(job_id)


def test_a_job_is_terminated(cloud: Any) -> None:
    job_id = submit(ENDLESS)
    task = terminate(job_id)
    assert task.run() == f"job {job_id} has ended: FAILED"
    assert state_of(job_id) == "FAILED"
    assert task.ti.xcoms["_link_BatchJobLink"] == f"{cloud.endpoint}/console/jobs/{job_id}"


def test_an_outcome_names_the_job_to_terminate() -> None:
    job_id = submit(ENDLESS)
    assert job_id in terminate({"job_id": job_id, "state": "RUNNING"}).run()


@pytest.mark.parametrize("make", [ended, lambda: MISSING], ids=["ended", "missing"])
def test_a_job_that_does_not_run_need_not_be_terminated(make: Any) -> None:
    job_id = make()
    before = state_of(job_id)
    assert job_id in terminate(job_id).run()
    assert state_of(job_id) == before


def test_a_job_that_does_not_end_in_time_fails_the_task(cloud: Any) -> None:
    job_id = submit(ENDLESS)
    cloud.add_fault(Fault(effect="error", action="TerminateJob", code="InternalError"))
    with pytest.raises(BatchJobTimeoutError, match=r"After 0\.5 s"):
        terminate(job_id, timeout="0.5").run()


@BOTH_WAYS
def test_a_retried_job_is_waited_for(deferrable: bool) -> None:
    job_id = ended(FAILS_ONCE)
    outcome = retry(job_id, deferrable=deferrable).run()
    assert (outcome["job_id"], outcome["state"]) == (job_id, "SUCCEED")


def test_an_old_event_does_not_end_the_wait(cloud: Any) -> None:
    job_id = ended("fail_first=1 duration=3")

    def redeliver() -> None:
        event = {"EventName": "JOB_FAILED", "EventTime": "2020-01-01T00:00:00Z", "Batch": {"JobId": job_id}}
        cloud.call(lambda emulator: emulator.broker.publish("events", json.dumps({"Events": [event]})))

    assert retry(job_id, deferrable=True).run(meanwhile=redeliver)["state"] == "SUCCEED"


@BOTH_WAYS
def test_several_jobs_are_retried_at_once(cloud: Any, deferrable: bool) -> None:
    job_ids = [ended(FAILS_ONCE), ended(FAILS_ONCE)]
    before = cloud.count("RetryJobs")
    outcomes = retry(job_ids, deferrable=deferrable).run()
    assert [(outcome["job_id"], outcome["succeeded"]) for outcome in outcomes] == [(one, True) for one in job_ids]
    assert cloud.count("RetryJobs") == before + 1


@BOTH_WAYS
def test_a_job_that_fails_again_fails_the_task(deferrable: bool) -> None:
    with pytest.raises(BatchJobFailedError):
        retry(ended(FAILS_TWICE), deferrable=deferrable).run()


@pytest.mark.parametrize("form", [str, lambda job_id: [job_id]], ids=["one", "list"])
def test_it_need_not_wait(form: Any) -> None:
    job_id = form(ended(FAILS_ONCE))
    assert retry(job_id, wait_for_completion=False).run() == job_id


def test_only_failed_jobs_are_retried() -> None:
    with pytest.raises(ApiRefusedError):
        retry(ended()).run()


def test_a_job_is_deleted_once_and_a_second_time_is_no_error() -> None:
    job_id = ended()
    task = delete(job_id)
    assert task.run() is None
    assert state_of(job_id) is None
    task.run()


def test_a_failed_job_is_deleted_by_its_outcome() -> None:
    job_id = ended(FAILS_TWICE)
    delete({"job_id": job_id, "state": "FAILED"}).run()
    assert state_of(job_id) is None


def test_a_job_that_runs_is_not_deleted() -> None:
    job_id = submit(ENDLESS)
    with pytest.raises(ApiInUseError):
        delete(job_id).run()
    assert state_of(job_id) is not None


def test_a_key_that_may_not_delete_fails_the_task(cloud: Any) -> None:
    job_id = ended()
    cloud.add_fault(Fault(effect="error", action="DeleteJob", code="UnauthorizedOperation"))
    with pytest.raises(CredentialsError, match="UnauthorizedOperation"):
        delete(job_id).run()
    assert state_of(job_id) == "SUCCEED"
