# SPDX-License-Identifier: Apache-2.0
"""Which things a list has, and which page of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from helpers.tdmq_calls import Call, refused
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.tc3_schema import Filter
from tencent_batch_emulator.services.tdmq.lists import DEFAULT_LIMIT, MAX_LIMIT, named, paged, tagged
from tencent_batch_emulator.services.tdmq.schema import Page, TaggedPage


@dataclass
class Thing:
    name: str
    tags: list[dict[str, str]] = field(default_factory=list)


words = st.text("abAB-", min_size=1, max_size=4)


async def test_lists_are_filtered_by_name_and_tag(call: Call) -> None:
    for name, team in (("jobs-a", "red"), ("jobs-b", "blue"), ("Other", "red")):
        await call("CreateCmqQueue", QueueName=name, Tags=[{"TagKey": "team", "TagValue": team}])

    async def names(**params: Any) -> list[str]:
        answer = await call("DescribeCmqQueues", **params)
        assert answer["TotalCount"] == len(answer["QueueList"])
        return [queue["QueueName"] for queue in answer["QueueList"]]

    assert await names() == ["jobs-a", "jobs-b", "Other"]
    assert await names(QueueName="OBS") == ["jobs-a", "jobs-b"]
    assert await names(QueueNameList=["other", "nowhere"]) == ["Other"]
    red = [{"Name": "tag:team", "Values": ["red", "green"]}]
    assert await names(IsTagFilter=True, Filters=red) == ["jobs-a", "Other"]
    assert await names(IsTagFilter="true", Filters=red, QueueName="jobs") == ["jobs-a"]
    with refused("InvalidParameterValue", "IsTagFilter"):
        await names(Filters=red)
    with refused("InvalidParameterValue", "color"):
        await names(IsTagFilter=True, Filters=[{"Name": "color", "Values": ["red"]}])


async def test_lists_come_in_pages(call: Call, broker: Broker) -> None:
    for number in range(60):
        broker.create_queue(f"q{number:02}")

    async def names(**params: Any) -> list[str]:
        answer = await call("DescribeCmqQueues", **params)
        assert answer["TotalCount"] == 60
        return [queue["QueueName"] for queue in answer["QueueList"]]

    assert await names() == [f"q{number:02}" for number in range(20)]
    assert await names(Offset=50, Limit=50) == [f"q{number:02}" for number in range(50, 60)]
    assert await names(Offset="60", Limit="1") == []
    for wrong in ({"Limit": 51}, {"Limit": 0}, {"Offset": -1, "Limit": 1}, {"Offset": 1}):
        with refused("InvalidParameterValue"):
            await names(**wrong)


@given(st.integers(0, 150), st.integers(1, MAX_LIMIT))
def test_pages_join_to_the_whole_list(count: int, limit: int) -> None:
    things = range(count)
    pages = [
        paged(things, Page(offset=offset, limit=limit), "Things", lambda number: {"Id": number})
        for offset in range(0, count + 1, limit)
    ]
    assert {page["TotalCount"] for page in pages} == {count}
    assert [thing["Id"] for page in pages for thing in page["Things"]] == list(things)


def test_without_a_limit_a_page_is_short() -> None:
    assert len(paged(range(100), Page(), "Things", lambda number: {})["Things"]) == DEFAULT_LIMIT


@given(st.lists(words, unique=True), words)
def test_a_part_of_a_name_is_found_in_any_case(names: list[str], part: str) -> None:
    things = [Thing(name) for name in names]
    found = [thing.name for thing in named(things, part)]
    assert found == [thing.name for thing in named(things, part.swapcase())]
    assert found == [name for name in names if part.lower() in name.lower()]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["a", "b", "bare"]),
        ({"team": ["red"]}, ["a"]),
        ({"team": ["red", "blue"]}, ["a", "b"]),
        ({"team": ["red", "blue"], "stage": ["test"]}, ["b"]),
        ({"team": ["red"], "stage": ["test"]}, []),
        ({"team": []}, []),
    ],
)
def test_filters_are_anded_and_their_values_ored(wanted: dict[str, list[str]], found: list[str]) -> None:
    stage = {"TagKey": "stage", "TagValue": "test"}
    things = [
        Thing("a", [{"TagKey": "team", "TagValue": "red"}]),
        Thing("b", [{"TagKey": "team", "TagValue": "blue"}, stage]),
        Thing("bare"),
    ]
    filters = [Filter(name=f"tag:{key}", values=values) for key, values in wanted.items()]
    request = TaggedPage(is_tag_filter=True, filters=filters)
    assert [thing.name for thing in tagged(things, request)] == found
