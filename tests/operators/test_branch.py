# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pendulum
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup
from support.airflow_names import DownstreamTasksSkipped
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import BatchJobTimeoutError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.branch import BatchJobBranchOperator

pytestmark = pytest.mark.usefixtures("cloud")

GOOD, BAD, ENDLESS = "duration=0.3", "outcome=failed duration=0.3", "outcome=hang"
DOWNSTREAM = ("publish", "alarm", "inspect", "archive.first", "archive.second")
BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])


def submit(script: str, *, interrupt: bool = False) -> str:
    job = announced_job(f"scripted: {script}", "events")
    if interrupt:
        job["Tasks"][0]["FailedAction"] = "INTERRUPT"
    return BatchHook().submit_job(job, PLACEMENT)


class Branching(TaskRunner):
    """A branch in a DAG with the tasks that it can follow, ``archive`` a group of them."""

    def __init__(self, job_id: str, **settings: Any) -> None:
        super().__init__(self._make)
        self.settings = {
            "job_id": job_id,
            "queue_name": "waits",
            "poll_interval": 0.1,
            "on_succeeded": "publish",
            "on_failed": "alarm",
            **settings,
        }

    def _make(self) -> BatchJobBranchOperator:
        with DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
            branch = BatchJobBranchOperator(task_id="t", **self.settings)
            tasks = [EmptyOperator(task_id=name) for name in DOWNSTREAM if "." not in name]
            with TaskGroup("archive") as archive:
                EmptyOperator(task_id="first")
                EmptyOperator(task_id="second")
            branch >> [*tasks, archive]
        self.branch = branch
        return branch

    def context(self) -> Any:
        self.ti.task = self.branch
        return super().context()

    def followed(self) -> set[str]:
        """Run the branch, and return the tasks that are not skipped."""
        with pytest.raises(DownstreamTasksSkipped) as caught:
            self.run()
        return set(DOWNSTREAM) - {task if isinstance(task, str) else task[0] for task in caught.value.tasks}


@BOTH_WAYS
@pytest.mark.parametrize(
    ("script", "state", "followed"), [(GOOD, "SUCCEED", "publish"), (BAD, "FAILED", "alarm")], ids=["good", "bad"]
)
def test_the_result_decides_the_branch(deferrable: bool, script: str, state: str, followed: str) -> None:
    job_id = submit(script)
    task = Branching(job_id, deferrable=deferrable)
    assert task.followed() == {followed}
    outcome = task.ti.xcoms["outcome"]
    assert (outcome["job_id"], outcome["state"]) == (job_id, state)


@BOTH_WAYS
@pytest.mark.parametrize(
    ("settings", "followed"),
    [({"on_interrupted": "inspect"}, {"inspect"}), ({}, {"alarm"})],
    ids=["own branch", "as a failure"],
)
def test_an_interrupted_job_has_a_branch(deferrable: bool, settings: dict[str, Any], followed: set[str]) -> None:
    task = Branching(submit(BAD, interrupt=True), deferrable=deferrable, **settings)
    assert task.followed() == followed
    assert task.ti.xcoms["outcome"]["state"] == "FAILED_INTERRUPTED"


def test_a_failed_job_does_not_take_the_interrupted_branch() -> None:
    assert Branching(submit(BAD), on_interrupted="inspect").followed() == {"alarm"}


def test_a_branch_may_be_several_tasks() -> None:
    assert Branching(submit(GOOD), on_succeeded=["publish", "inspect"]).followed() == {"publish", "inspect"}


def test_a_branch_may_be_a_task_group() -> None:
    assert Branching(submit(GOOD), on_succeeded="archive").followed() == {"archive.first", "archive.second"}


@BOTH_WAYS
def test_a_wait_that_times_out_follows_nothing(deferrable: bool) -> None:
    limit = timedelta(seconds=0.5)
    task = Branching(submit(ENDLESS), execution_timeout=limit, deferrable=deferrable)
    with pytest.raises(BatchJobTimeoutError):
        task.run()
    assert "outcome" not in task.ti.xcoms


def test_the_links_are_there_before_the_wait(cloud: Any) -> None:
    job_id = submit(GOOD)
    task = Branching(job_id, deferrable=True)
    seen: dict[str, Any] = {}
    with pytest.raises(DownstreamTasksSkipped):
        task.run(meanwhile=lambda: seen.update(task.ti.xcoms))
    assert seen["_link_BatchJobLink"] == f"{cloud.endpoint}/console/jobs/{job_id}"
