# SPDX-License-Identifier: Apache-2.0
"""What may begin and end in the triggerer, and what is refused while the DAG is parsed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, task, task_group
from airflow.serialization.serialized_objects import BaseSerialization
from support.airflow_names import DagSerialization

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.sensors.batch import BatchJobSensor
from airflow_batch_events.waiting.trigger_start import (
    DEFERRAL_MARGIN,
    as_template,
    deadline_of,
    deferral_timeout,
    end_in_trigger,
)

JOB = {"JobName": "j"}
PLACE = {"Zone": "ap-guangzhou-6"}


@pytest.fixture
def dag() -> Any:
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        yield dag


def submit(task_id: str = "submit", **kwargs: Any) -> BatchSubmitJobOperator:
    settings = {"wait_for_completion": False, **kwargs}
    return BatchSubmitJobOperator(task_id=task_id, job=JOB, placement=PLACE, **settings)


def mapped_submit(**kwargs: Any) -> Any:
    settings = {"wait_for_completion": False, **kwargs}
    return BatchSubmitJobOperator.partial(task_id="submit", placement=PLACE, **settings).expand(job=[JOB, JOB])


def scheduled(dag: Any, task_id: str = "wait") -> Any:
    """Return the task as the scheduler reads it."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task(task_id)


def trigger_kwargs(dag: Any, task_id: str = "wait") -> dict[str, Any]:
    return BaseSerialization.deserialize(scheduled(dag, task_id).start_trigger_args.trigger_kwargs)


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_an_output_becomes_a_template(dag: Any) -> None:
    sensor = BatchJobSensor(task_id="wait", job_id=submit().output, queue_name="q", start_from_trigger=True)

    assert trigger_kwargs(dag)["job_id"] == (
        "{{ ti.xcom_pull(task_ids='submit', key='return_value', map_indexes=-1) }}"
    )
    assert sensor.upstream_task_ids == {"submit"}


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_in_a_mapped_group_the_same_instance_is_pulled(dag: Any) -> None:
    @task_group
    def one(command: str) -> None:
        BatchJobSensor(task_id="wait", job_id=submit(region=command).output, start_from_trigger=True)

    one.expand(command=["a", "b"])

    assert "map_indexes=ti.map_index" in trigger_kwargs(dag, "one.wait")["job_id"]


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_each_mapped_sensor_reads_its_own_job(dag: Any) -> None:
    sensor = BatchJobSensor.for_each(mapped_submit(), task_id="wait", queue_name="q")

    assert sensor.upstream_task_ids == {"submit"}
    assert trigger_kwargs(dag)["job_id"] == (
        "{{ ti.xcom_pull(task_ids='submit', key='return_value', map_indexes=ti.map_index) }}"
    )


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_each_sensor_for_a_list_reads_the_item_of_its_own_index(dag: Any) -> None:
    @task
    def submit_all() -> list[str]:
        return ["job-1", "job-2"]

    BatchJobSensor.for_each(submit_all(), task_id="wait")

    assert trigger_kwargs(dag)["job_id"].endswith("map_indexes=-1)[ti.map_index] }}")


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_for_each_takes_default_args() -> None:
    defaults = {"queue_name": "the-queue", "tencentcloud_conn_id": "other"}
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args=defaults) as dag:
        BatchJobSensor.for_each(mapped_submit(), task_id="wait", timeout=60, soft_fail=True)

    kwargs = trigger_kwargs(dag)
    assert (kwargs["queue_name"], kwargs["tencentcloud_conn_id"]) == ("the-queue", "other")
    assert kwargs["end"]["skip_on_failure"] is True
    assert scheduled(dag).start_trigger_args.timeout == timedelta(seconds=60 + DEFERRAL_MARGIN)
    assert dag.task_ids == ["submit", "wait"]


def test_a_plain_mapped_sensor_begins_on_a_worker(dag: Any) -> None:
    BatchJobSensor.partial(task_id="wait", start_from_trigger=True).expand(job_id=mapped_submit().output)

    assert scheduled(dag).start_trigger_args is None


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: BatchJobSensor(task_id="wait", job_id="{{ ti.xcom_pull('submit') }}", start_from_trigger=True),
            "map_indexes=-1",
        ),
        (
            lambda: BatchJobSensor(task_id="wait", job_id=mapped_submit().output, start_from_trigger=True),
            r"BatchJobSensor\.for_each",
        ),
        (
            lambda: BatchJobSensor(task_id="wait", job_id=submit().output.map(str), start_from_trigger=True),
            r"map\(\), zip\(\)",
        ),
        (
            lambda: BatchJobSensor(
                task_id="wait", job_id="job-1", start_from_trigger=True, on_execute_callback=lambda context: None
            ),
            "on_execute_callback",
        ),
        (
            lambda: BatchJobSensor(
                task_id="wait", job_id="job-1", end_from_trigger=True, on_success_callback=lambda context: None
            ),
            "on_success_callback",
        ),
        (lambda: submit(end_from_trigger=True, outlets=[Asset("x")]), "outlets"),
        (lambda: submit(end_from_trigger=True, log_output=True), "log_output need a worker"),
        (
            lambda: BatchJobSensor.for_each(mapped_submit(), task_id="wait", trigger_rule="all_done"),
            "trigger_rule='all_success'",
        ),
        (
            lambda: BatchJobSensor.for_each(mapped_submit(wait_for_completion=True), task_id="wait"),
            "wait_for_completion=False",
        ),
        (
            lambda: BatchJobSensor.for_each(submit(wait_for_completion=True), task_id="wait"),
            "returns outcomes, not job ids",
        ),
        (lambda: BatchJobSensor.for_each(mapped_submit().output.map(str), task_id="wait"), r"map\(\), zip\(\)"),
    ],
)
def test_what_the_triggerer_cannot_do_is_refused_with_advice(dag: Any, make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
@pytest.mark.parametrize(
    ("execution_timeout", "expected"), [(None, 60), (timedelta(seconds=100), 60), (timedelta(seconds=30), 30)]
)
def test_the_wait_times_out_before_airflow_ends_it(
    dag: Any, execution_timeout: timedelta | None, expected: float
) -> None:
    BatchJobSensor(
        task_id="wait", job_id="job-1", start_from_trigger=True, timeout=60, execution_timeout=execution_timeout
    )

    assert trigger_kwargs(dag)["timeout"] == expected
    assert scheduled(dag).start_trigger_args.timeout == timedelta(seconds=60 + DEFERRAL_MARGIN)


END = {"push_result": True}


@pytest.mark.parametrize(
    ("end_from_trigger", "needs", "expected"),
    [
        (None, [], {**END, "success_only": True}),
        (None, ["outlets"], None),
        (True, [], END),
        (False, [], None),
    ],
)
def test_a_task_ends_here_where_nothing_is_lost(
    end_from_trigger: bool | None, needs: list[str], expected: dict[str, Any] | None
) -> None:
    assert end_in_trigger(end_from_trigger, END, needs) == expected


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, True),
        ({"on_success_callback": print}, None),
        ({"map_index_template": "{{ task.job_id }}"}, None),
        ({"end_from_trigger": False}, None),
        ({"end_from_trigger": True}, False),
    ],
)
def test_a_wait_begun_here_ends_here_where_nothing_is_lost(
    dag: Any, settings: dict[str, Any], expected: bool | None
) -> None:
    BatchJobSensor(task_id="wait", job_id="job-1", start_from_trigger=True, **settings)

    end = trigger_kwargs(dag)["end"]
    assert (end and end.get("success_only", False)) is expected


def test_a_default_does_not_defer(dag: Any) -> None:
    assert BatchJobSensor(task_id="a", job_id="job-1").deferrable is False
    assert BatchJobSensor(task_id="b", job_id="job-1", end_from_trigger=True).deferrable is True
    assert submit(end_from_trigger=None).deferrable is False
    assert submit("c", end_from_trigger=True).deferrable is True


def test_a_deadline_is_in_the_cloud_s_time() -> None:
    hook = BatchHook()
    assert deadline_of(60, hook) is None
    clock = CloudClock(wall=time.time)
    vars(hook)["client"] = SimpleNamespace(clock=clock)
    assert deadline_of(60, hook) is None
    clock.learn(time.time(), is_good=True)
    assert deadline_of(60, hook) == pytest.approx(time.time() + 60, abs=5)
    assert deadline_of(None, hook) is None


def test_airflow_ends_no_wait_that_has_no_end() -> None:
    assert deferral_timeout(None) is None
    assert deferral_timeout(60) == timedelta(seconds=60 + DEFERRAL_MARGIN)


def test_a_start_is_refused_where_airflow_has_none(dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_START_FROM_TRIGGER", False)
    with pytest.raises(ValueError, match=r"task 'wait': start_from_trigger=True needs Airflow 3\.3 or newer"):
        BatchJobSensor(task_id="wait", job_id="job-1", start_from_trigger=True)


def test_for_each_begins_on_workers_where_airflow_has_no_start(dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "HAS_START_FROM_TRIGGER", False)
    sensor = BatchJobSensor.for_each(mapped_submit(), task_id="wait", queue_name="q")

    assert sensor.partial_kwargs["start_from_trigger"] is False
    assert sensor.partial_kwargs["end_from_trigger"] is True


def test_each_item_of_a_list_is_made_a_template(dag: Any) -> None:
    output = submit().output
    wait = BatchJobSensor(task_id="wait", job_id="job-1")
    pulled = "{{ ti.xcom_pull(task_ids='submit', key='return_value', map_indexes=-1) }}"
    assert as_template(wait, "job_id", ["job-1", output, None]) == ["job-1", pulled, None]


def test_what_can_be_no_template_is_refused_with_its_parameter(dag: Any) -> None:
    wait = BatchJobSensor(task_id="wait", job_id="job-1")
    with pytest.raises(ValueError, match="task 'wait': job_id must be text, a template or a task's output, not 7"):
        as_template(wait, "job_id", 7)
