# SPDX-License-Identifier: Apache-2.0
"""The retry policy in the guide does what the guide says, as Airflow evaluates it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, ExceptionRetryPolicy, RetryAction
from support.airflow_names import DagSerialization

from airflow_batch_events import exceptions
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

GUIDE = (Path(__file__).parents[1] / "docs" / "howto.md").read_text()

MINUTES = {
    exceptions.BatchJobInterruptedError: 5,
    exceptions.BatchJobNotStartedError: 5,
    exceptions.BatchJobNoCapacityError: 5,
    exceptions.ApiQuotaError: 15,
    exceptions.ApiThrottledError: 1,
    exceptions.ApiServerError: 1,
    exceptions.CmqThrottledError: 1,
    exceptions.TransportError: 1,
    exceptions.JobStateUnknownError: 1,
    exceptions.ComputeEnvStateUnknownError: 1,
    exceptions.IdentityUnknownError: 1,
    exceptions.SubmissionRecordError: 1,
}
NEVER = [
    exceptions.ConfigurationError,
    exceptions.CredentialsError,
    exceptions.WaitQueueNotFoundError,
    exceptions.SubmissionChangedError,
    exceptions.IdentityChangedError,
    exceptions.ApiCredentialsError,
    exceptions.ApiParameterError,
    exceptions.CmqCredentialsError,
    exceptions.BatchJobFailedError,
]


@pytest.fixture(scope="module")
def policy() -> ExceptionRetryPolicy:
    (section,) = re.findall(r"^## Retry what a retry can fix\n(.*?)^## ", GUIDE, re.DOTALL | re.MULTILINE)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["RETRY_POLICY"]


def instance_of(kind: type[exceptions.BatchEventsError]) -> exceptions.BatchEventsError:
    if issubclass(kind, exceptions.ApiError):
        return kind("SubmitJob", "SomeCode", "text")
    if issubclass(kind, exceptions.CmqError):
        return kind("BatchReceiveMessage", 4420, None, "text", "queue")
    return kind("text")


@pytest.mark.parametrize(("kind", "minutes"), MINUTES.items(), ids=lambda value: getattr(value, "__name__", value))
def test_what_may_pass_is_retried_after_a_pause(policy, kind, minutes):
    decision = policy.evaluate(instance_of(kind), 1, 4)
    assert (decision.action, decision.retry_delay.total_seconds()) == (RetryAction.RETRY, minutes * 60)


@pytest.mark.parametrize("kind", NEVER)
def test_what_somebody_has_to_fix_fails_at_once_and_says_so(policy, kind):
    decision = policy.evaluate(instance_of(kind), 1, 4)
    assert decision.action is RetryAction.FAIL
    assert decision.reason


def test_what_no_rule_names_is_retried_as_ever(policy):
    assert policy.evaluate(RuntimeError("x"), 1, 4).action is RetryAction.DEFAULT


def test_a_dag_with_the_policy_can_be_stored_and_read_back(policy):
    with DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1)) as dag:
        BatchSubmitJobOperator(task_id="t", job={}, placement={}, retries=4, retry_policy=policy)
    DagSerialization.from_dict(DagSerialization.to_dict(dag))
    again = ExceptionRetryPolicy.deserialize(policy.serialize())
    for kind in [*MINUTES, *NEVER]:
        error = instance_of(kind)
        assert again.evaluate(error, 1, 4) == policy.evaluate(error, 1, 4)


def test_the_policy_of_many_jobs_goes_by_what_most_have_died_of() -> None:
    (section,) = re.findall(r"^### Of many jobs\n(.*?)^## ", GUIDE, re.DOTALL | re.MULTILINE)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    policy = names["UnlessTheInputIsBad"]()
    for causes, action in (
        ({"exit_code": 3, "no_capacity": 1}, RetryAction.FAIL),
        ({"exit_code": 1, "no_capacity": 3}, RetryAction.DEFAULT),
        ({}, RetryAction.DEFAULT),
    ):
        error = exceptions.BatchJobsFailedError("text", summary={"causes": causes})
        assert policy.evaluate(error, 1, 3).action is action
