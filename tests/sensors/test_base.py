# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.tasks import TaskInstance

from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.exceptions import (
    BatchEventsError,
    BatchJobFailedError,
    BatchJobTimeoutError,
    ComputeEnvTimeoutError,
    CredentialsError,
    ParameterError,
)
from airflow_batch_events.sensors.base import TencentCloudSensor


def sensor(**settings: Any) -> TencentCloudSensor:
    return TencentCloudSensor(task_id="t", **settings)


def context(*, rescheduled: bool = False) -> Any:
    ti = TaskInstance()
    ti.first_rescheduled = datetime.now(timezone.utc) if rescheduled else None
    return {"ti": ti}


def refuse() -> bool:
    raise CredentialsError("no")


@pytest.mark.parametrize("name", ["poke_interval", "timeout", "max_wait"])
@pytest.mark.parametrize("given", [90, "90", timedelta(seconds=90)], ids=repr)
def test_a_duration_is_taken_in_every_form(name: str, given: Any) -> None:
    for made in (sensor(**{name: given}), sensor(default_args={name: given})):
        value = getattr(made, name)
        assert (value.total_seconds() if isinstance(value, timedelta) else value) == 90


@pytest.mark.parametrize("given", ["soon", -1, 0], ids=repr)
def test_a_poke_interval_that_is_none_is_refused(given: Any) -> None:
    with pytest.raises(ParameterError, match="task 't': poke_interval"):
        sensor(poke_interval=given)


def test_refused_keys_fail_the_first_poke() -> None:
    with pytest.raises(CredentialsError):
        sensor().poll_for_poke(context(), refuse)


@pytest.mark.parametrize("has_answered", [True, False])
def test_refused_keys_end_nothing_once_the_api_has_answered(has_answered: bool) -> None:
    task = sensor()
    task.poll_for_poke(context(), lambda: has_answered)
    if has_answered:
        task.poll_for_poke(context(), refuse)
    else:
        with pytest.raises(CredentialsError):
            task.poll_for_poke(context(), refuse)


def test_refused_keys_end_no_sensor_that_was_rescheduled() -> None:
    sensor(mode="reschedule").poll_for_poke(context(rescheduled=True), refuse)
    with pytest.raises(CredentialsError):
        sensor(mode="reschedule").poll_for_poke(context(), refuse)


@pytest.mark.parametrize("kind", [BatchJobTimeoutError, ComputeEnvTimeoutError])
def test_a_timeout_is_airflow_s_own(kind: Callable[[str], BatchEventsError]) -> None:
    with pytest.raises(AirflowSensorTimeout, match="too late"):
        sensor().end_with(kind("too late"))


@pytest.mark.parametrize("setting", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("kind", [BatchJobFailedError, BatchJobTimeoutError])
def test_an_end_without_success_may_skip(kind: Callable[[str], BatchEventsError], setting: str) -> None:
    with pytest.raises(AirflowSkipException, match="exit code 1"):
        sensor(**{setting: True}).end_with(kind("exit code 1"))


def test_another_error_is_raised_as_it_is() -> None:
    error = BatchJobFailedError("exit code 1")
    with pytest.raises(BatchJobFailedError) as caught:
        sensor().end_with(error)
    assert caught.value is error
