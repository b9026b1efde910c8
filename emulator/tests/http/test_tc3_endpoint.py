# SPDX-License-Identifier: Apache-2.0
"""The TC3 APIs over the port: envelopes, codes, and which service a request is for."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.emulator_calls import submit
from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator


async def test_a_tc3_request_can_be_a_get(client: SignedClient) -> None:
    job_id = await submit(client)

    answer = await client.api(
        "DescribeJobs", {"Filters.0.Name": "job-id", "Filters.0.Values.0": job_id, "Limit": "5"}, method="GET"
    )

    assert [found["JobId"] for found in answer["JobSet"]] == [job_id]


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"action": "SubmitJobs"}, "InvalidAction"),
        ({"x_tc_version": "2016-01-01"}, "NoSuchVersion"),
        ({"x_tc_version": ""}, "MissingParameter"),
        ({"action": ""}, "MissingParameter"),
        ({"x_tc_region": ""}, "MissingParameter"),
        ({"x_tc_region": "Guangzhou"}, "UnsupportedRegion"),
        ({"service": "cvm"}, "NoSuchProduct"),
        ({"content": b"{"}, "InvalidParameter"),
        ({"content": b"[1]"}, "InvalidParameter"),
        ({"content": b"\xff"}, "InvalidParameter"),
        ({"content": b"[" * 100_000}, "InvalidParameter"),
        ({"content_type": "text/plain"}, "InvalidRequest"),
        ({"x_tc_timestamp": "1551113065"}, "AuthFailure.SignatureExpire"),
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"x_tc_token": "stray"}, "AuthFailure.TokenFailure"),
    ],
)
async def test_a_wrong_request_gets_the_envelope_with_its_code(
    client: SignedClient, bent: dict[str, Any], code: str
) -> None:
    answer = await client.api(**{"action": "DescribeJobs", **bent})

    assert answer["Error"]["Code"] == code
    assert answer["Error"]["Message"]
    assert len(answer["RequestId"]) == 36


@pytest.mark.parametrize(
    ("action", "params", "version", "found"),
    [
        ("DescribeJobs", {}, "2017-03-12", "batch"),
        ("DescribeCmqQueues", {}, "2020-02-17", "tdmq"),
        (
            "AssumeRole",
            {"RoleArn": "qcs::cam::uin/1250000001:roleName/any", "RoleSessionName": "me"},
            "2018-08-13",
            "sts",
        ),
    ],
)
async def test_a_service_is_found_by_version_and_action(
    emulator: Emulator, client: SignedClient, action: str, params: dict[str, Any], version: str, found: str
) -> None:
    for scope in ("127", "localhost:8700"):
        assert "Error" not in await client.api(action, params, service=scope, x_tc_version=version)
    assert emulator.requests.count(action, service=found, code="OK") == 2

    refused = await client.api(action, params, service="127", x_tc_version="2019-01-01")
    assert refused["Error"]["Code"] == "NoSuchProduct"


async def test_an_api_request_that_is_too_large_is_told_so(client: SignedClient) -> None:
    answer = await client.api("DescribeJobs", content=b" " * (10 * 1024 * 1024 + 1))

    assert answer["Error"]["Code"] == "RequestSizeLimitExceeded"


async def test_the_log_names_all_that_a_call_asks_for(client: SignedClient, emulator: Emulator) -> None:
    one, other = await submit(client), await submit(client)
    await client.api("DescribeJobs", {"JobIds": [one, other]})

    assert emulator.requests.last(1)[0].target == f"{one}, {other}"
