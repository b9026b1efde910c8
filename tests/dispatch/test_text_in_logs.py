# SPDX-License-Identifier: Apache-2.0
"""What others have sent reaches the triggerer's log as text of one line."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.fake_cloud import FakeCloud, running

from airflow_batch_events.exceptions import ApiServerError, TransportError
from airflow_batch_events.text import printable

JOB = "job-00000001"
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\r\n12:00:00 [info] all is well \x9b31m\u202e::group::"


def read(run, caplog, prepare):
    async def scenario():
        cloud = FakeCloud({JOB: "RUNNING"})
        async with running(cloud.consumer()) as consumer:
            prepare(cloud)
            wait = asyncio.ensure_future(consumer.wait_for([JOB]))
            await asyncio.sleep(400)
            wait.cancel()
            await asyncio.gather(wait, return_exceptions=True)

    with caplog.at_level(logging.DEBUG):
        run(scenario())
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("airflow_batch_events")]
    assert lines
    return lines


@pytest.mark.parametrize(
    "body",
    [HOSTILE, f'{{"Events": [{{"EventTime": "{HOSTILE[-9:]}"}}]}}', "x" * 500_000],
    ids=["text", "event", "long"],
)
def test_a_body_is_one_line_of_bounded_length(run, caplog, body):
    lines = read(run, caplog, lambda cloud: cloud.put(body))
    assert any("Body of message" in line for line in lines)
    assert all(line == printable(line, 3000) for line in lines)


@pytest.mark.parametrize(
    "error",
    [
        TransportError(f"no answer: {HOSTILE}"),
        ApiServerError("DescribeJobs", "InternalError", HOSTILE),
        OSError(HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("of", ["queue_error", "api_error"])
def test_an_error_of_whatever_library_is_one_line(run, caplog, error, of):
    lines = read(run, caplog, lambda cloud: setattr(cloud, of, error))
    assert any("all is well" in line for line in lines)
    assert all(line == printable(line) for line in lines)
