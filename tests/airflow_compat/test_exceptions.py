# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_batch_events.airflow_compat import exceptions


@pytest.mark.parametrize(
    ("reason", "error"),
    [("Trigger timeout", exceptions.TaskDeferralTimeout), ("Trigger failure", exceptions.TaskDeferralError)],
)
def test_a_wait_that_airflow_has_ended_is_one_of_two_errors(reason: str, error: type[Exception]) -> None:
    context: Any = {}
    with pytest.raises(error):
        BaseOperator(task_id="t").resume_execution("__fail__", {"error": reason}, context)


def test_what_ends_a_task_is_an_exception_of_airflow() -> None:
    for name in exceptions.__all__:
        error = getattr(exceptions, name)
        # A time-out and a deferral must not be caught with the errors that a task handles.
        base = BaseException if name in ("AirflowTaskTimeout", "TaskDeferred") else exceptions.AirflowException
        assert issubclass(error, base), name
    assert not issubclass(exceptions.AirflowTaskTimeout, Exception)
