# SPDX-License-Identifier: Apache-2.0
"""Where a task cannot be ended rightly in the triggerer, a worker ends it."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.triggers.base import TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.triggers.batch import BatchJobTrigger, check_rendered
from airflow_batch_events.waiting.task_completion import TaskEnd

END = TaskEnd().to_dict()
GOOD_END = TaskEnd(success_only=True).to_dict()


def submit(script: str) -> str:
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    application = {"DeliveryForm": "LOCAL", "Command": f"scripted: {script}"}
    task = {"TaskName": "main", "Application": application, "ComputeEnv": env}
    return BatchHook().submit_job({"JobName": "j", "Tasks": [task]}, {"Zone": "ap-guangzhou-6"})


async def fire(job_id: str | list[str], end: dict[str, Any] | None = END, **settings: Any) -> TriggerEvent:
    """Run a trigger as the triggerer does, after a round trip through its serialized form."""
    timeout_after = settings.pop("timeout_after", None)
    task = settings.pop("task", None)
    _, kwargs = BatchJobTrigger(job_id, "waits", end=end, **settings).serialize()
    trigger = BatchJobTrigger(**kwargs)
    trigger.timeout_after = timeout_after
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    if task is not None:
        trigger.task_instance.task = task
    events = trigger.run()
    try:
        return await events.__anext__()
    finally:
        await events.aclose()


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the XComs that triggers push; there is no triggerer that could store them."""
    keys: list[str] = []

    async def push(trigger: Any, key: str, value: Any, **_: Any) -> None:
        keys.append(key)

    monkeypatch.setattr("airflow_batch_events.waiting.task_completion.push_from_trigger", push)
    return keys


@pytest.fixture
def handovers(monkeypatch: pytest.MonkeyPatch) -> list[Handover]:
    """The outcomes that are held for a worker."""
    held: list[Handover] = []

    async def passed(self: Handover) -> None:
        held.append(self)

    monkeypatch.setattr(Handover, "passed", passed)
    return held


@pytest.mark.parametrize(
    ("script", "end", "kind"),
    [
        ("outcome=succeed", None, TriggerEvent),
        ("outcome=succeed", GOOD_END, TaskSuccessEvent),
        ("outcome=succeed", END, TaskSuccessEvent),
        ("outcome=failed", None, TriggerEvent),
        ("outcome=failed", GOOD_END, TriggerEvent),
        ("outcome=failed", {**GOOD_END, "skip_on_failure": True}, TriggerEvent),
        ("outcome=failed", {**GOOD_END, "raise_on_failure": False}, TaskSuccessEvent),
        ("outcome=failed", END, TaskFailedEvent),
    ],
)
async def test_only_what_a_worker_ends_is_held_for_it(
    cloud: Any, pushed: list[str], handovers: list[Handover], script: str, end: Any, kind: type[TriggerEvent]
) -> None:
    event = await fire(submit(script), end, hold=5.0)

    assert type(event) is kind
    keys = {TaskSuccessEvent: ["return_value"], TaskFailedEvent: ["batch_outcome"]}
    assert pushed == keys.get(kind, [])
    assert len(handovers) == (kind is TriggerEvent)


async def test_how_a_job_ended_is_logged_once(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    await fire(submit("outcome=failed"), GOOD_END)

    assert "ended FAILED" not in capsys.readouterr().out


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
async def test_a_task_that_begins_here_is_asked_again(
    cloud: Any, pushed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster policy, or the deployment, may have added what its constructor did not see."""
    task = SimpleNamespace(template_ext=(), template_fields=(), queue_name="waits")
    settings: dict[str, Any] = {"begins_here": True, "tencentcloud_conn_id": "tencentcloud_default"}
    assert type(await fire(submit("outcome=succeed"), GOOD_END, task=task, **settings)) is TaskSuccessEvent

    task.has_on_success_callback = True
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")

    assert type(await fire(submit("outcome=succeed"), GOOD_END, task=task, **settings)) is TriggerEvent
    assert "because of on_success_callback, [traces] otel_on" in capsys.readouterr().out


async def test_a_failed_job_fails_the_task_and_the_log_says_why(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    event = await fire(submit("outcome=failed exit_code=7"))

    assert isinstance(event, TaskFailedEvent)
    assert "exit code 7" in capsys.readouterr().out


async def test_a_failed_job_skips_the_task_if_wanted(cloud: Any) -> None:
    event = await fire(submit("outcome=failed"), TaskEnd(skip_on_failure=True).to_dict())

    assert isinstance(event, TaskSkippedEvent)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ({"skip_on_exit_code": [7]}, TaskSkippedEvent),
        ({"skip_on_exit_code": [8]}, TaskFailedEvent),
        ({"fail_on_exit_code": [8]}, TaskFailedEvent),
        # Only a worker can end a task without another try.
        ({"fail_on_exit_code": [7]}, TriggerEvent),
        ({"fail_on_exit_code": [7], "skip_on_failure": True}, TaskSkippedEvent),
        ({"skip_on_exit_code": [7], "success_only": True}, TriggerEvent),
    ],
)
async def test_an_exit_code_may_say_how_the_task_ends(cloud: Any, pushed: list[str], codes: Any, kind: Any) -> None:
    event = await fire(submit("outcome=failed exit_code=7"), {**END, **codes})

    assert type(event) is kind
    assert pushed == ([] if kind is TriggerEvent else ["batch_outcome"])


async def test_a_worker_reads_the_exit_code_that_cannot_be_read_here(
    cloud: Any, pushed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_batch_events.waiting.task_completion.EXPLAIN_BOUND", 0.0)

    assert type(await fire(submit("outcome=failed"), {**END, "skip_on_exit_code": [7]})) is TriggerEvent
    assert type(await fire(submit("outcome=failed"))) is TaskFailedEvent
    assert pushed == ["batch_outcome"]


async def test_an_outcome_that_cannot_be_stored_changes_no_end(
    cloud: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def push(*_: Any, **__: Any) -> None:
        raise RuntimeError("the supervisor is busy")

    monkeypatch.setattr("airflow_batch_events.waiting.task_completion.push_from_trigger", push)

    assert type(await fire(submit("outcome=failed"))) is TaskFailedEvent
    assert "Cannot push the outcome as XCom batch_outcome" in capsys.readouterr().out


async def test_a_job_that_does_not_exist_fails_the_task_here(cloud: Any, capsys: pytest.CaptureFixture[str]) -> None:
    event = await fire("job-missing1", grace=0.0)

    assert isinstance(event, TaskFailedEvent)
    assert "was not found" in capsys.readouterr().out


async def test_the_error_of_an_impossible_wait_is_left_to_a_worker(cloud: Any) -> None:
    event = await fire("None")

    assert type(event) is TriggerEvent
    assert event.payload["error"] == "ParameterError"
    assert "job_id is 'None', must be a job id: the task that it comes from was skipped" in event.payload["message"]


async def test_a_list_that_a_template_has_made_of_text_is_waited_for(cloud: Any) -> None:
    job_ids = [submit("outcome=succeed"), submit("outcome=succeed")]
    for value in (str(job_ids), [{"job_id": job_id} for job_id in job_ids]):
        event = await fire(value)
        assert [item["job_id"] for item in event.payload["outcomes"]] == job_ids


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
@pytest.mark.parametrize("value", [None, "", "None"])
@pytest.mark.parametrize("name", ["queue_name", "region", "tencentcloud_conn_id"])
async def test_a_field_rendered_to_nothing_is_an_error(cloud: Any, name: str, value: Any) -> None:
    trigger = BatchJobTrigger("job-00000000", end=END)
    task = SimpleNamespace(**{"template_ext": (), "template_fields": (), name: "{{ given }}"})
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, task=task)
    setattr(trigger, name, value)
    with pytest.raises(ParameterError, match=f"{name} was given"):
        check_rendered(trigger)


async def test_a_result_that_cannot_be_stored_here_is_left_to_a_worker(cloud: Any) -> None:
    """There is no triggerer around this test, so there is nobody who could store an XCom."""
    event = await fire(submit("outcome=succeed"))

    assert type(event) is TriggerEvent
    assert event.payload["outcomes"][0]["succeeded"]


async def test_a_result_too_long_to_expand_is_left_to_a_worker(
    cloud: Any, pushed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways to end that differ: on a worker, Airflow refuses it where a task expands over it."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "1")
    job_ids = [submit("outcome=succeed"), submit("outcome=succeed")]

    event = await fire(job_ids, TaskEnd(is_list=True).to_dict())

    assert type(event) is TriggerEvent
    assert pushed == []


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
async def test_a_name_that_was_rendered_to_a_number_is_taken(cloud: Any) -> None:
    trigger = BatchJobTrigger("job-00000000", queue_name=7, end=END)  # type: ignore[arg-type]
    task = SimpleNamespace(template_ext=(), template_fields=(), queue_name="{{ 7 }}")
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, task=task)
    check_rendered(trigger)
    assert trigger.queue_name == "7"


async def test_an_unknown_way_to_end_is_left_to_a_worker(cloud: Any) -> None:
    for end in ({"push_result": "later"}, {"is_list": 7}, ["later"]):
        event = await fire(submit("outcome=failed"), end)  # type: ignore[arg-type]

        assert type(event) is TriggerEvent
        assert event.payload["outcomes"][0]["state"] == "FAILED"


def test_a_way_to_end_of_another_version_is_read() -> None:
    assert TaskEnd.from_dict({"later": 1}) == TaskEnd()
    assert TaskEnd.from_dict({"push_result": None, "skip_on_failure": True}) == TaskEnd(skip_on_failure=True)
    assert TaskEnd.from_dict(TaskEnd(is_list=None).to_dict()) == TaskEnd(is_list=None)
    codes = TaskEnd(skip_on_exit_code=(99,), fail_on_exit_code=(1, 2))
    assert TaskEnd.from_dict(json.loads(json.dumps(codes.to_dict()))) == codes


async def test_a_wait_that_begins_here_times_out_by_its_own_count(cloud: Any) -> None:
    event = await fire(submit("outcome=hang"), timeout=1.0, begins_here=True)

    assert type(event) is TriggerEvent
    assert event.payload["outcomes"][0]["state"] == "TIMEOUT"


async def test_a_wait_begun_here_times_out_before_airflow_ends_it(
    cloud: Any,
) -> None:
    in_a_minute = datetime.fromtimestamp(time.time() + 60, timezone.utc)

    event = await fire(submit("outcome=hang"), deadline_lead=59.0, timeout_after=in_a_minute)

    assert type(event) is TriggerEvent
    assert event.payload["outcomes"][0]["state"] == "TIMEOUT"
