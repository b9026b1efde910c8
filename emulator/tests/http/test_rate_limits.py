# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.http.rate_limits import _BATCH, RateLimiter, RateLimits
from tencent_batch_emulator.services.batch.runners.scripted import ScriptedRunner
from tencent_batch_emulator.services.batch.service import BatchService


def admitted(limiter: RateLimiter, action: str, *, service: str = "batch", region: str = "gz", account: int = 1) -> int:
    return sum(limiter.admits_call(service, action, region, account) for _ in range(1000))


@pytest.mark.parametrize(
    ("limits", "action", "service", "number"),
    [
        ("cn", "SubmitJob", "batch", 20),
        ("intl", "SubmitJob", "batch", 7),
        ("intl", "DescribeJobs", "batch", 2),
        ("cn", "DescribeCmqQueueDetail", "tdmq", 100),
        ("cn", "CreateCmqTopic", "tdmq", 20),
        ("cn", "AssumeRole", "sts", 1000),
        ("cn", "GetCallerIdentity", "sts", 20),
        (None, "SubmitJob", "batch", 1000),
    ],
)
def test_as_many_calls_pass_at_once_as_the_documentation_says(
    limits: RateLimits | None, action: str, service: str, number: int
) -> None:
    limiter = RateLimiter(limits, Clock(0, running=False))

    assert admitted(limiter, action, service=service) == number


def test_regions_accounts_and_actions_are_counted_apart() -> None:
    limiter = RateLimiter("cn", Clock(0, running=False))

    assert admitted(limiter, "DescribeJobs") == 10
    assert admitted(limiter, "DescribeJobs", region="bj") == 10
    assert admitted(limiter, "DescribeJobs", account=2) == 10
    assert admitted(limiter, "DescribeTask") == 20
    assert admitted(limiter, "DescribeJobs") == 0


def test_a_limit_refills_evenly() -> None:
    clock = Clock(0, running=False)
    limiter = RateLimiter("cn", clock)
    admitted(limiter, "DescribeJobs")

    clock.advance(0.55)
    assert admitted(limiter, "DescribeJobs") == 5
    clock.advance(3600)
    assert admitted(limiter, "DescribeJobs") == 10


async def test_every_batch_action_has_a_documented_rate() -> None:
    async def publish(topic_name: str, body: str) -> None:
        raise AssertionError("nothing is submitted here")

    clock = Clock(0, running=False)
    actions = set(BatchService(clock, publish, ScriptedRunner(clock)).actions)

    for rates in _BATCH.values():
        assert set(rates) == actions


def test_limits_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="cn, intl"):
        RateLimiter("eu", Clock(0, running=False))  # type: ignore[arg-type]  # what is refused
