# SPDX-License-Identifier: Apache-2.0
"""The control plane's codes for what the broker refuses."""

from __future__ import annotations

import pytest
from helpers.cmq_faults import MAKERS, make
from tencentcloud.tdmq.v20200217 import errorcodes

from tencent_batch_emulator.services.tdmq.errors import api_error

DOCUMENTED = {code for name, code in vars(errorcodes).items() if name.isupper()}


@pytest.mark.parametrize("name", MAKERS)
def test_every_fault_has_a_documented_code_and_its_text(name: str) -> None:
    fault = make(name)
    error = api_error(fault)
    assert error.code in DOCUMENTED
    assert error.message == f"{fault.text} ({fault.code}, {fault.module})"


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("ResourceNotFound", ["queue_missing", "topic_missing", "subscription_missing"]),
        ("ResourceInUse", ["queue_exists", "topic_exists", "subscription_exists"]),
        ("LimitExceeded", ["too_many_queues", "too_many_topics", "too_many_subscriptions"]),
        ("InvalidParameterValue", ["queue_name_wrong", "topic_name_wrong", "out_of_range", "endpoint_blank"]),
        ("FailedOperation", ["topic_has_subscriptions", "dead_letters_refused", "message_too_large"]),
        ("ResourceUnavailable", ["being_released"]),
    ],
)
def test_a_client_tells_causes_by_the_part_before_the_dot(head: str, names: list[str]) -> None:
    assert {api_error(make(name)).code.partition(".")[0] for name in names} == {head}
