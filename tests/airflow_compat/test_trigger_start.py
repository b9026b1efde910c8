# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import Asset, BaseOperator

from airflow_batch_events.airflow_compat.trigger_start import (
    endless_pulls,
    left_out_at_end,
    left_out_at_start,
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
