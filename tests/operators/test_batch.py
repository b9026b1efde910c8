# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
import structlog.testing
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import (
    ApiQuotaError,
    BatchJobFailedError,
    BatchJobInterruptedError,
    BatchJobNotStartedError,
    BatchJobTimeoutError,
    ConfigurationError,
    CredentialsError,
    JobStateUnknownError,
    SubmissionChangedError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import (
    BatchSubmitJobOperator,
    _awaited_in,
)
from tencent_batch_emulator.faults.rules import Fault

PLACEMENT = {"Zone": "ap-guangzhou-6"}
numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _own_dag(cloud, monkeypatch):
    """Every test is a DAG of its own, because client tokens are remembered by the cloud."""
    name = f"dag-{next(numbers)}"
    monkeypatch.setattr("support.tasks.TaskInstance.__init__", _named(name))


def _named(name):
    def init(self, try_number=1):
        super(type(self), self).__init__(
            dag_id=name, task_id="t", run_id="r", map_index=-1, try_number=try_number, xcoms={}
        )

    return init


def job(script="outcome=succeed", **task):
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    application = {"DeliveryForm": "LOCAL", "Command": f"scripted: {script}"}
    return {"JobName": "j", "Tasks": [{"TaskName": "main", "Application": application, "ComputeEnv": env, **task}]}


def submit(**kwargs):
    settings = {
        "task_id": "t",
        "job": job(),
        "placement": PLACEMENT,
        "topic_name": "events",
        "queue_name": "waits",
        "deferrable": True,
        "poll_interval": 0.1,
        **kwargs,
    }
    return TaskRunner(lambda: BatchSubmitJobOperator(**settings))


def job_count(cloud):
    return cloud.call(lambda emulator: len(emulator.batch.job_rows(limit=10_000)))


@pytest.mark.parametrize(
    ("settings", "success_only"),
    [
        ({}, True),
        ({"end_from_trigger": "true"}, False),
        ({"end_from_trigger": False}, None),
        ({"log_output": True}, None),
        ({"on_finish_action": "delete"}, None),
        ({"on_success_callback": print}, None),
    ],
)
def test_a_success_ends_in_the_triggerer_where_it_can(settings, success_only):
    task = submit(**settings)
    task.run()
    end = task.deferrals[0].trigger.end
    assert (end and end.get("success_only", False)) is success_only


def test_the_log_says_why_a_worker_ends_a_task():
    with structlog.testing.capture_logs() as logs:
        submit(log_output=True, on_finish_action="delete").run()
    said = [str(line["event"]) % tuple(line.get("positional_args", ())) for line in logs]
    assert "A worker ends the task, because of log_output, on_finish_action" in said


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])
def test_the_outcome_of_a_job_that_succeeds_is_returned(deferrable):
    task = submit(deferrable=deferrable)
    outcome = task.run()
    assert (outcome["state"], outcome["succeeded"]) == ("SUCCEED", True)
    assert outcome["job_id"] == task.ti.xcoms.get("job_id", outcome["job_id"])


def test_an_event_ends_the_wait_with_its_parameters(monkeypatch):
    # A job that ends while its wait begins is ended by the first poll; on a slow machine the wait begins late.
    for seconds in (4, 16, 64):
        monkeypatch.setattr("support.tasks.TaskInstance.__init__", _named(f"dag-{next(numbers)}"))
        task = submit(job=job(f"outcome=succeed duration={seconds}"), event_vars={"part": "7"})
        outcome = task.run()
        if outcome["source"] == "event":
            break
    assert (outcome["source"], outcome["event_name"]) == ("event", "JOB_SUCCEED")
    assert outcome["event_vars"] == {"part": "7"}


def test_the_job_id_and_the_links_are_there_before_the_wait(cloud):
    task = submit()
    seen = {}
    task.run(meanwhile=lambda: seen.update(task.ti.xcoms))
    assert seen["job_id"].startswith("job-")
    assert seen["_link_BatchJobLink"] == f"{cloud.endpoint}/console/jobs/{seen['job_id']}"
    assert seen["_link_CmqQueueLink"] == f"{cloud.endpoint}/console/queues/waits"


def test_without_waiting_the_job_id_is_returned():
    assert submit(wait_for_completion=False).run().startswith("job-")


def test_a_failed_job_fails_the_task_with_what_failed_and_why():
    task = submit(job=job("outcome=failed exit_code=3 stderr=no_such_table"))
    with pytest.raises(BatchJobFailedError, match=r"task 'main' instance 0: exit code 3.*no_such_table"):
        task.run()


def test_an_interrupted_job_fails_with_its_own_class():
    task = submit(job=job("outcome=failed exit_code=3", FailedAction="INTERRUPT"))
    with pytest.raises(BatchJobInterruptedError, match="FAILED_INTERRUPTED"):
        task.run()


def test_a_retry_reattaches_to_the_job_of_a_try_that_died(cloud):
    task = submit(job=job("outcome=succeed duration=4"))
    before = job_count(cloud)

    def die():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task.run(meanwhile=die)
    assert task.run()["succeeded"]
    assert job_count(cloud) == before + 1


@pytest.mark.parametrize("moment", ["before the effect", "after the effect"])
def test_a_cut_connection_at_submit_leads_to_one_job(cloud, moment):
    task = submit(deferrable=False)
    before = job_count(cloud)
    effect = "cut_before" if moment == "before the effect" else "cut_after"
    cloud.add_fault(Fault(effect=effect, action="SubmitJob", next=1))
    assert task.run()["succeeded"]
    assert job_count(cloud) == before + 1


def test_a_retry_after_a_failed_job_submits_a_new_one(cloud):
    task = submit(job=job("outcome=failed exit_code=1"))
    before = job_count(cloud)
    for _ in range(2):
        with pytest.raises(BatchJobFailedError):
            task.run()
    assert job_count(cloud) == before + 2


def test_a_job_that_has_succeeded_is_returned_not_run_again(cloud):
    task = submit()
    first = task.run()
    before = job_count(cloud)
    assert task.run()["job_id"] == first["job_id"]
    assert job_count(cloud) == before


def test_a_changed_job_is_refused_while_the_old_one_counts():
    task = submit()
    task.run()
    changed = submit(job=job("outcome=succeed duration=0"))
    changed.store = task.store
    with pytest.raises(SubmissionChangedError, match="on_changed_job"):
        changed.run()


def test_a_changed_description_may_be_submitted_as_a_new_job():
    task = submit()
    first = task.run()
    changed = submit(job=job("outcome=succeed duration=0"), on_changed_job="submit")
    changed.store = task.store
    assert changed.run()["job_id"] != first["job_id"]


def test_a_state_that_cannot_be_found_out_submits_nothing(cloud):
    task = submit()
    task.run()
    before = job_count(cloud)
    cloud.add_fault(Fault(effect="error", action="DescribeJob", code="InternalError"))
    with pytest.raises(JobStateUnknownError, match="nothing was submitted"):
        task.run()
    assert job_count(cloud) == before


def test_a_full_quota_says_what_to_do(cloud):
    cloud.add_fault(Fault(effect="error", action="SubmitJob", code="LimitExceeded.JobQuota"))
    with pytest.raises(ApiQuotaError, match="delete jobs that are no longer needed"):
        submit().run()


def test_a_description_that_the_api_refuses_can_be_fixed():
    broken = submit(job={"JobName": "j", "Tasks": []})
    with pytest.raises(Exception, match="SubmitJob"):
        broken.run()
    fixed = submit()
    fixed.store = broken.store
    assert fixed.run()["succeeded"]


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])
def test_a_job_that_does_not_begin_is_reported_and_ended(cloud, deferrable):
    stuck = {**job("outcome=succeed"), "StateIfCreateCvmFailed": "RUNNABLE"}
    stuck["Tasks"][0]["ComputeEnv"]["EnvData"]["InstanceType"] = "NOCAPACITY"
    task = submit(job=stuck, start_timeout=1, deferrable=deferrable)
    with pytest.raises(BatchJobNotStartedError):
        task.run()
    assert state_of(cloud, task) == "FAILED"


def state_of(cloud, task):
    job_id = task.store["tencent_batch_submission"]["job_id"]
    return BatchHook().get_job_state(job_id)


@pytest.mark.parametrize("cancel", [True, False])
def test_a_job_whose_time_is_over_is_ended_if_wanted(cloud, cancel):
    task = submit(
        job=job("outcome=succeed duration=300"), execution_timeout=timedelta(seconds=1), cancel_on_timeout=cancel
    )
    with pytest.raises(BatchJobTimeoutError, match="last seen RUNNING"):
        task.run()
    assert state_of(cloud, task) == ("FAILED" if cancel else "RUNNING")


@pytest.mark.parametrize(("action", "is_left"), [("keep", True), ("delete_succeeded", False), ("delete", False)])
def test_a_job_that_is_no_longer_needed_is_deleted_if_wanted(action, is_left):
    outcome = submit(on_finish_action=action).run()
    assert (BatchHook().get_job_state(outcome["job_id"]) is not None) == is_left


def test_a_deleted_failed_job_is_followed_by_a_new_one_at_once(cloud):
    task = submit(job=job("outcome=failed exit_code=1"), on_finish_action="delete")
    for _ in range(2):
        with pytest.raises(BatchJobFailedError):
            task.run()
    assert task.store["tencent_batch_submission"]["number"] == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"events": ["JOB_DONE"]}, "unknown event 'JOB_DONE'; allowed here: JOB_RUNNING"),
        ({"notifications": []}, "topic_name and notifications are both set"),
        ({"topic_name": None, "events": ["JOB_FAILED"]}, "need a topic_name"),
        ({"on_finish_action": "burn"}, "must be one of 'keep'"),
        ({"on_changed_job": "ignore"}, "must be one of 'fail', 'submit'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        submit(**settings).make()


def test_a_long_topic_name_submits_nothing(cloud):
    before = cloud.count("SubmitJob")
    with pytest.raises(ValueError, match="at most 64 characters"):
        submit(topic_name="t" * 65).run()
    assert cloud.count("SubmitJob") == before


def test_a_connection_that_does_not_exist_is_named():
    with pytest.raises(ConfigurationError, match="connection 'nowhere' does not exist"):
        submit(tencentcloud_conn_id="nowhere").run()


def test_refused_keys_name_the_connection_and_its_fields(monkeypatch, cloud):
    monkeypatch.setenv(
        "AIRFLOW_CONN_WRONG",
        '{"conn_type": "tencentcloud", "login": "AKIDwrong", "password": "x", "extra": {"region": "ap-guangzhou", '
        f'"batch_endpoint": "{cloud.endpoint}"}}}}',
    )
    with pytest.raises(CredentialsError, match=r"connection 'wrong' \(SecretId as login"):
        submit(tencentcloud_conn_id="wrong", queue_name=None).run()


@pytest.mark.parametrize("waits", [True, False], ids=["waited for", "submitted only"])
def test_the_asset_events_of_a_task_carry_what_became_of_its_job(waits):
    produced = Asset("produced")
    task = submit(outlets=[produced], wait_for_completion=waits)
    events = OutletEventAccessors()
    task.context = lambda: {"ti": task.ti, "task_state_store": task.store, "outlet_events": events}

    result = task.run()

    assert events[produced].extra == (result if waits else {"job_id": result})


@pytest.mark.parametrize("job_ids", [None, 7, True, {"a": 1}, [7, None, ""]], ids=repr)
def test_an_error_that_names_no_job_is_raised_all_the_same(job_ids):
    """Payloads of another version."""
    assert list(_awaited_in({"status": "error", "job_id": job_ids})) == []
