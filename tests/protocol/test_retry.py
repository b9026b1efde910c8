# SPDX-License-Identifier: Apache-2.0
"""Which calls are made again. No test sleeps: the pauses are handed to a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiServerError,
    ApiThrottledError,
    CloudError,
    CmqQueueNotFoundError,
    CmqServerError,
    CmqThrottledError,
    TransportError,
)
from airflow_batch_events.protocol.retry import NO_RETRY, RetryPolicy

MAY_PASS: list[CloudError] = [
    TransportError("cut"),
    ApiServerError("DescribeJobs", "InternalError", "oops"),
    CmqServerError("SendMessage", 6000, 10050, "oops", "q"),
]
THROTTLED: list[CloudError] = [
    ApiThrottledError("SubmitJob", "RequestLimitExceeded", "slow down"),
    CmqThrottledError("SendMessage", 4420, 10250, "qps throttling", "q"),
]
FINAL: list[CloudError] = [
    ApiParameterError("SubmitJob", "InvalidParameter", "bad"),
    CmqQueueNotFoundError("SendMessage", 4440, 10100, "queue is not existed, or deleted", "q"),
]


class Call:
    """Fails as often as it is told to, then succeeds."""

    def __init__(self, error: BaseException, failures: int) -> None:
        self._error = error
        self._failures = failures
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.count <= self._failures:
            raise self._error
        return "done"


Run = Callable[[RetryPolicy, Call, bool, list[float]], str]


def run_blocking(policy: RetryPolicy, call: Call, repeatable: bool, pauses: list[float]) -> str:
    return policy.call(call, repeatable=repeatable, sleep=pauses.append)


def run_async(policy: RetryPolicy, call: Call, repeatable: bool, pauses: list[float]) -> str:
    async def make() -> str:
        return call()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return asyncio.run(policy.acall(make, repeatable=repeatable, sleep=sleep))


@pytest.fixture(params=[run_blocking, run_async], ids=["blocking", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: type(error).__name__)
def test_a_repeatable_call_survives_failures_that_pass(run: Run, error: CloudError) -> None:
    pauses: list[float] = []
    assert run(RetryPolicy(retries=3), Call(error, 3), True, pauses) == "done"
    assert len(pauses) == 3


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: type(error).__name__)
def test_the_last_failure_is_raised_when_the_repeats_are_used_up(run: Run, error: CloudError) -> None:
    call = Call(error, 100)
    with pytest.raises(type(error)) as raised:
        run(RetryPolicy(retries=3), call, True, [])
    assert raised.value is error
    assert call.count == 4


@pytest.mark.parametrize("error", MAY_PASS, ids=lambda error: type(error).__name__)
def test_a_write_of_unknown_effect_is_not_repeated(run: Run, error: CloudError) -> None:
    call = Call(error, 1)
    with pytest.raises(type(error)):
        run(RetryPolicy(), call, False, [])
    assert call.count == 1


@pytest.mark.parametrize("error", THROTTLED, ids=lambda error: type(error).__name__)
def test_a_throttled_write_is_repeated_because_it_had_no_effect(run: Run, error: CloudError) -> None:
    assert run(RetryPolicy(throttled_retries=5), Call(error, 5), False, []) == "done"


@pytest.mark.parametrize("error", FINAL, ids=lambda error: type(error).__name__)
def test_an_error_that_stays_is_raised_at_once(run: Run, error: CloudError) -> None:
    call = Call(error, 1)
    with pytest.raises(type(error)):
        run(RetryPolicy(), call, True, [])
    assert call.count == 1


@pytest.mark.parametrize("error", [*MAY_PASS, *THROTTLED], ids=lambda error: type(error).__name__)
def test_retries_can_be_switched_off(run: Run, error: CloudError) -> None:
    call = Call(error, 1)
    with pytest.raises(type(error)):
        run(NO_RETRY, call, True, [])
    assert call.count == 1


def test_pauses_double_with_jitter_up_to_the_longest(run: Run) -> None:
    pauses: list[float] = []
    policy = RetryPolicy(throttled_retries=8, first_pause=1.0, max_pause=10.0)
    run(policy, Call(THROTTLED[0], 8), True, pauses)
    for pause, longest in zip(pauses, [1, 2, 4, 8, 10, 10, 10, 10], strict=True):
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 8, "callers that failed together must not come back together"


async def test_a_cancelled_call_is_not_made_again() -> None:
    started = asyncio.Event()
    count = 0

    async def make() -> None:
        nonlocal count
        count += 1
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(RetryPolicy().acall(make, repeatable=True))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert count == 1
