# SPDX-License-Identifier: Apache-2.0
"""Another description for each try: which one counts, and that each is submitted once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pendulum
import pytest
from airflow.sdk import DAG
from support.airflow_names import DagSerialization
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.events.job_builder import build_ladder
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.exceptions import (
    BatchJobFailedError,
    BatchJobOutOfMemoryError,
    ParameterError,
    SubmissionChangedError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.submission.record import STATE_KEY
from airflow_batch_events.waiting.job_steps import MAX_STEPS, JobSteps, Step, job_of
from tencent_batch_emulator.testing import RunningEmulator

SPOT = {"InstanceType": "S5.MEDIUM4", "InstanceChargeType": "SPOTPAID"}


def job(script: str, *machines: Any) -> Any:
    described = announced_job(f"scripted: {script}", "events")
    return build_ladder(described, machines) if machines else described


class Runner(TaskRunner):
    """Tries of a task in a DAG of its own."""

    def __init__(self, job: Any, **settings: Any) -> None:
        self.job = job
        self.dag_id = f"dag-{uuid4().hex[:8]}"
        self.has_store = settings.pop("has_store", True)
        self.settings = {"placement": PLACEMENT, "queue_name": "waits", "poll_interval": 0.1, **settings}
        super().__init__(lambda: BatchSubmitJobOperator(task_id="t", job=self.job, **self.settings))

    def context(self) -> Any:
        self.ti.dag_id, self.ti.max_tries = self.dag_id, 3
        return {**super().context(), "task_state_store": self.store if self.has_store else None}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The machines of the jobs that are submitted, in their order."""
    machines: list[dict[str, Any]] = []
    submit_job = BatchHook.submit_job

    def submit(hook: BatchHook, job: Any, placement: Any, token: str | None = None) -> str:
        machines.append({**job["Tasks"][0]["ComputeEnv"]["EnvData"], "Placement": placement})
        return submit_job(hook, job, placement, token)

    monkeypatch.setattr(BatchHook, "submit_job", submit)
    return machines


def types(sent: list[dict[str, Any]]) -> list[str]:
    return [data["InstanceType"] for data in sent]


@pytest.mark.parametrize("settings", [{}, {"deferrable": True}, {"has_store": False}, {"durable": False}], ids=str)
def test_the_next_try_takes_the_larger_machine(
    cloud: RunningEmulator, sent: list[Any], settings: dict[str, Any], monkeypatch: Any
) -> None:
    if not settings.get("has_store", True):
        monkeypatch.setattr("airflow_batch_events.airflow_compat.abilities.HAS_STATE_STORE", False)
    task = Runner(job("memory=6", "S5.MEDIUM4", "S5.LARGE8"), **settings)
    with pytest.raises(BatchJobOutOfMemoryError) as caught:
        task.run()
    assert caught.value.cause == "out_of_memory"

    assert task.run()["succeeded"]
    assert types(sent) == ["S5.MEDIUM4", "S5.LARGE8"]


def test_the_last_machine_counts_for_all_further_tries(cloud: RunningEmulator, sent: list[Any]) -> None:
    task = Runner(job("memory=30", "S5.MEDIUM4", "S5.LARGE8"))
    for _ in range(3):
        with pytest.raises(BatchJobOutOfMemoryError):
            task.run()
    assert types(sent) == ["S5.MEDIUM4", "S5.LARGE8", "S5.LARGE8"]


def on_demand_after_interruption(calls: list[Any]) -> Callable[[int, Any], Any]:
    def next_job(attempt: int, failure: dict[str, Any] | None) -> dict[str, Any]:
        calls.append((attempt, failure and failure["cause"]))
        machine = SPOT if failure is None or failure["cause"] != "interrupted" else {"InstanceType": "S5.MEDIUM4"}
        return job("spot=reclaimed", machine)[0]

    return next_job


@pytest.mark.parametrize("forgets", [False, True], ids=["noted", "asked"])
def test_a_function_learns_how_the_last_job_failed(cloud: RunningEmulator, sent: list[Any], forgets: bool) -> None:
    calls: list[Any] = []
    task = Runner(on_demand_after_interruption(calls))
    with pytest.raises(BatchJobFailedError) as caught:
        task.run()
    assert caught.value.cause == "interrupted"
    if forgets:
        # As a try does that has ended in the triggerer.
        task.store[STATE_KEY] = {**task.store[STATE_KEY], "failure": None}

    assert task.run()["succeeded"]
    assert [data.get("InstanceChargeType") for data in sent] == ["SPOTPAID", None]
    assert calls[-1] == (2, "interrupted")
    assert task.store[STATE_KEY]["after"]["cause"] == "interrupted"


ELSEWHERE = {"InstanceChargeType": "POSTPAID_BY_HOUR", "Zone": "ap-guangzhou-7"}


def elsewhere_after_no_capacity(attempt: int, failure: dict[str, Any] | None) -> dict[str, Any]:
    if failure is None or failure["cause"] != "no_capacity":
        return job("failure=no_capacity outcome=failed")  # type: ignore[no-any-return]
    return {"Job": job("outcome=succeed"), "Placement": {"Zone": "ap-guangzhou-7"}}


@pytest.mark.parametrize(
    ("described", "settings"),
    [
        (elsewhere_after_no_capacity, {}),
        (job("spot=reclaimed", {"InstanceChargeType": "SPOTPAID"}, ELSEWHERE), {}),
        (job("spot=reclaimed", {"InstanceChargeType": "SPOTPAID"}, ELSEWHERE), {"has_store": False}),
    ],
    ids=["function", "ladder", "without a store"],
)
def test_the_next_try_goes_to_another_zone(
    cloud: RunningEmulator, sent: list[Any], described: Any, settings: Any, monkeypatch: Any
) -> None:
    if not settings.get("has_store", True):
        monkeypatch.setattr("airflow_batch_events.airflow_compat.abilities.HAS_STATE_STORE", False)
    task = Runner(described, placement={**PLACEMENT, "ProjectId": 7}, **settings)
    with pytest.raises(BatchJobFailedError):
        task.run()
    assert task.run()["succeeded"]
    other = {"Zone": "ap-guangzhou-7", "ProjectId": 7}
    assert [one["Placement"] for one in sent] == [{**PLACEMENT, "ProjectId": 7}, other]
    # A further try compares it with the zone of its own.
    assert task.run()["succeeded"] or settings
    assert len(sent) == 2 or settings


def test_a_job_in_another_zone_is_a_changed_job(cloud: RunningEmulator) -> None:
    task = Runner(job("outcome=succeed", "S5.MEDIUM4"))
    task.run()
    task.job = job("outcome=succeed", {"InstanceType": "S5.MEDIUM4", "Zone": "ap-guangzhou-7"})
    with pytest.raises(SubmissionChangedError):
        task.run()


def test_a_single_job_may_have_its_placement() -> None:
    both = {"Job": {"JobName": 7}, "Placement": {"Zone": "{{ params.zone }}"}}
    read = job_of("job", both)
    assert read == [{"Job": {"JobName": "7"}, "Placement": {"Zone": "{{ params.zone }}"}}]
    assert job_of("job", read) == read


@pytest.mark.parametrize(
    "value",
    [{"Job": {}}, {"Job": "x"}, {"Job": {"JobName": "j"}, "Placement": 7}, {"Job": {"JobName": "j"}, "Zone": "z"}],
)
def test_a_job_with_a_placement_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match=r"job\[0\]"):
        job_of("job", [value])


def test_a_later_try_finds_the_job_of_its_own_description(
    cloud: RunningEmulator, sent: list[Any], monkeypatch: Any
) -> None:
    task = Runner(on_demand_after_interruption([]))
    with pytest.raises(BatchJobFailedError):
        task.run()
    first = task.run()
    assert task.run()["job_id"] == first["job_id"]
    assert len(sent) == 2


def test_an_answer_that_was_lost_leads_to_the_same_job(cloud: RunningEmulator, monkeypatch: Any) -> None:
    submit_job = BatchHook.submit_job
    ids: list[str] = []

    def submit(hook: BatchHook, *arguments: Any) -> str:
        ids.append(submit_job(hook, *arguments))
        if len(ids) == 2:
            raise TransportError("the connection was cut")
        return ids[-1]

    monkeypatch.setattr(BatchHook, "submit_job", submit)
    task = Runner(job("memory=6", "S5.MEDIUM4", "S5.LARGE8", "S5.2XLARGE32"))
    for error in (BatchJobOutOfMemoryError, TransportError):
        with pytest.raises(error):
            task.run()
    assert task.run()["job_id"] == ids[1] == ids[2]


def test_another_description_of_the_same_try_is_a_changed_job(cloud: RunningEmulator) -> None:
    task = Runner(job("outcome=succeed", "S5.MEDIUM4", "S5.LARGE8"))
    task.run()
    task.job = job("outcome=succeed", "S5.MEDIUM4", "S5.2XLARGE32")
    assert task.run()["succeeded"]
    task.job = job("outcome=succeed", "S5.MEDIUM8", "S5.LARGE8")
    with pytest.raises(SubmissionChangedError):
        task.run()


def test_a_job_that_is_deleted_leaves_its_failure(cloud: RunningEmulator, sent: list[Any]) -> None:
    task = Runner(on_demand_after_interruption([]), on_finish_action="delete")
    with pytest.raises(BatchJobFailedError):
        task.run()
    assert task.run()["succeeded"]


@pytest.mark.parametrize("returned", [None, "text", [], {}, 7])
def test_a_function_that_returns_no_job_submits_nothing(cloud: RunningEmulator, sent: list[Any], returned: Any) -> None:
    def next_job(attempt: int, failure: Any) -> Any:
        return returned

    with pytest.raises(ParameterError, match="next_job has returned"):
        Runner(next_job).run()
    assert sent == []


def test_a_function_needs_the_state_of_tasks(cloud: RunningEmulator, monkeypatch: Any) -> None:
    monkeypatch.setattr("airflow_batch_events.airflow_compat.abilities.HAS_STATE_STORE", False)
    with pytest.raises(ParameterError, match="give a list, one job for each try"):
        Runner(on_demand_after_interruption([]), has_store=False).run()


@pytest.mark.parametrize("value", [[], [{}], [None], [{"JobName": "j"}] * (MAX_STEPS + 1), "[]", 7, None])
def test_what_is_no_list_of_jobs_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match="job"):
        job_of("job", value)


def test_text_of_a_list_is_one_description_for_each_try() -> None:
    assert job_of("job", '[{"JobName": "a"}, {"JobName": "b"}]') == [{"JobName": "a"}, {"JobName": "b"}]


def test_a_function_is_told_the_facts_that_stay_the_same() -> None:
    told: list[Any] = []

    def next_job(attempt: int, failure: Any) -> dict[str, Any]:
        told.append(failure)
        return {"JobName": "j"}

    JobSteps(next_job, PLACEMENT, Step).step(2, Failure("job-1", "FAILED", "signal", "main", 0, 137, "out", "err"))
    assert told[0]["exit_code"] == 137
    assert (told[0]["stdout"], told[0]["stderr"]) == ("", "")


def test_a_dag_with_a_function_can_be_stored_and_rendered() -> None:
    next_job = on_demand_after_interruption([])
    with DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        task = BatchSubmitJobOperator(task_id="t", job=next_job, placement={"Zone": "{{ zone }}"})
    stored = [DagSerialization.to_dict(dag) for _ in range(2)]
    DagSerialization.from_dict(stored[0])
    assert stored[0] == stored[1]
    task.render_template_fields({"zone": "ap-guangzhou-6"})  # type: ignore[typeddict-unknown-key]
    assert task.next_job is next_job
    assert task.placement == {"Zone": "ap-guangzhou-6"}


def test_each_description_of_a_list_is_rendered() -> None:
    task = BatchSubmitJobOperator(task_id="t", job=[{"JobName": "{{ a }}"}, {"JobName": "b"}], placement=PLACEMENT)
    task.render_template_fields({"a": "x"})  # type: ignore[typeddict-unknown-key]
    assert job_of("job", task.job) == [{"JobName": "x"}, {"JobName": "b"}]
