# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest
from dispatch.waits import JOB, queue_missing
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    CmqCredentialsError,
    CmqParameterError,
    CredentialsError,
    WaitQueueNotFoundError,
)


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (queue_missing(), WaitQueueNotFoundError, "queue 'q' in r does not exist: create it"),
        (
            CmqCredentialsError("BatchReceiveMessage", 4100, 10030, "authentication failed", "q"),
            CredentialsError,
            "keys",
        ),
        (
            CmqParameterError("BatchReceiveMessage", 4000, 10050, "queueName is invalid", "-q-"),
            WaitQueueNotFoundError,
            "cannot exist: correct queue_name",
        ),
    ],
)
def test_a_wrong_setting_fails_every_wait_at_once(run, error, expected, words):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"}, queue_error=error)
        async with running(cloud.consumer()) as consumer:
            waits = [consumer.wait_for([JOB]) for _ in range(3)]
            results = await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), 1)
            for result in results:
                assert isinstance(result, expected)
                assert words in str(result)
            with pytest.raises(expected):
                await consumer.wait_for([JOB])
        assert cloud.closed == 1

    run(scenario())


def test_keys_that_the_api_refuses_fail_every_wait(run):
    async def scenario():
        error = ApiCredentialsError("DescribeJobs", "AuthFailure.SecretIdNotFound", "no such key")
        cloud = FakeCloud(api_error=error)
        async with running(cloud.consumer()) as consumer:
            with pytest.raises(CredentialsError, match="refused the keys for queue 'q' in r"):
                await asyncio.wait_for(consumer.wait_for([JOB]), 1)

    run(scenario())
