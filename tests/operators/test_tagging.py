# SPDX-License-Identifier: Apache-2.0
"""Jobs say whose they are: by tags that change nothing of what is submitted, and that anybody can do without."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.events.many.items import unpack_descriptions
from airflow_batch_events.exceptions import BatchJobFailedError, ConfigurationError, TransportError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from tencent_batch_emulator.testing import RunningEmulator

RUN = "scheduled__2026-01-01T00:00:00+00:00"
KEYS = ["airflow-dag", "airflow-task", "airflow-run", "airflow-try"]


class Runner(TaskRunner):
    """Tries of a task in a DAG of its own."""

    def __init__(self, script: str = "outcome=succeed", tags: Any = None, **settings: Any) -> None:
        self.dag_id = f"dag-{uuid4().hex[:8]}"
        self.has_store = settings.pop("has_store", True)
        job = announced_job(f"scripted: {script}", "events")
        self.settings = {
            "task_id": "t",
            "job": {**job, **({} if tags is None else {"Tags": tags})},
            "placement": PLACEMENT,
            "queue_name": "waits",
            "poll_interval": 0.1,
            **settings,
        }
        super().__init__(lambda: BatchSubmitJobOperator(**self.settings))

    def context(self) -> Any:
        self.ti.dag_id, self.ti.run_id, self.ti.max_tries = self.dag_id, RUN, 3
        return {**super().context(), "task_state_store": self.store if self.has_store else None}


def tags_of(job_id: str) -> dict[str, str]:
    from airflow_batch_events.protocol.apis import batch

    raw = BatchHook().send(batch.describe_job(job_id)).raw
    return {tag["Key"]: tag["Value"] for tag in raw["Tags"] or []}


def test_a_job_says_whose_it_is(cloud: RunningEmulator) -> None:
    task = Runner()
    outcome = task.run()
    assert tags_of(outcome["job_id"]) == dict(zip(KEYS, [task.dag_id, "t", "scheduled__2026-01-01", "1"], strict=True))
    assert outcome["instances"] == 1


def test_a_later_submission_counts_on_and_is_no_changed_job(cloud: RunningEmulator) -> None:
    task = Runner("outcome=failed")
    for number in ("1", "2"):
        with pytest.raises(BatchJobFailedError) as caught:
            task.run()
        assert tags_of(str(caught.value.job_id))["airflow-try"] == number


def test_what_is_sent_again_under_its_token_is_the_same(cloud: RunningEmulator, monkeypatch: Any) -> None:
    sent: list[Any] = []
    submit_job = BatchHook.submit_job

    def submit(hook: BatchHook, job: Any, placement: Any, token: str | None = None) -> str:
        sent.append((token, job))
        if len(sent) == 1:
            raise TransportError("the connection was cut")
        return submit_job(hook, job, placement, token)

    monkeypatch.setattr(BatchHook, "submit_job", submit)
    task = Runner()
    with pytest.raises(TransportError):
        task.run()
    task.run()
    assert sent[0] == sent[1]


@pytest.mark.parametrize("by_setting", [True, False])
def test_nobody_has_to_have_them(cloud: RunningEmulator, monkeypatch: Any, by_setting: bool) -> None:
    if by_setting:
        monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__COST_TAGS", "False")
    assert tags_of(Runner(**({} if by_setting else {"cost_tags": False})).run()["job_id"]) == {}


def test_an_operator_decides_before_the_setting(cloud: RunningEmulator, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIRFLOW__BATCH_EVENTS__COST_TAGS", "False")
    assert set(tags_of(Runner(cost_tags=True).run()["job_id"])) == set(KEYS)


def test_what_a_later_try_needs_comes_before_them(cloud: RunningEmulator, monkeypatch: Any) -> None:
    monkeypatch.setattr("airflow_batch_events.airflow_compat.abilities.HAS_STATE_STORE", False)
    own = [{"Key": "team", "Value": "a"}]
    tags = tags_of(Runner(tags=own, has_store=False).run()["job_id"])
    assert len(tags) == 10
    assert {"team", "airflow-submission", *KEYS[:3]} <= set(tags)
    with pytest.raises(ConfigurationError, match="leave out 1"):
        Runner(tags=[{"Key": f"k{n}", "Value": "a"} for n in range(5)], has_store=False).run()


def test_what_is_forgotten_tells_the_try(cloud: RunningEmulator) -> None:
    task = Runner(durable=False)
    assert [tags_of(task.run()["job_id"])["airflow-try"] for _ in range(2)] == ["1", "2"]


def packed(monkeypatch: Any, **settings: Any) -> list[str]:
    seen: list[Any] = []
    monkeypatch.setattr(BatchSubmitJobsOperator, "_defer", lambda self, context, packed, *_, **__: seen.append(packed))
    jobs = [announced_job("scripted: outcome=succeed", "events") for _ in range(2)]
    task = TaskRunner(
        lambda: BatchSubmitJobsOperator(task_id="t", jobs=jobs, placement=PLACEMENT, queue_name="waits", **settings)
    )
    task.ti.run_id = uuid4().hex
    task.ti.max_tries = 1
    task.make().execute(task.context())
    return unpack_descriptions(seen[0], 2)


def test_many_jobs_say_whose_they_are_but_for_the_try(cloud: RunningEmulator, monkeypatch: Any) -> None:
    for text in packed(monkeypatch):
        assert [key for key in KEYS if f'"{key}"' in text] == KEYS[:3]
    for text in packed(monkeypatch, cost_tags=False):
        assert "airflow-dag" not in text


def test_many_jobs_that_are_too_large_with_tags_go_without(cloud: RunningEmulator, monkeypatch: Any) -> None:
    monkeypatch.setattr("airflow_batch_events.events.many.items.MAX_DESCRIPTIONS", 1000)
    texts = packed(monkeypatch)
    assert sum(map(len, texts)) < 1000
    assert not any("airflow-dag" in text for text in texts)
