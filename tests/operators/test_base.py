# SPDX-License-Identifier: Apache-2.0
"""What the bases take reaches every operator and sensor: given, from ``default_args``, and mapped."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.bases.sensor import BaseSensorOperator
from support.operators import parameters_of, public_operators, required_by

from airflow_batch_events.exceptions import ParameterError
from airflow_batch_events.operators.base import PollingOperator, TencentCloudOperator, WaitingOperator
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

START = pendulum.datetime(2026, 1, 1)
PLACE = {"tencentcloud_conn_id": "other", "region": "ap-beijing"}
OPERATORS = public_operators()
EACH = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
WAITING = [one for one in OPERATORS if issubclass(one, WaitingOperator)]


def place_of(task: Any) -> dict[str, Any]:
    return {name: getattr(task, name) for name in PLACE}


def instance_of(dag: DAG, values: dict[str, Any]) -> BaseOperator:
    """Return the instance of the mapped task ``t`` that a worker would run with these values."""
    return dag.get_task("t").unmap(values)


@EACH
def test_every_operator_has_the_connection(operator: type[BaseOperator]) -> None:
    assert issubclass(operator, TencentCloudOperator)
    task = operator(task_id="t", **required_by(operator))
    assert place_of(task) == {"tencentcloud_conn_id": "tencentcloud_default", "region": None}
    assert place_of(operator(task_id="t", **required_by(operator), **PLACE)) == PLACE


@EACH
def test_default_args_reach_the_base(operator: type[BaseOperator]) -> None:
    with DAG("d", schedule=None, start_date=START, default_args=PLACE):
        assert place_of(operator(task_id="t", **required_by(operator))) == PLACE
        mine = operator(task_id="u", tencentcloud_conn_id="mine", **required_by(operator))
    assert place_of(mine) == {**PLACE, "tencentcloud_conn_id": "mine"}
    assert place_of(operator(task_id="t", default_args=PLACE, **required_by(operator))) == PLACE


@EACH
def test_partial_and_expand_take_what_the_base_takes(operator: type[BaseOperator]) -> None:
    with DAG("d", schedule=None, start_date=START) as dag:
        partial = operator.partial(task_id="t", tencentcloud_conn_id="other", **required_by(operator))
        partial.expand(region=["ap-beijing", "ap-guangzhou"])
    assert place_of(instance_of(dag, {"region": "ap-beijing"})) == PLACE


@EACH
def test_default_args_reach_the_base_of_a_mapped_task(operator: type[BaseOperator]) -> None:
    required = required_by(operator)
    name, value = required.popitem()
    with DAG("d", schedule=None, start_date=START, default_args=PLACE) as dag:
        operator.partial(task_id="t", **required).expand(**{name: [value, value]})
    assert place_of(instance_of(dag, {name: value})) == PLACE


@pytest.mark.parametrize("operator", WAITING, ids=lambda operator: operator.__name__)
def test_default_args_reach_how_a_task_waits(operator: type[BaseOperator]) -> None:
    given = {"queue_name": "q", "deferrable": "true", "reconcile_interval": "60", "poll_interval": "7"}
    if issubclass(operator, BaseSensorOperator):
        given["poke_interval"] = "7"
    with DAG("d", schedule=None, start_date=START, default_args=given):
        task = operator(task_id="t", **required_by(operator))
    assert (task.queue_name, task.deferrable, task.poll_interval) == ("q", True, 7.0)
    assert getattr(task, "reconcile_interval", 60.0) == 60.0


@EACH
@pytest.mark.parametrize("name", ["poll_intervall", "conn_id"])
def test_a_parameter_that_nobody_takes_is_refused(operator: type[BaseOperator], name: str) -> None:
    with pytest.raises(TypeError, match=name):
        operator(task_id="t", **{name: 1}, **required_by(operator))
    with pytest.raises(TypeError, match=name):
        operator.partial(task_id="t", **{name: 1})


def test_a_sensor_has_poke_interval_instead_of_poll_interval() -> None:
    with pytest.raises(TypeError, match="poll_interval"):
        BatchJobSensor(task_id="t", job_id="job-1", poll_interval=7)


def test_polling_operators_are_no_sensors() -> None:
    for operator in OPERATORS:
        assert not issubclass(operator, PollingOperator) or not issubclass(operator, BaseSensorOperator)
        assert ("poll_interval" in parameters_of(operator)) == issubclass(operator, PollingOperator)


@pytest.mark.parametrize("value", [0, -1, "often", None], ids=repr)
def test_a_poll_interval_that_is_none_is_refused_by_name(value: Any) -> None:
    required = required_by(BatchSubmitJobOperator)
    with pytest.raises(ParameterError, match=r"task 't': poll_interval"):
        BatchSubmitJobOperator(task_id="t", poll_interval=value, **required)
