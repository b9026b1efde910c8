# SPDX-License-Identifier: Apache-2.0
"""What can be refused is refused before anything is submitted; a task that fails later says what becomes of its job."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk.bases.operator import TriggerFailureReason
from support.emulator_helpers import PLACEMENT, address_of
from support.tasks import StateStore, TaskRunner

from airflow_batch_events.airflow_compat.exceptions import (
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.exceptions import (
    BatchJobTimeoutError,
    ConfigurationError,
    CredentialsError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchRetryJobsOperator, BatchSubmitJobOperator
from airflow_batch_events.operators.compute_env import (
    BatchCreateComputeEnvOperator,
    BatchDeleteComputeEnvOperator,
    BatchModifyComputeEnvOperator,
)
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.waiting.submit_checks import check_description
from tencent_batch_emulator.faults.rules import Fault

numbers = itertools.count(1)
SIDE_EFFECTS = ("SubmitJob", "RetryJobs", "CreateComputeEnv", "ModifyComputeEnv", "DeleteComputeEnv")


@pytest.fixture(autouse=True)
def _own_task_instance(cloud, monkeypatch):
    """Every test is a task instance of its own, because client tokens are remembered by the cloud."""
    number = next(numbers)
    init = TaskRunner.__init__

    def with_run(self, make):
        init(self, make)
        context = self.context

        def with_own_run():
            made = context()
            made["ti"].run_id = f"before-{number}"
            return made

        self.context = with_own_run

    monkeypatch.setattr(TaskRunner, "__init__", with_run)
    monkeypatch.setattr(RetryPolicy, "_pause", lambda self, state: 0.0)


def job(command="scripted: duration=0", **fields):
    built = build_job("j", command, image="img-eb30mz89", instance_type="S5.MEDIUM2")
    return {**built, **fields}


def submit(**settings):
    given = {
        "task_id": "t",
        "job": job(),
        "placement": PLACEMENT,
        "topic_name": "events",
        "queue_name": "waits",
        "deferrable": True,
        "poll_interval": 0.1,
        **settings,
    }
    return TaskRunner(lambda: BatchSubmitJobOperator(**given))


def create(**settings):
    env = {"EnvName": "e", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    given = {
        "task_id": "t",
        "compute_env": {**env, "DesiredComputeNodeCount": 1},
        "placement": PLACEMENT,
        "deferrable": True,
        "poll_interval": 0.05,
        **settings,
    }
    return TaskRunner(lambda: BatchCreateComputeEnvOperator(**given))


def modify(**settings):
    given = {"task_id": "t", "env_id": "env-12345678", "desired_nodes": 1, "deferrable": True, **settings}
    return TaskRunner(lambda: BatchModifyComputeEnvOperator(**given))


def retry(**settings):
    given = {"task_id": "t", "job_id": "job-12345678", "deferrable": True, **settings}
    return TaskRunner(lambda: BatchRetryJobsOperator(**given))


def delete(**settings):
    given = {"task_id": "t", "env_id": "env-12345678", "deferrable": True, **settings}
    return TaskRunner(lambda: BatchDeleteComputeEnvOperator(**given))


def effects(cloud):
    return sum(cloud.count(action) for action in SIDE_EFFECTS)


EVERY_OPERATOR = pytest.mark.parametrize(
    "make",
    [submit, retry, create, modify, delete],
    ids=["job", "retried job", "environment", "changed environment", "deleted environment"],
)
ODD_SECONDS = ["soon", "", "nan", "inf", float("nan"), float("inf"), -1, 0, True, [1], {}, 10**400, "1e999"]


@pytest.mark.parametrize("name", ["start_timeout", "poll_interval", "reconcile_interval"])
@pytest.mark.parametrize("value", [*ODD_SECONDS, timedelta(seconds=-1), timedelta.max], ids=repr)
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])
def test_a_duration_that_makes_no_sense_is_refused_and_named(cloud, name, value, deferrable):
    before = effects(cloud)
    with pytest.raises(ValueError, match=name):
        submit(**{name: value}, deferrable=deferrable).run()
    assert effects(cloud) == before


@pytest.mark.parametrize("value", [timedelta(seconds=60), 60, 60.0, "60", " 6e1 "], ids=repr)
@pytest.mark.parametrize("name", ["start_timeout", "reconcile_interval"])
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])
def test_a_duration_is_taken_in_every_form(name, value, deferrable):
    assert submit(**{name: value}, deferrable=deferrable).run()["state"] == "SUCCEED"


@pytest.mark.parametrize("value", [timedelta(seconds=0.1), 0.1, "0.1"], ids=repr)
@pytest.mark.parametrize("make", [submit, create], ids=["job", "environment"])
def test_an_interval_is_taken_in_every_form_by_every_operator(make, value):
    assert make(poll_interval=value, deferrable=False).run()


@EVERY_OPERATOR
@pytest.mark.parametrize("value", ["soon", float("nan"), 0, [1]], ids=repr)
def test_a_bad_interval_is_refused(cloud, make, value):
    before = effects(cloud)
    with pytest.raises(ValueError, match="poll_interval"):
        make(poll_interval=value).run()
    assert effects(cloud) == before


@EVERY_OPERATOR
def test_an_endless_execution_timeout_is_refused(cloud, make):
    before = effects(cloud)
    with pytest.raises(ValueError, match="execution_timeout"):
        make(execution_timeout=timedelta.max).run()
    assert effects(cloud) == before


@EVERY_OPERATOR
@pytest.mark.parametrize(
    "name",
    ["bad queue 名!", "", " waits", "waits\n", "wa\0its", "1st", "-waits", "q" * 65, "{host}", "{hostname}!", "a{b", 7],
    ids=ascii,
)
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])
def test_a_name_that_no_queue_has_is_refused(cloud, make, name, deferrable):
    before = effects(cloud)
    with pytest.raises(ConfigurationError, match="queue_name"):
        make(queue_name=name, deferrable=deferrable).run()
    assert effects(cloud) == before


@EVERY_OPERATOR
def test_a_missing_queue_is_refused_by_every_operator(cloud, make):
    before = effects(cloud)
    with pytest.raises(WaitQueueNotFoundError, match=r"'no-such-queue' does not exist at http.*nothing was submitted"):
        make(queue_name="no-such-queue").run()
    assert effects(cloud) == before


def test_a_queue_that_the_wait_does_not_read_need_not_exist():
    assert submit(queue_name="no-such-queue", deferrable=False).run()["state"] == "SUCCEED"
    assert submit(queue_name="no-such-queue", wait_for_completion=False).run()


def test_a_queue_that_only_the_triggerer_can_name_is_left_to_it(cloud):
    before = cloud.count("BatchDeleteMessage")
    task = submit(queue_name="waits-{hostname}")
    with pytest.raises(WaitQueueNotFoundError):
        task.run()
    assert len(task.deferrals) == 1
    assert cloud.count("BatchDeleteMessage") == before


@EVERY_OPERATOR
def test_a_queue_needs_an_address(cloud, make, monkeypatch):
    connection = address_of(cloud).connection()
    del connection["extra"]["cmq_endpoint"]
    monkeypatch.setenv("AIRFLOW_CONN_NO_QUEUES", json.dumps(connection))
    before = effects(cloud)
    with pytest.raises(ConfigurationError, match="has no cmq_endpoint"):
        make(tencentcloud_conn_id="no_queues", queue_name="waits").run()
    assert effects(cloud) == before


def test_keys_that_the_queue_service_refuses_are_refused_before(cloud):
    cloud.add_fault(Fault(effect="error", action="BatchDeleteMessage", code="4100"))
    before = effects(cloud)
    with pytest.raises(CredentialsError, match="nothing was submitted"):
        submit().run()
    assert effects(cloud) == before


@pytest.mark.parametrize(
    "fault", [{"effect": "http_500"}, {"effect": "cut_before"}, {"effect": "error", "code": "6000"}]
)
def test_a_silent_queue_service_stops_no_submission(cloud, fault):
    cloud.add_fault(Fault(action="BatchDeleteMessage", **fault))
    assert submit().run()["state"] == "SUCCEED"


def test_the_check_takes_no_message(cloud):
    cloud.call(lambda emulator: emulator.broker.send("waits", "somebody's"))
    task = submit(wait_for_completion=True)
    before = cloud.count("BatchReceiveMessage"), cloud.count("BatchDeleteMessage")
    operator = task.make()
    operator.defer = lambda **kwargs: None
    operator.execute(task.context())
    assert (cloud.count("BatchReceiveMessage"), cloud.count("BatchDeleteMessage")) == (before[0], before[1] + 1)
    operator.execute(task.context())
    assert cloud.count("BatchDeleteMessage") == before[1] + 1


LOOP: dict = {}
LOOP["again"] = LOOP


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (float("nan"), "is not a finite number"),
        (float("-inf"), "is not a finite number"),
        (2**63, "more than 64 bits"),
        (10**5000, "more than 64 bits"),
        ("half \ud83d", "lone surrogate"),
        ({"\udc00": 1}, "lone surrogate"),
        ({1: "a"}, "a key of type int"),
        ({None: "a"}, "a key of type NoneType"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc), "is a datetime"),
        (b"bytes", "is a bytes"),
        ({1, 2}, "is a set"),
        (object(), "is a object"),
    ],
    ids=lambda value: f"a {type(value).__name__}",
)
def test_a_value_that_no_request_carries_is_refused(odd, words):
    with pytest.raises(ConfigurationError, match=words) as caught:
        check_description(job={"Tasks": [1, odd]}, placement=PLACEMENT)
    assert "job[Tasks][1]" in str(caught.value)


@pytest.mark.parametrize(
    ("odd", "words"),
    [(LOOP, "nested too deeply, or contains itself"), ("x" * 11_000_000, "more than the 10485760 of a request")],
    ids=["loop", "size"],
)
def test_a_description_that_is_too_deep_or_too_long_is_refused(odd, words):
    with pytest.raises(ConfigurationError, match=words):
        check_description(job={"Odd": odd})


@pytest.mark.parametrize("odd", [float("nan"), "half \ud83d", {1: "a"}], ids=ascii)
@pytest.mark.parametrize("part", ["job", "placement", "compute_env"])
def test_every_operator_refuses_what_no_request_carries(cloud, part, odd):
    before = effects(cloud)
    make = create if part == "compute_env" else submit
    given = {"DesiredComputeNodeCount": 1} if part == "compute_env" else {}
    with pytest.raises(ConfigurationError, match=rf"{part}\[Odd\]"):
        make(**{part: {**given, "Odd": odd}}).run()
    assert effects(cloud) == before


def test_everything_that_json_can_carry_is_taken():
    check_description(job={"a": [None, True, 1, -1.5, "ü😀\0", ("x",), {}], "b": {"c": 2**63 - 1}})


def test_a_refusal_of_a_description_quotes_nothing_of_it():
    secret = job(Env={"password": "hunter2\ud83d"})
    with pytest.raises(ConfigurationError, match=r"job\[Env\]\[password\]") as caught:
        submit(job=secret).run()
    assert "hunter2" not in str(caught.value)


# A task that fails after it has submitted.


def job_of(task):
    return task.store["tencent_batch_submission"]["job_id"]


def has_ended(job_id):
    state = BatchHook().get_job_state(job_id)
    assert state is not None
    return state == "FAILED"


def breaks(task, error, *, method="xcom_push"):
    """Let what comes between the submission and the wait fail."""
    context = task.context

    def broken(*args, **kwargs):
        raise error

    def with_broken():
        made = context()
        setattr(made["ti"], method, broken)
        return made

    task.context = with_broken


@pytest.mark.parametrize("cancels", [True, False], ids=["ended", "runs on"])
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "submits only"])
def test_a_job_without_its_wait_is_ended(cancels, waits):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=waits, cancel_on_error=cancels)
    breaks(task, ConnectionError("no XComs today"))
    with pytest.raises(ConnectionError):
        task.run()
    assert has_ended(job_of(task)) == cancels


def test_the_log_says_what_becomes_of_the_job(capsys):
    for settings, words in (({}, "has ended"), ({"cancel_on_error": False}, "runs on: a retry finds it again")):
        task = submit(job=job("scripted: duration=300", JobName=words), on_changed_job="submit", **settings)
        breaks(task, ConnectionError("no XComs today"))
        with pytest.raises(ConnectionError):
            task.run()
        assert words in capsys.readouterr().out


@pytest.mark.parametrize("cancels", [True, False], ids=["ended", "runs on"])
@pytest.mark.parametrize("shape", [list, lambda ids: ids[0]], ids=["list", "text"])
def test_a_wait_that_failed_in_the_triggerer_ends_its_job(cancels, shape):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False, cancel_on_error=cancels)
    job_id = task.run()
    payload = {"status": "error", "error": "QueueMissingError", "message": "it is gone", "job_id": shape([job_id])}
    with pytest.raises(WaitQueueNotFoundError, match="it is gone"):
        task.make().execute_complete(task.context(), payload)
    assert has_ended(job_id) == cancels


@pytest.mark.parametrize(
    ("reason", "setting", "error"),
    [
        (TriggerFailureReason.TRIGGER_FAILURE, "cancel_on_error", TaskDeferralError),
        (TriggerFailureReason.TRIGGER_TIMEOUT, "cancel_on_timeout", TaskDeferralTimeout),
    ],
    ids=["the trigger raised", "Airflow's own timeout"],
)
@pytest.mark.parametrize("cancels", [True, False], ids=["ended", "runs on"])
@pytest.mark.parametrize("durable", [True, False], ids=["durable", "not durable"])
def test_a_wait_that_airflow_ended_ends_its_job(reason, setting, error, cancels, durable):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False, durable=durable, **{setting: cancels})
    job_id = task.run()
    context = task.context()
    context["ti"].xcom_pull = lambda *, task_ids, key, map_indexes: {"job_id": job_id}[key]
    with pytest.raises(error):
        task.make().resume_execution("__fail__", {"error": reason}, context)
    assert has_ended(job_id) == cancels


def test_a_task_that_is_resumed_with_an_event_concludes():
    task = submit(wait_for_completion=False)
    job_id = task.run()
    outcome = {"job_id": job_id, "state": "SUCCEED", "succeeded": True, "source": "event"}
    event = {"status": "ended", "job_id": [job_id], "outcomes": [outcome]}
    result = task.make().resume_execution("execute_complete", {"event": event}, task.context())
    assert result["state"] == "SUCCEED"


def test_a_queue_deleted_before_the_wait_ends_the_job(cloud):
    task = submit(job=job("scripted: duration=300"), queue_name="waits-{hostname}")
    with pytest.raises(WaitQueueNotFoundError):
        task.run()
    assert has_ended(job_of(task))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), AirflowSkipException("not today")], ids=repr)
def test_what_is_no_failure_of_the_task_ends_no_job(error):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False)
    breaks(task, error)
    with pytest.raises(type(error)):
        task.run()
    assert not has_ended(job_of(task))


def breaks_the_record_of_the_job(task, error):
    """Let what comes as soon as the job is known fail."""

    class Broken(StateStore):
        def set(self, key, value):
            super().set(key, value)
            if value["job_id"]:
                raise error

    task.store = Broken()


@pytest.mark.parametrize("cancels", [True, False], ids=["ended", "runs on"])
def test_a_timeout_while_the_job_is_noted_ends_it(cancels):
    task = submit(job=job("scripted: duration=300"), cancel_on_timeout=cancels)
    breaks_the_record_of_the_job(task, AirflowTaskTimeout("time is over"))
    with pytest.raises(BatchJobTimeoutError):
        task.run()
    assert has_ended(job_of(task)) == cancels


def test_a_task_that_is_killed_while_its_job_is_noted_ends_it():
    task = submit(job=job("scripted: duration=300"))
    breaks_the_record_of_the_job(task, KeyboardInterrupt())
    operator = task.make()
    with pytest.raises(KeyboardInterrupt):
        operator.execute(task.context())
    for _ in range(2):
        operator.on_kill()
    assert has_ended(job_of(task))


def test_a_wait_that_ends_without_an_outcome_ends_its_job(cloud):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False)
    job_id = task.run()
    with pytest.raises(ValueError, match="the outcomes of 0 jobs, where 1 were waited for"):
        task.make().execute_complete(task.context(), {"status": "ended", "job_id": [job_id], "outcomes": []})
    assert has_ended(job_id)


def test_a_skipped_task_says_that_its_job_runs_on(capsys):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False)
    breaks(task, AirflowSkipException("not today"))
    with pytest.raises(AirflowSkipException):
        task.run()
    assert f"{job_of(task)} runs on" in capsys.readouterr().out


def test_a_retry_after_its_job_was_ended_submits_a_new_one(cloud):
    task = submit(job=job("scripted: duration=300"), wait_for_completion=False)
    whole = task.context
    breaks(task, ConnectionError("no XComs today"))
    with pytest.raises(ConnectionError):
        task.run()
    first, task.context = job_of(task), whole
    assert task.run() != first


def test_an_environment_without_its_wait_is_left_and_logged(caplog, cloud):
    task = create(wait_for_nodes=0)
    breaks(task, ConnectionError("no XComs today"))
    with pytest.raises(ConnectionError):
        task.run()
    env_id = task.store["tencent_batch_submission"]["job_id"]
    assert f"{env_id} is left as it is, and costs money" in caplog.text
    assert BatchHook().send(batch.describe_compute_env(env_id)).env_id == env_id
