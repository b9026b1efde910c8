# SPDX-License-Identifier: Apache-2.0
"""The codes of the queue service; clients match on the numbers."""

from __future__ import annotations

from collections import Counter

import pytest
from helpers.cmq_calls import Call
from helpers.cmq_faults import MAKERS, make
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.cmq import errors


def test_each_cause_has_a_number_of_its_own() -> None:
    numbers = Counter(make(name).module for name in MAKERS)
    assert len(numbers) > 40
    assert set(numbers.values()) == {1}


@given(st.sampled_from(sorted(MAKERS)), st.text())
def test_a_message_begins_with_the_number_of_its_cause(name: str, text: str) -> None:
    fault = make(name, text)
    assert fault.message == f"({fault.module}){fault.text}"
    assert str(fault) == f"{fault.code} {fault.message}"


@pytest.mark.parametrize(
    ("name", "code", "module"),
    [
        ("parameter_missing", 4000, 10390),
        ("throttled", 4420, 10250),
        ("handle_invalid", 4430, 10260),
        ("queue_missing", 4440, 10100),
        ("topic_missing", 4440, 10600),
        ("topic_without_subscription", 6030, 10650),
        ("no_message", 7000, 10200),
    ],
)
def test_the_codes_that_clients_match_on(name: str, code: int, module: int) -> None:
    fault = make(name)
    assert (fault.code, fault.module) == (code, module)


def test_a_batch_says_whether_any_of_it_was_deleted() -> None:
    assert str(errors.deletes_failed(all_of_them=True)) == "6020 (10290)batch delete message failed"
    assert str(errors.deletes_failed(all_of_them=False)) == "6010 (10150)delete message partially failed"


async def test_a_fault_is_the_answer_of_the_data_plane(call: Call) -> None:
    fault = errors.queue_missing()
    assert await call("ReceiveMessage", queueName="nowhere") == {"code": fault.code, "message": fault.message}
