# SPDX-License-Identifier: Apache-2.0
"""What the tests of waits share."""

from __future__ import annotations

import asyncio

from support.fake_cloud import FakeCloud

from airflow_batch_events.exceptions import ApiThrottledError, CmqQueueNotFoundError

JOB = "job-00000001"


def job_ids(count: int) -> list[str]:
    return [f"job-{number:08d}" for number in range(count)]


async def settle() -> None:
    """Let what was started get as far as its first polls."""
    await asyncio.sleep(2)


async def until_no_poll_for(seconds: float, cloud: FakeCloud) -> None:
    """Let a poll pass, if one is about to come: an event right after it would be checked by another."""
    polls = -1
    while polls != len(cloud.describes):
        polls = len(cloud.describes)
        await asyncio.sleep(seconds)


def queue_missing() -> CmqQueueNotFoundError:
    return CmqQueueNotFoundError("BatchReceiveMessage", 4440, 10100, "queue is not existed, or deleted", "q")


def throttled() -> ApiThrottledError:
    return ApiThrottledError("DescribeJobs", "RequestLimitExceeded", "slow down")
