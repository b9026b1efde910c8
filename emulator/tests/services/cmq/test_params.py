# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.params import batch, optional_list, whole_number


@pytest.mark.parametrize("first", [0, 1])
def test_a_list_is_in_the_order_of_its_numbers(first: int) -> None:
    params = {f"msgBody.{first + number}": str(number) for number in reversed(range(12))}
    assert optional_list(params, "msgBody") == [str(number) for number in range(12)]


@pytest.mark.parametrize("numbers", [(2,), (0, 2), (1, 3)])
def test_a_gap_is_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(CmqFault, match="10380"):
        optional_list({f"tag.{number}": "x" for number in numbers}, "tag")


@pytest.mark.parametrize("name", ["tag", "tag.", "tag.x", "tag.-1", "tags.0", "tag." + "9" * 5000])
def test_a_name_that_is_no_item_is_left_alone(name: str) -> None:
    assert optional_list({name: "x"}, "tag") == []


def test_a_batch_has_at_least_one_item_and_no_more_than_allowed() -> None:
    with pytest.raises(CmqFault, match="10390"):
        batch({}, "msgBody", 16)
    with pytest.raises(CmqFault, match="10370"):
        batch({f"msgBody.{number}": "x" for number in range(17)}, "msgBody", 16)


@pytest.mark.parametrize("value", ["x", "1.5", "0x10", "9" * 5000, "\u0663"])
def test_what_is_no_whole_number_is_refused(value: str) -> None:
    with pytest.raises(CmqFault, match="10360"):
        whole_number({"numOfMsg": value}, "numOfMsg")


def test_a_number_that_is_left_out_has_its_default_or_is_missing() -> None:
    assert whole_number({"delaySeconds": ""}, "delaySeconds", 0) == 0
    assert whole_number({"delaySeconds": " -5 "}, "delaySeconds", 0) == -5
    with pytest.raises(CmqFault, match="10390"):
        whole_number({}, "numOfMsg")
