# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
import json
import pickle
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from support.airflow_names import TaskDeferred
from support.emulator_helpers import PLACEMENT
from support.tasks import TaskRunner

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.exceptions import (
    AirflowFailException,
    TaskDeferralError,
    TaskDeferralTimeout,
)
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.events.many.items import Item
from airflow_batch_events.exceptions import (
    BatchJobsFailedError,
    ConfigurationError,
    IdentityChangedError,
    ParameterError,
    SubmissionChangedError,
    SubmissionRecordError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.operators.batch import BatchSubmitJobsOperator
from airflow_batch_events.submission.many import JOBS_KEY, handover_name
from airflow_batch_events.waiting import many_jobs
from airflow_batch_events.waiting.many_jobs import pack_notes

SERVER = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2"}
names = (f"many-{number}" for number in itertools.count(1))


def job(name: str, command: str = "outcome=succeed") -> dict[str, Any]:
    return build_job(name, f"scripted: {command}", **SERVER)


class Runner(TaskRunner):
    """Tries of a task with its own jobs and its own run; what each submits has its own name."""

    def __init__(self, *commands: str, has_store: bool = True, **settings: Any) -> None:
        self.has_store = has_store
        self.name = next(names)
        self.jobs = [job(f"{self.name}-{index}", command) for index, command in enumerate(commands)]
        self.settings = {"topic_name": "events", "queue_name": "waits", **settings}
        super().__init__(lambda: self.task())

    def task(self) -> BatchSubmitJobsOperator:
        return BatchSubmitJobsOperator(task_id="t", jobs=self.jobs, placement=PLACEMENT, **self.settings)

    def context(self) -> Any:
        self.ti.run_id = self.name
        self.ti.max_tries = 2
        self.ti.xcom_pull = lambda *, task_ids, key, map_indexes: self.ti.xcoms.get(key)
        state = {"task_state_store": self.store if self.has_store else None}
        return {**super().context(), **state, "outlet_events": getattr(self, "outlet_events", {})}


class OutletEvents:
    """The events of the outlets of a task that has one; no dictionary, because 3.1 cannot hash an asset."""

    def __init__(self, event: Any) -> None:
        self.event = event

    def __getitem__(self, asset: object) -> Any:
        return self.event


def submitted(cloud, runner: Runner) -> list[str]:
    rows = cloud.call(lambda emulator: emulator.batch.job_rows(limit=1_000))
    return sorted(row["JobName"] for row in rows if row["JobName"].startswith(f"{runner.name}-"))


def states(outcomes: list[dict[str, Any]]) -> list[str]:
    return [outcome["state"] for outcome in outcomes]


def test_all_jobs_are_submitted_and_waited_for_in_order(cloud):
    runner = Runner(*["outcome=succeed"] * 20)
    outcomes = runner.run()
    assert states(outcomes) == ["SUCCEED"] * 20
    assert set(outcomes[0]) == {"job_id", "state"}
    assert submitted(cloud, runner) == sorted(f"{runner.name}-{n}" for n in range(20))
    assert len(runner.deferrals) == 1


def test_a_retry_submits_only_what_has_failed(cloud):
    runner = Runner("outcome=succeed", "outcome=failed", "outcome=succeed")
    with pytest.raises(BatchJobsFailedError, match=r"2 of 3 jobs succeeded; 1 FAILED.* jobs\[1\] job-\w+ FAILED"):
        runner.run()
    with pytest.raises(BatchJobsFailedError):
        runner.run()
    assert submitted(cloud, runner) == [f"{runner.name}-{n}" for n in (0, 1, 1, 2)]


def failed_try(runner: Runner) -> BatchJobsFailedError:
    with pytest.raises(BatchJobsFailedError) as caught:
        runner.run()
    return caught.value


def test_the_error_and_the_outcomes_have_the_facts_of_each_failure(cloud):
    runner = Runner(
        "outcome=succeed",
        "outcome=failed exit_code=3 stderr=no_table",
        "outcome=failed failure=out_of_memory",
        "outcome=failed failure=no_capacity",
    )
    error = failed_try(runner)
    assert error.causes == {"exit_code": 1, "out_of_memory": 1, "no_capacity": 1}
    assert (error.job_id, error.cause, error.task_name, error.instance, error.exit_code) == (
        error.failures[0]["job_id"],
        "exit_code",
        "main",
        0,
        3,
    )
    assert [(one["index"], one["cause"]) for one in error.failures] == [
        (1, "exit_code"),
        (2, "out_of_memory"),
        (3, "no_capacity"),
    ]
    assert "no_table" in error.failures[0]["reason"]
    assert "Causes: exit_code 1, out_of_memory 1, no_capacity 1" in str(error)
    pushed = runner.ti.xcoms["batch_outcome"]
    assert pushed[0] == {"job_id": pushed[0]["job_id"], "state": "SUCCEED"}
    assert [one.get("cause") for one in pushed] == [None, "exit_code", "out_of_memory", "no_capacity"]
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.causes, copied.failures) == (error.causes, error.failures)


def test_failed_jobs_are_read_before_they_are_deleted(cloud):
    runner = Runner("outcome=failed exit_code=3", on_finish_action="delete", result="summary")
    error = failed_try(runner)
    assert submitted(cloud, runner) == []
    assert error.causes == {"exit_code": 1}
    assert runner.ti.xcoms["batch_outcome"] == error.summary


@pytest.mark.parametrize(("code", "error"), [(3, AirflowFailException), ([1, 2], BatchJobsFailedError)])
def test_an_exit_code_can_fail_the_task_without_another_try(cloud, code, error):
    runner = Runner("outcome=succeed", "outcome=failed exit_code=3", fail_on_exit_code=code)
    with pytest.raises(error) as caught:
        runner.run()
    assert isinstance(caught.value.__cause__ or caught.value, BatchJobsFailedError)


def test_an_exit_code_of_a_failure_that_is_allowed_fails_nothing(cloud):
    runner = Runner("outcome=succeed", "outcome=failed exit_code=3", fail_on_exit_code=3, max_failures=1)
    assert [one.get("cause") for one in runner.run()] == [None, "exit_code"]


def test_a_task_that_has_succeeded_submits_nothing_when_it_runs_again(cloud):
    runner = Runner("outcome=succeed", "outcome=succeed")
    first = runner.run()
    assert runner.run() == first
    assert len(runner.deferrals) == 1
    assert len(submitted(cloud, runner)) == 2


def test_succeeded_jobs_are_deleted_and_yet_not_run_again(cloud):
    runner = Runner("outcome=succeed", "outcome=failed", on_finish_action="delete_succeeded")
    with pytest.raises(BatchJobsFailedError):
        runner.run()
    assert submitted(cloud, runner) == [f"{runner.name}-1"]
    with pytest.raises(BatchJobsFailedError):
        runner.run()
    assert submitted(cloud, runner) == [f"{runner.name}-1"] * 2


def test_some_failures_may_be_allowed_and_a_summary_returned(cloud):
    asset, extra = Asset("tencent-batch://ap-guangzhou/jobs/x"), {}
    events = SimpleNamespace(extra=extra)
    runner = Runner("outcome=succeed", "outcome=failed", max_failures=0.5, result="summary", outlets=[asset])
    runner.outlet_events = OutletEvents(events)
    summary = runner.run()
    assert (summary["total"], summary["succeeded"], summary["states"]) == (2, 1, {"FAILED": 1, "SUCCEED": 1})
    assert [failed["index"] for failed in summary["failed"]] == [1]
    assert extra == {"total": 2, "succeeded": 1}


def test_the_first_failure_ends_the_rest_where_it_shall(cloud):
    runner = Runner("outcome=failed", *["outcome=hang"] * 5, max_active=3, fail_fast=True)
    with pytest.raises(BatchJobsFailedError, match=r"NOT_SUBMITTED.*1 jobs have failed, and 0 may"):
        runner.run()
    rows = cloud.call(lambda emulator: emulator.batch.job_rows(limit=1_000))
    assert {row["JobState"] for row in rows if row["JobName"].startswith(f"{runner.name}-")} == {"FAILED"}


def test_the_execution_timeout_ends_the_jobs(cloud):
    runner = Runner(*["outcome=hang"] * 3, execution_timeout=timedelta(seconds=3))
    with pytest.raises(BatchJobsFailedError, match="3 TIMEOUT"):
        runner.run()
    rows = cloud.call(lambda emulator: emulator.batch.job_rows(limit=1_000))
    assert {row["JobState"] for row in rows if row["JobName"].startswith(f"{runner.name}-")} == {"FAILED"}


def test_a_list_as_text_and_an_empty_one_are_taken(cloud):
    runner = Runner("outcome=succeed")
    runner.jobs = json.dumps(runner.jobs)
    assert states(runner.run()) == ["SUCCEED"]
    empty = Runner()
    assert empty.run() == []
    assert empty.deferrals == []


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        (None, "jobs is None"),
        ({"Tasks": []}, "jobs is a dict"),
        ([{"JobName": "x"}], r"jobs\[0\] has no Tasks"),
        ([job("a"), "what"], r"jobs\[1\] is text that is no JSON object"),
        ([job("a"), {**job("b"), "Priority": "high"}], r"jobs\[1\].Priority is a text, must be a whole number"),
        ([job("a")] * 10_001, "jobs has 10001 jobs, one task takes 10000"),
    ],
)
def test_what_is_no_list_of_jobs_is_refused_before_anything_is_submitted(cloud, jobs, message):
    runner = Runner("outcome=succeed")
    runner.jobs = jobs
    with pytest.raises(ParameterError, match=message):
        runner.run()
    assert runner.store == {}


def test_descriptions_that_are_too_large_are_refused(cloud):
    runner = Runner("outcome=succeed")
    runner.jobs = [{**job("a"), "JobDescription": "x" * 10_000_000}] * 7
    with pytest.raises(ConfigurationError, match="keep large inputs in object storage"):
        runner.run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_active": 0}, "max_active is 0, must be a whole number from 1 to 1000"),
        ({"max_active": 1_001}, "max_active is 1001"),
        ({"max_failures": -1}, "max_failures is -1"),
        ({"max_failures": 1.5}, "max_failures is 1.5, must be a whole number of jobs, or a share"),
        ({"fail_fast": True, "max_failures": 3}, "fail_fast stands for"),
        ({"on_failure": "stop"}, "on_failure is 'stop'"),
        ({"on_finish_action": "burn"}, "on_finish_action is 'burn'"),
        ({"result": "all"}, "result is 'all'"),
        ({"fail_on_exit_code": 0}, "fail_on_exit_code has 0, must be an exit code"),
        ({"skip_on_exit_code": 99}, "skip_on_exit_code is not possible for many jobs"),
        ({"deferrable": False}, "deferrable=False is not possible"),
    ],
)
def test_settings_that_make_no_sense_are_refused_where_the_dag_is_written(settings, message):
    with pytest.raises(ParameterError, match=message):
        Runner("outcome=succeed", **settings).task()


def test_a_queue_that_does_not_exist_is_found_before_anything_is_submitted(cloud):
    runner = Runner("outcome=succeed", queue_name="nowhere")
    with pytest.raises(WaitQueueNotFoundError):
        runner.run()
    assert submitted(cloud, runner) == []


def test_other_descriptions_are_refused_or_submitted_as_told(cloud):
    runner = Runner("outcome=succeed")
    runner.run()
    runner.jobs = [job(f"{runner.name}-x")]
    with pytest.raises(SubmissionChangedError, match="1 jobs with other descriptions"):
        runner.run()
    runner.settings["on_changed_job"] = "submit"
    assert states(runner.run()) == ["SUCCEED"]
    assert submitted(cloud, runner) == [f"{runner.name}-0", f"{runner.name}-x"]


def test_another_region_is_refused(cloud):
    runner = Runner("outcome=succeed")
    runner.run()
    runner.settings["region"] = "ap-beijing"
    with pytest.raises(IdentityChangedError, match="the region was"):
        runner.run()


def test_a_task_that_was_cleared_while_it_waited_begins_anew(cloud):
    runner = Runner("outcome=succeed")
    runner.tries = 1
    with pytest.raises(TaskDeferred) as first:
        runner.task().execute(runner.context())
    runner.store[JOBS_KEY]["waited_under"] = 1
    with pytest.raises(TaskDeferred) as second:
        runner.task().execute(runner.context())
    assert first.value.trigger.seed != second.value.trigger.seed


def test_a_store_that_does_not_answer_ends_the_try(cloud):
    runner = Runner("outcome=succeed")

    def fail(*args: Any) -> Any:
        raise ConnectionError("secret://user:hunter2@store")

    runner.store.set = fail
    with pytest.raises(SubmissionRecordError, match="ConnectionError") as caught:
        runner.run()
    assert "hunter2" not in str(caught.value)
    assert submitted(cloud, runner) == []


def test_a_wait_that_airflow_has_ended_is_gone_on_with(cloud):
    runner = Runner("outcome=succeed")
    runner.tries = 1
    with pytest.raises(TaskDeferred):
        runner.task().execute(runner.context())
    with pytest.raises(TaskDeferralError):
        runner.task().resume_execution("__fail__", {"error": "Trigger failure"}, runner.context())
    assert states(runner.run()) == ["SUCCEED"]
    with pytest.raises(TaskDeferralTimeout):
        runner.task().resume_execution("__fail__", {"error": "Trigger timeout"}, runner.context())


def test_what_a_dead_worker_was_to_take_is_taken_by_the_next_try(cloud, monkeypatch):
    runner = Runner("outcome=succeed")
    runner.tries = 1
    with pytest.raises(TaskDeferred) as caught:
        runner.task().execute(runner.context())
    name = handover_name(caught.value.trigger.seed, caught.value.trigger.wait)
    variables = {name: json.dumps(pack_notes([Item(1, "job-d0ne", "SUCCEED")]))}
    monkeypatch.setattr(many_jobs, "handed_over", variables.get)
    monkeypatch.setattr(many_jobs, "drop_handed_over", variables.pop)
    assert runner.run() == [{"job_id": "job-d0ne", "state": "SUCCEED"}]
    assert (variables, submitted(cloud, runner)) == ({}, [])
    # It is noted now, so that it is not lost with the variable.
    assert runner.run() == [{"job_id": "job-d0ne", "state": "SUCCEED"}]


def test_deleting_with_retries_is_refused_where_nothing_is_noted(monkeypatch):
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", False)
    with pytest.raises(ParameterError, match="set retries=0"):
        Runner("outcome=succeed", on_finish_action="delete", retries=1).task()


def test_without_a_state_store_a_retry_finds_its_jobs_by_their_tokens(cloud):
    runner = Runner("outcome=succeed", "outcome=failed", has_store=False)
    for _ in range(2):
        with pytest.raises(BatchJobsFailedError, match="1 of 2 jobs succeeded"):
            runner.run()
    assert submitted(cloud, runner) == [f"{runner.name}-{n}" for n in (0, 1, 1)]
    with pytest.raises(TaskDeferralTimeout):
        runner.task().resume_execution("__fail__", {"error": "Trigger timeout"}, runner.context())
