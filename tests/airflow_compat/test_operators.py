# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG, BaseSensorOperator, task

from airflow_batch_events.airflow_compat.operators import given_argument, keep_links, keyword_arguments
from airflow_batch_events.operators.batch import BatchTerminateJobOperator


@pytest.mark.parametrize(
    ("kwargs", "value"),
    [
        ({"timeout": 5}, 5),
        ({"default_args": {"timeout": 7}}, 7),
        ({"timeout": 5, "default_args": {"timeout": 7}}, 5),
        ({"default_args": None}, None),
        ({}, None),
    ],
)
def test_an_argument_is_the_task_s_or_else_the_default_one(kwargs: dict[str, Any], value: object) -> None:
    assert given_argument(kwargs, "timeout") == value


def test_default_args_of_the_dag_reach_a_constructor() -> None:
    given: list[Any] = []

    class Sensor(BaseSensorOperator):
        def __init__(self, **kwargs: Any) -> None:
            given.append(given_argument(kwargs, "timeout"))
            super().__init__(**kwargs)

    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), default_args={"timeout": 7.0}):
        sensor = Sensor(task_id="t")
    assert given == [7.0]
    assert sensor.timeout == 7.0


def test_kept_links_are_not_written_again_by_airflow() -> None:
    task, other = (BatchTerminateJobOperator(task_id=name, job_id="job-1") for name in ("t", "o"))
    keep_links(task)
    assert list(task.operator_extra_links) == []
    assert list(other.operator_extra_links) != []


def test_a_decorated_function_gets_what_it_takes_by_name() -> None:
    @task.batch_job(placement={"Zone": "z"})
    def describe(name: str, run_id: str) -> dict[str, Any]:
        return {"Tasks": [name, run_id]}

    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        operator = describe("n").operator
    assert keyword_arguments(operator, {"run_id": "r", "other": 1, **operator.op_kwargs}) == {"run_id": "r"}
