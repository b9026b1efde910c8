# SPDX-License-Identifier: Apache-2.0
"""Requests have the fields that the vendor's SDK sends, and know what was not sent."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tencentcloud.tdmq.v20200217 import models

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.tc3_schema import Tc3Struct, read, write
from tencent_batch_emulator.services.tdmq import schema

REQUESTS: dict[str, type[Tc3Struct]] = {
    "CreateCmqQueue": schema.CreateQueue,
    "DeleteCmqQueue": schema.QueueName,
    "DescribeCmqQueues": schema.DescribeQueues,
    "DescribeCmqQueueDetail": schema.QueueName,
    "ModifyCmqQueueAttribute": schema.QueueSettings,
    "ClearCmqQueue": schema.QueueName,
    "RewindCmqQueue": schema.RewindQueue,
    "UnbindCmqDeadLetter": schema.UnbindDeadLetter,
    "SendCmqMsg": schema.SendMessage,
    "CreateCmqTopic": schema.CreateTopic,
    "DeleteCmqTopic": schema.TopicName,
    "DescribeCmqTopics": schema.DescribeTopics,
    "DescribeCmqTopicDetail": schema.TopicName,
    "ModifyCmqTopicAttribute": schema.ModifyTopic,
    "PublishCmqMsg": schema.PublishMessage,
    "CreateCmqSubscribe": schema.CreateSubscribe,
    "DeleteCmqSubscribe": schema.SubscriptionName,
    "DescribeCmqSubscriptionDetail": schema.DescribeSubscriptions,
    "ModifyCmqSubscriptionAttribute": schema.ModifySubscription,
    "ClearCmqSubscriptionFilterTags": schema.SubscriptionName,
}
SETTINGS = [field for field in msgspec.structs.fields(schema.QueueSettings) if not field.required]
NUMBERS = [field.encode_name for field in SETTINGS if field.type == int | None]


@pytest.mark.parametrize("action", REQUESTS)
def test_a_request_has_the_fields_that_the_sdk_sends(action: str) -> None:
    documented = {name.removeprefix("_") for name in vars(getattr(models, f"{action}Request")())}
    assert {field.encode_name for field in msgspec.structs.fields(REQUESTS[action])} == documented


def test_every_request_of_the_sdk_is_known() -> None:
    sent = {name.removesuffix("Request") for name in vars(models) if "Cmq" in name and name.endswith("Request")}
    assert set(REQUESTS) == sent


@given(st.dictionaries(st.sampled_from(NUMBERS), st.integers(0, 2**31)))
def test_what_was_not_sent_is_none(sent: dict[str, int]) -> None:
    request = read({"QueueName": "jobs", **sent}, schema.QueueSettings)
    assert {field.encode_name: getattr(request, field.name) for field in SETTINGS} == {
        field.encode_name: sent.get(field.encode_name) for field in SETTINGS
    }


@given(st.dictionaries(st.sampled_from(NUMBERS), st.integers(0, 2**31)))
def test_null_is_not_sent_and_numbers_may_be_text(sent: dict[str, int]) -> None:
    texts = {**dict.fromkeys(NUMBERS), **{name: str(number) for name, number in sent.items()}}
    assert write(read({"QueueName": "jobs", **texts}, schema.QueueSettings)) == {"QueueName": "jobs", **sent}


def test_an_empty_list_was_sent() -> None:
    name = {"TopicName": "events", "SubscriptionName": "jobs"}
    assert read(name, schema.ModifySubscription).filter_tags is None
    assert read({**name, "FilterTags": []}, schema.ModifySubscription).filter_tags == []


def test_a_tag_has_both_its_parts() -> None:
    with pytest.raises(ApiError, match=r"Tags\[0\]\.TagValue") as refused:
        read({"QueueName": "jobs", "Tags": [{"TagKey": "team"}]}, schema.CreateQueue)
    assert refused.value.code == "MissingParameter"
