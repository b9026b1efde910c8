# SPDX-License-Identifier: Apache-2.0
"""What an operator tells OpenLineage, as its provider asks for it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.utils.state import TaskInstanceState
from support.operators import PLACEMENT
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import BatchJobFailedError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.lineage import gathering
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.operators.lineage import LineageMixin
from airflow_batch_events.sensors.batch import BatchJobSensor

pytestmark = pytest.mark.usefixtures("own_run")

BUCKET = "cos://data-1250000000"
COS = f"{BUCKET}.cos.ap-guangzhou.myqcloud.com"


def job(script: str = "outcome=succeed", number: int = 0) -> dict[str, Any]:
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    task = {
        "TaskName": "main",
        "Application": {"DeliveryForm": "LOCAL", "Command": f"scripted: {script}"},
        "ComputeEnv": env,
        "InputMappings": [{"SourcePath": f"{COS}/in/", "DestinationPath": "/in/"}],
        "OutputMappings": [{"SourcePath": "/out/", "DestinationPath": f"{COS}/out/{number}/"}],
    }
    return {"JobName": "j", "Tasks": [task]}


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by its settings: its plugin, once loaded, would listen in all tests of this process.
    monkeypatch.setattr(gathering, "is_wanted", lambda: True)


def told_by(task: Any, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> Any:
    """Return what OpenLineage's provider makes of a task that has ended."""
    dag_run = type("Run", (), {"run_id": "r"})()
    return ExtractorManager().extract_metadata(dag_run, task, state, None)


class Kept:
    """Makes an operator, and keeps the last one: that whose end OpenLineage is told."""

    def __init__(self, kind: type[Any], **settings: Any) -> None:
        self.kind, self.settings, self.last = kind, {"task_id": "t", **settings}, None

    def __call__(self) -> Any:
        self.last = self.kind(**self.settings)
        return self.last


def submit(**settings: Any) -> Kept:
    waits = {"topic_name": "events", "queue_name": "waits", "poll_interval": 0.1, "durable": False}
    return Kept(BatchSubmitJobOperator, placement=PLACEMENT, **{**waits, "job": job(), **settings})


def paths(datasets: list[Any]) -> list[str]:
    return [f"{one.namespace}/{one.name}" for one in datasets]


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_job_that_succeeded(deferrable: bool) -> None:
    make = submit(deferrable=deferrable)
    outcome = TaskRunner(make).run()
    told = told_by(make.last)
    assert (paths(told.inputs), paths(told.outputs)) == ([f"{BUCKET}/in"], [f"{BUCKET}/out/0"])
    (ended,) = told.run_facets["tencentBatch"].jobs
    assert (ended["jobId"], ended["state"], ended["endedBy"]) == (outcome["job_id"], "SUCCEED", outcome["source"])


@pytest.mark.usefixtures("cloud")
def test_a_job_that_failed_says_why() -> None:
    make = submit(job=job("outcome=failed exit_code=3"), deferrable=True)
    with pytest.raises(BatchJobFailedError):
        TaskRunner(make).run()
    told = told_by(make.last, TaskInstanceState.FAILED)
    (ended,) = told.run_facets["tencentBatch"].jobs
    assert (ended["state"], ended["cause"], ended["exitCode"]) == ("FAILED", "exit_code", 3)
    assert paths(told.inputs) == [f"{BUCKET}/in"]


@pytest.mark.usefixtures("cloud")
def test_a_job_that_nobody_waits_for() -> None:
    make = submit(wait_for_completion=False)
    job_id = TaskRunner(make).run()
    told = told_by(make.last)
    assert told.run_facets["tencentBatch"].jobs == [{"jobId": job_id}]
    assert paths(told.outputs) == [f"{BUCKET}/out/0"]


@pytest.mark.usefixtures("cloud")
def test_of_a_list_of_jobs_the_api_says_which_one_it_was() -> None:
    make = submit(job=[job(number=1), job(number=2)], deferrable=True)
    TaskRunner(make).run()
    assert paths(told_by(make.last).outputs) == [f"{BUCKET}/out/1"]


@pytest.mark.usefixtures("cloud")
def test_a_sensor_tells_the_data_of_the_jobs_that_it_has_waited_for() -> None:
    ids = [BatchHook().submit_job(job(number=number), PLACEMENT) for number in (1, 2)]
    make = Kept(BatchJobSensor, job_id=ids, deferrable=True, queue_name="waits")
    TaskRunner(make).run()
    told = told_by(make.last)
    assert (paths(told.inputs), paths(told.outputs)) == ([f"{BUCKET}/in"], [f"{BUCKET}/out/1", f"{BUCKET}/out/2"])
    assert (told.run_facets["tencentBatch"].total, "externalQuery" in told.run_facets) == (2, False)


def test_many_jobs_are_told_by_their_descriptions() -> None:
    task = BatchSubmitJobsOperator(task_id="t", jobs=[job(number=1), job(number=2)], placement=PLACEMENT)
    task.region = "ap-tokyo"
    task.note_ends([{"job_id": "job-1", "state": "SUCCEED"}, {"job_id": "job-2", "state": "FAILED"}])
    told = told_by(task)
    assert paths(told.outputs) == [f"{BUCKET}/out/1", f"{BUCKET}/out/2"]
    assert (told.run_facets["tencentBatch"].total, told.run_facets["tencentBatch"].succeeded) == (2, 1)


def test_where_openlineage_is_off_nothing_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "is_wanted", lambda: False)
    task = BatchSubmitJobsOperator(task_id="t", jobs=[job()], placement=PLACEMENT)
    task.note_ends([{"job_id": "job-1", "state": "SUCCEED"}])
    assert task._gathered is None


def test_a_task_ends_as_it_does_whatever_lineage_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineageMixin, "_own_jobs", lambda self: 1 / 0)
    task = BatchSubmitJobsOperator(task_id="t", jobs=[job()], placement=PLACEMENT)
    task.note_ends([{"job_id": "job-1", "state": "SUCCEED"}])
    assert task._gathered is None
