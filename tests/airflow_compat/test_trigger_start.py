# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.listeners import hookimpl
from airflow.sdk import Asset, BaseOperator
from airflow.sdk.bases.xcom import BaseXCom

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.trigger_start import (
    _listener_manager,
    deployment_needs_worker,
    endless_pulls,
    left_out_at_end,
    left_out_at_start,
    left_out_of_success,
    start_trigger_args,
    with_start_args,
)
from airflow_batch_events.sensors.batch import BatchJobSensor


@pytest.mark.parametrize(
    ("template", "arguments"),
    [
        ("job-1", []),
        ("{{ ti.xcom_pull(task_ids='a', map_indexes=-1) }}", []),
        ("{{ ti.xcom_pull(task_ids='a') }}", ["task_ids='a'"]),
        ("{{ ti.xcom_pull ('a') }}{{ ti.xcom_pull('b', map_indexes=0) }}{{ ti.xcom_pull('c') }}", ["'a'", "'c'"]),
    ],
)
def test_a_pull_without_map_indexes_never_ends_in_the_triggerer(template: str, arguments: list[str]) -> None:
    assert endless_pulls(template) == arguments


def test_what_needs_a_worker_at_the_end_or_at_the_start_is_named() -> None:
    plain = BaseOperator(task_id="plain", on_failure_callback=print)
    assert left_out_at_end(plain) == left_out_at_start(plain) == []
    task = BaseOperator(
        task_id="t",
        outlets=[Asset("x")],
        on_success_callback=print,
        on_skipped_callback=print,
        on_execute_callback=print,
    )
    assert left_out_at_end(task) == ["outlets", "on_success_callback", "on_skipped_callback"]
    assert left_out_at_start(task) == ["on_execute_callback"]


class OwnEnd(BatchJobSensor):
    """Ends in its own way."""

    def execute_complete(self, context: Any, event: object = None) -> Any:
        return super().execute_complete(context, event)


def sensor(kind: type[BatchJobSensor] = BatchJobSensor, **settings: Any) -> BatchJobSensor:
    return kind(task_id="t", job_id="job-1", **settings)


def dag_result() -> BatchJobSensor:
    task = sensor()
    task.returns_dag_result = True
    return task


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (sensor, []),
        # A failed task ends on a worker, and a skipped one, too.
        (lambda: sensor(on_failure_callback=print, on_skipped_callback=print, on_execute_callback=print), []),
        (lambda: sensor(pre_execute=print, multiple_outputs=True, do_xcom_push=False, inlets=[Asset("x")]), []),
        (lambda: sensor(outlets=[Asset("x")]), ["outlets"]),
        (lambda: sensor(on_success_callback=print), ["on_success_callback"]),
        (lambda: sensor(post_execute=print), ["post_execute"]),
        (lambda: sensor(OwnEnd), ["execute_complete"]),
        (dag_result, ["the result of the DAG"]),
        # What the triggerer has of a task with a callback.
        (lambda: SimpleNamespace(has_on_success_callback=True), ["on_success_callback"]),
    ],
)
def test_what_needs_a_worker_when_a_task_ends_well_is_named(make: Callable[[], Any], expected: list[str]) -> None:
    assert left_out_of_success(make()) == expected


@pytest.mark.parametrize(("is_early", "begins_here", "is_named"), [(True, False, True), (True, True, False)])
def test_a_mapped_instance_is_named_by_a_worker(
    monkeypatch: pytest.MonkeyPatch, is_early: bool, begins_here: bool, is_named: bool
) -> None:
    monkeypatch.setattr(abilities, "HAS_EARLY_MAP_INDEX", is_early)
    task = sensor(map_index_template="{{ task.job_id }}")
    assert left_out_of_success(task, begins_here=begins_here) == ([] if is_named else ["map_index_template"])
    monkeypatch.setattr(abilities, "HAS_EARLY_MAP_INDEX", False)
    assert left_out_of_success(task) == ["map_index_template"]


class SuccessListener:
    @hookimpl
    def on_task_instance_success(self) -> None: ...


class RunningListener:
    @hookimpl
    def on_task_instance_running(self) -> None: ...


@pytest.fixture
def add_listener() -> Iterator[Callable[[Any], None]]:
    """Add a listener as a plugin does."""
    manager = _listener_manager()
    added: list[Any] = []

    def add(listener: Any) -> None:
        added.append(listener)
        manager.add_listener(listener)

    yield add
    for listener in added:
        manager.pm.unregister(listener)


def test_a_listener_is_named_if_it_listens_to_ends(add_listener: Callable[[Any], None]) -> None:
    assert deployment_needs_worker() == []
    add_listener(RunningListener())
    assert deployment_needs_worker() == []
    add_listener(SuccessListener())
    assert deployment_needs_worker() == ["a listener"]


def test_what_a_deployment_needs_a_worker_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(BaseXCom):
        @staticmethod
        def serialize_value(value: Any, **_: Any) -> Any:
            return value

    monkeypatch.setattr("airflow_batch_events.airflow_compat.xcom.XCom", Elsewhere)
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")
    assert deployment_needs_worker() == [
        "[core] xcom_backend",
        "[state_store] clear_on_success",
        "[traces] otel_on",
    ]


def test_a_deployment_that_cannot_be_read_keeps_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "perhaps")
    assert deployment_needs_worker() == ["a plugin or a setting that cannot be read"]


def test_the_scheduler_gets_a_class_its_arguments_and_a_bound() -> None:
    given: dict[str, Any] = {"job_id": "job-1"}
    args = start_trigger_args("package.Trigger", given, 90)
    assert (args.trigger_cls, args.trigger_kwargs, args.next_method) == ("package.Trigger", given, "execute_complete")
    assert args.timeout == timedelta(seconds=90)


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_mapped_instances_begin_with_their_own_templates() -> None:
    mapped = BatchJobSensor.partial(task_id="wait", start_from_trigger=True).expand(job_id=["job-1", "job-2"])
    template = "{{ ti.xcom_pull(task_ids='a', map_indexes=ti.map_index) }}"
    args = with_start_args(mapped, {"job_id": template}).start_trigger_args
    assert args is not None
    assert args.trigger_kwargs is not None
    assert args.trigger_kwargs["job_id"] == template
