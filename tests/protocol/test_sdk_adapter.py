# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time

import pytest
from protocol.scripted_cloud import SECRET_ID, SECRET_KEY, Asked
from protocol.tc3 import assert_signed, tc3_signature

from airflow_batch_events.protocol import sdk_adapter
from airflow_batch_events.protocol.credentials.access import Key


def test_our_own_signature_is_that_of_the_published_example() -> None:
    asked = Asked(
        "POST / HTTP/1.1",
        {
            "content-type": "application/json; charset=utf-8",
            "host": "cvm.tencentcloudapi.com",
            "x-tc-timestamp": "1551113065",
        },
        rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
    )
    assert tc3_signature("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "cvm", asked) == (
        "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


@pytest.mark.parametrize("off", [0.0, 172_800.0], ids=["now", "another time"])
def test_a_request_is_signed_with_the_time_that_is_given(off: float) -> None:
    signer = sdk_adapter.Signer("batch", "https://batch.tencentcloudapi.com", "ap-guangzhou")
    at = time.time() + off
    request = signer.sign("DescribeJobs", {"Limit": 1}, Key(SECRET_ID, SECRET_KEY), at)
    assert request.headers["X-TC-Timestamp"] == str(int(at))
    assert_signed(Asked("POST / HTTP/1.1", dict(request.headers), request.content), "batch")
