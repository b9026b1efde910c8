# SPDX-License-Identifier: Apache-2.0
"""
Without a task state store, too, a task submits one job: a later try finds it by its tags, or by its client token.

Each test is a task whose first try submits a job to the emulator, and whose later ones come by where it was left.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.airflow_names import TaskDeferred
from support.emulator_helpers import PLACEMENT
from support.without_state_store import Tries

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.exceptions import (
    BatchJobFailedError,
    ConfigurationError,
    JobStateUnknownError,
    SubmissionChangedError,
    SubmissionRecordError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.submission.tags import DESCRIPTION_KEY, OWN_KEYS, SUBMISSION_KEY
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

LONG = "duration=600"


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[RunningEmulator]:
    """A cloud of this module's own: hours pass in it."""
    with start_emulator(delays=Delays.none(starting=0.05, terminating=0.05)) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _without_state_store(cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", False, raising=False)
    monkeypatch.setattr(RetryPolicy, "_pause", lambda self, state: 0.0)


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = BatchHook.get_lasting_job_state
    monkeypatch.setattr(BatchHook, "get_lasting_job_state", lambda self, job_id: lasting(self, job_id, grace=0.0))


class Task(Tries):
    """A task that submits a job, and what the cloud has of it."""

    def __init__(self, cloud: RunningEmulator, script: str = LONG, **settings: Any) -> None:
        super().__init__(self._make)
        self.cloud = cloud
        self.job = build_job(self.dag_id, f"scripted: {script}", image="img-eb30mz89", instance_type="S5.MEDIUM2")
        # The tags for the bill come after these, in what room is left, and are none of theirs.
        defaults = {"wait_for_completion": False, "poll_interval": 0.1, "cost_tags": False}
        self.settings: dict[str, Any] = {**defaults, **settings}

    def _make(self) -> BatchSubmitJobOperator:
        return BatchSubmitJobOperator(task_id="t", job=self.job, placement=PLACEMENT, **self.settings)

    def defer(self) -> str:
        """Execute a try that waits in the triggerer, and return its job."""
        with pytest.raises(TaskDeferred):
            self.run()
        return str(self.xcoms["job_id"])

    def jobs(self) -> list[str]:
        """Return the task's jobs, the oldest first."""
        listed = BatchHook().send(batch.describe_jobs(filters={"job-name": [self.dag_id]}))
        return [job.job_id for job in reversed(listed)]

    def tags(self, job_id: str) -> dict[str, str]:
        (shown,) = BatchHook().send(batch.describe_jobs([job_id]))
        return {tag["Key"]: tag["Value"] for tag in shown.raw["Tags"]}

    def lose_answers(self) -> None:
        self.cloud.add_fault(Fault(effect="cut_after", action="SubmitJob"))
        with pytest.raises(TransportError):
            self.run()
        self.cloud.clear_faults()

    def hide_from_searches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let searches find nothing, as when tags are not indexed yet."""
        monkeypatch.setattr("airflow_batch_events.operators.batch.find_tagged", lambda send, describe, tags: [])


@pytest.fixture
def task(cloud: RunningEmulator) -> Task:
    return Task(cloud)


def state_of(job_id: str) -> str | None:
    return BatchHook().get_job_state(job_id)


def runs(job_id: str) -> bool:
    return state_of(job_id) not in (None, "SUCCEED", "FAILED", "FAILED_INTERRUPTED")


def test_a_retry_finds_its_running_job(task: Task) -> None:
    job_id = task.run()
    assert task.run() == job_id
    assert task.jobs() == [job_id]


def test_a_first_try_searches_nothing(task: Task) -> None:
    before = task.cloud.count("DescribeJobs"), task.cloud.count("DescribeJob")
    task.run()
    assert (task.cloud.count("DescribeJobs"), task.cloud.count("DescribeJob")) == before


def test_a_try_after_one_that_died_first_submits(task: Task) -> None:
    task.number = 1
    assert task.run() == task.run()
    assert len(task.jobs()) == 1


def test_a_retry_hours_later_finds_how_its_job_ended(cloud: RunningEmulator) -> None:
    task = Task(cloud)
    job_id = task.run()
    cloud.advance(7200)
    assert state_of(job_id) == "SUCCEED"
    assert task.run() == job_id
    assert task.jobs() == [job_id]


def test_a_failed_job_is_followed_by_the_next(cloud: RunningEmulator) -> None:
    task = Task(cloud, "duration=600 outcome=failed exit_code=1")
    first = task.run()
    cloud.advance(601)
    second = task.run()
    assert task.run() == second
    cloud.advance(601)
    task.run()
    assert [task.tags(job_id)[SUBMISSION_KEY] for job_id in task.jobs()] == ["1", "2", "3"]
    assert task.jobs()[:2] == [first, second]


def test_a_try_that_lost_its_answer_leads_to_one_job(task: Task) -> None:
    task.lose_answers()
    assert [task.run()] == task.jobs()


def test_what_no_search_shows_yet_is_found_by_its_token(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    first = task.run()
    task.hide_from_searches(monkeypatch)
    assert task.run() == first
    assert task.run() == first
    assert task.jobs() == [first]


def test_tasks_of_one_description_find_their_own_jobs(cloud: RunningEmulator) -> None:
    task, other = Task(cloud), Task(cloud)
    other.job = task.job
    assert (task.run(), other.run()) == (task.run(), other.run())
    assert len(task.jobs()) == 2


def test_ones_own_tags_stay_in_front(task: Task) -> None:
    task.job["Tags"] = [{"Key": "team", "Value": "x"}, {"Key": "cost", "Value": "1"}]
    assert tuple(task.tags(task.run())) == ("team", "cost", *OWN_KEYS)


def test_without_room_for_the_tags_nothing_is_submitted(task: Task) -> None:
    task.job["Tags"] = [{"Key": str(number), "Value": "v"} for number in range(5)]
    with pytest.raises(ConfigurationError, match=r"5 tags.*durable=False"):
        task.run()
    assert task.jobs() == []
    task.settings["durable"] = False
    assert task.tags(task.run()) == {str(number): "v" for number in range(5)}


def test_without_durability_nothing_is_searched_or_added(task: Task) -> None:
    task.settings["durable"] = False
    before = task.cloud.count("DescribeJobs")
    assert task.run() != task.run()
    assert task.cloud.count("DescribeJobs") == before


def test_where_there_is_a_state_store_no_tag_is_added(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_STATE_STORE", True)
    before = task.cloud.count("DescribeJobs")
    job_id = task.run()
    assert task.cloud.count("DescribeJobs") == before
    (shown,) = BatchHook().send(batch.describe_jobs([job_id]))
    assert not shown.raw["Tags"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(effect="http_500", action="DescribeJobs"),
        Fault(effect="cut_before", action="DescribeJobs"),
        Fault(effect="error", action="DescribeJobs", code="RequestLimitExceeded"),
        Fault(effect="error", action="DescribeJobs", code="InternalError"),
        Fault(effect="error", action="DescribeJobs", code="InvalidFilter"),
    ],
    ids=["HTTP 500", "cut", "throttled", "failing", "no such filter"],
)
def test_a_search_that_does_not_tell_submits_nothing(task: Task, fault: Fault) -> None:
    task.number = 1
    before = task.cloud.count("SubmitJob")
    task.cloud.add_fault(fault)
    with pytest.raises(SubmissionRecordError, match=r"Nothing was submitted: run the task again.*durable=False"):
        task.run()
    assert task.cloud.count("SubmitJob") == before
    task.cloud.clear_faults()
    task.run()


@pytest.mark.parametrize("key", [SUBMISSION_KEY, DESCRIPTION_KEY])
def test_a_changed_tag_submits_nothing(task: Task, key: str) -> None:
    job_id = task.run()

    def change(emulator: Any) -> None:
        (tag,) = [tag for tag in emulator.batch._jobs[job_id].spec.tags if tag.key == key]
        tag.value = "mine"

    task.cloud.call(change)
    with pytest.raises(SubmissionRecordError, match=rf"Of {job_id}.*{SUBMISSION_KEY}.*Nothing was submitted"):
        task.run()
    assert task.jobs() == [job_id]


def test_another_description_submits_nothing_unless_it_may(task: Task) -> None:
    first = task.run()
    task.job["Priority"] = 7
    with pytest.raises(SubmissionChangedError, match=first):
        task.run()
    task.settings["on_changed_job"] = "submit"
    second = task.run()
    assert task.run() == second
    assert task.jobs() == [first, second]


def test_clearing_a_waiting_task_ends_its_job(cloud: RunningEmulator) -> None:
    task = Task(cloud, wait_for_completion=True, deferrable=True)
    first = task.defer()
    assert task.defer() == first, "a retry is no clear"
    task.clear()
    second = task.defer()
    assert state_of(first) == "FAILED"
    assert runs(second)
    assert task.defer() == second, "the clear is done"
    assert task.jobs() == [first, second]


@pytest.mark.parametrize(
    "settings",
    [
        {"wait_for_completion": False},
        {"wait_for_completion": True, "deferrable": True, "cancel_on_kill": False},
    ],
    ids=["no wait", "not to be ended"],
)
def test_clearing_ends_no_job_that_is_to_run_on(cloud: RunningEmulator, settings: dict[str, Any]) -> None:
    task = Task(cloud, **settings)
    submit = task.defer if settings.get("deferrable") else task.run
    job_id = submit()
    task.clear()
    assert submit() == job_id
    assert runs(job_id)


def test_a_job_that_cannot_be_ended_is_not_replaced(cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(cloud, wait_for_completion=True, deferrable=True)
    first = task.defer()
    task.clear()
    monkeypatch.setattr(BatchHook, "terminate_job", lambda self, job_id: "it could not be ended")
    with pytest.raises(JobStateUnknownError, match="nothing was submitted"):
        task.run()
    assert task.jobs() == [first]


@pytest.mark.usefixtures("no_grace")
class TestGone:
    """A job that the client token names, and that is not there any more."""

    def test_a_job_that_a_user_deleted_is_submitted_anew(self, task: Task) -> None:
        first = task.run()
        task.cloud.advance(601)
        BatchHook().delete_job(first)
        second = task.run()
        assert second != first
        assert task.run() == second
        assert task.jobs() == [second]

    def test_what_may_have_succeeded_is_not_submitted_again(self, cloud: RunningEmulator) -> None:
        task = Task(cloud, "outcome=succeed", wait_for_completion=True, on_finish_action="delete_succeeded")
        first = task.run()["job_id"]
        assert task.jobs() == []
        with pytest.raises(SubmissionRecordError, match=rf"{first}, which does not exist.*clear the task"):
            task.run()
        assert task.jobs() == []
        task.clear()
        assert task.run()["job_id"] != first

    def test_a_failed_job_is_deleted_by_the_last_try_only(self, cloud: RunningEmulator) -> None:
        task = Task(cloud, "outcome=failed exit_code=1", wait_for_completion=True, on_finish_action="delete")
        for tried in (1, 2):
            with pytest.raises(BatchJobFailedError):
                task.run()
            assert len(task.jobs()) == tried
        with pytest.raises(BatchJobFailedError):
            task.run()
        assert len(task.jobs()) == 2

    def test_a_job_of_which_the_api_says_nothing_is_there(self, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
        first = task.run()
        task.hide_from_searches(monkeypatch)
        task.cloud.add_fault(Fault(effect="http_500", action="DescribeJob"))
        assert task.run() == first
