# SPDX-License-Identifier: Apache-2.0
"""Queues through the control plane."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helpers.tdmq_calls import Call, detail, refused

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker


async def test_what_was_set_is_read_back_whatever_its_json_type(call: Call) -> None:
    settings = {
        "MaxMsgHeapNum": 1_000_000,
        "PollingWaitSeconds": 3,
        "VisibilityTimeout": 60,
        "MaxMsgSize": 2048,
        "MsgRetentionSeconds": 7200,
        "RewindSeconds": 600,
        "RetentionSizeInMB": 10_240,
        "Trace": True,
    }
    await call("CreateCmqQueue", QueueName="one", **settings, Tags=[{"TagKey": "team", "TagValue": "a"}])
    await call("CreateCmqQueue", QueueName="two", **{name: str(value).lower() for name, value in settings.items()})
    one, two = await detail(call, "one"), await detail(call, "two")
    assert {name: one[name] for name in settings} == settings
    assert {name: two[name] for name in settings} == settings
    assert one["Tags"] == [{"TagKey": "team", "TagValue": "a"}]


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({}, "MissingParameter", "QueueName"),
        ({"QueueName": "jobs"}, "ResourceInUse.Queue", "jobs"),
        ({"QueueName": "JOBS"}, "ResourceInUse.Queue", "JOBS"),
        ({"QueueName": "1st"}, "InvalidParameterValue", "1st"),
        ({"QueueName": "a" * 65}, "InvalidParameterValue", "64"),
        ({"QueueName": "new-dlq"}, "InvalidParameterValue", "-dlq"),
        ({"QueueName": "new-retry"}, "InvalidParameterValue", "-retry"),
        ({"QueueName": "new", "VisibilityTimeout": 0}, "InvalidParameterValue", "VisibilityTimeout"),
        ({"QueueName": "new", "VisibilityTimeout": "soon"}, "InvalidParameterValue", "VisibilityTimeout"),
        ({"QueueName": "new", "MsgRetentionSeconds": 345_600}, "InvalidParameterValue", "43200"),
        ({"QueueName": "new", "Color": "red"}, "UnknownParameter", "Color"),
        ({"QueueName": "new", "Tags": [{"Key": "a", "Value": "b"}]}, "UnknownParameter", "Key"),
        ({"QueueName": "new", "DeadLetterQueueName": "none", "MaxReceiveCount": 3}, "ResourceNotFound", ""),
        ({"QueueName": "new", "DeadLetterQueueName": "jobs", "MaxReceiveCount": 0}, "InvalidParameterValue", "1000"),
    ],
)
async def test_a_queue_that_cannot_be_is_refused(call: Call, params: dict[str, Any], code: str, text: str) -> None:
    await call("CreateCmqQueue", QueueName="jobs")
    with refused(code, text):
        await call("CreateCmqQueue", **params)
    assert (await call("DescribeCmqQueues"))["TotalCount"] == 1


async def test_modifying_changes_what_was_sent_and_nothing_else(call: Call, clock: Clock) -> None:
    await call("CreateCmqQueue", QueueName="jobs", PollingWaitSeconds=3)
    before = await detail(call)
    clock.advance(10)
    assert await call("ModifyCmqQueueAttribute", QueueName="jobs", VisibilityTimeout=60, RewindSeconds=None) == {}
    after = await detail(call)
    assert {name for name in after if after[name] != before[name]} == {"VisibilityTimeout", "LastModifyTime"}
    assert after["LastModifyTime"] == before["LastModifyTime"] + 10_000
    with refused("InvalidParameterValue", "PollingWaitSeconds"):
        await call("ModifyCmqQueueAttribute", QueueName="jobs", VisibilityTimeout=5, PollingWaitSeconds=31)
    assert await detail(call) == after


@pytest.mark.parametrize(
    "action", ["DeleteCmqQueue", "DescribeCmqQueueDetail", "ModifyCmqQueueAttribute", "ClearCmqQueue"]
)
async def test_a_missing_queue_is_not_found(call: Call, action: str) -> None:
    with refused("ResourceNotFound"):
        await call(action, QueueName="nowhere")


async def test_counts_are_shown_and_a_queue_can_be_cleared(call: Call, broker: Broker) -> None:
    await call("CreateCmqQueue", QueueName="jobs")
    for delay in (0, 0, "60"):
        sent = await call("SendCmqMsg", QueueName="jobs", MsgContent="hello", DelaySeconds=delay)
        assert sent["Result"] is True
        assert re.fullmatch(r"[0-9A-F]{30,32}", sent["MsgId"])
    await broker.queues.get("jobs").receive()
    view = await detail(call)
    assert (view["ActiveMsgNum"], view["InactiveMsgNum"], view["DelayMsgNum"]) == (1, 1, 1)
    assert view["MinMsgTime"] == 1_700_000_000
    [listed] = (await call("DescribeCmqQueues"))["QueueList"]
    assert listed["DelayMsgNum"] is None
    await call("ClearCmqQueue", QueueName="jobs")
    view = await detail(call)
    assert (view["ActiveMsgNum"], view["InactiveMsgNum"], view["DelayMsgNum"]) == (0, 0, 0)


async def test_a_message_that_is_too_large_is_a_failed_operation(call: Call) -> None:
    await call("CreateCmqQueue", QueueName="jobs", MaxMsgSize=1024)
    with refused("FailedOperation", "exceed maximum message size"):
        await call("SendCmqMsg", QueueName="jobs", MsgContent="x" * 1025, DelaySeconds=0)
    with refused("ResourceNotFound"):
        await call("SendCmqMsg", QueueName="nowhere", MsgContent="x", DelaySeconds=0)


@pytest.mark.parametrize("unit", [1, 1000])
async def test_rewinding_takes_seconds_and_milliseconds(call: Call, broker: Broker, clock: Clock, unit: int) -> None:
    await call("CreateCmqQueue", QueueName="jobs", RewindSeconds=600)
    queue = broker.queues.get("jobs")
    queue.send(["a"])
    [receipt] = await queue.receive()
    queue.delete(receipt.handle)
    assert (await detail(call))["RewindMsgNum"] == 1
    clock.advance(10)
    await call("RewindCmqQueue", QueueName="jobs", StartConsumeTime=1_700_000_000 * unit)
    view = await detail(call)
    assert (view["ActiveMsgNum"], view["RewindMsgNum"]) == (1, 0)


async def test_a_queue_without_rewind_refuses(call: Call) -> None:
    await call("CreateCmqQueue", QueueName="jobs")
    with refused("FailedOperation", "cannot be rewinded"):
        await call("RewindCmqQueue", QueueName="jobs", StartConsumeTime=1_700_000_000)


async def test_dead_letters_are_bound_shown_and_unbound(call: Call) -> None:
    dead = await call("CreateCmqQueue", QueueName="dead")
    source = await call("CreateCmqQueue", QueueName="jobs", DeadLetterQueueName="dead", MaxReceiveCount=5)
    assert (await detail(call))["DeadLetterPolicy"] == {
        "DeadLetterQueue": "dead",
        "Policy": 0,
        "MaxReceiveCount": 5,
        "MaxTimeToLive": 0,
    }
    expected = [{"QueueId": source["QueueId"], "QueueName": "jobs"}]
    assert (await detail(call, "dead"))["DeadLetterSource"] == expected
    listed = await call("DescribeCmqDeadLetterSourceQueues", DeadLetterQueueName="dead")
    assert listed == {"TotalCount": 1, "QueueSet": expected}
    with refused("FailedOperation", "jobs"):
        await call("DeleteCmqQueue", QueueName="dead")
    await call("ModifyCmqQueueAttribute", QueueName="jobs", Policy=1, MaxTimeToLive=300)
    assert (await detail(call))["DeadLetterPolicy"]["Policy"] == 1
    with refused("InvalidParameterValue", "below MsgRetentionSeconds"):
        await call("ModifyCmqQueueAttribute", QueueName="jobs", MsgRetentionSeconds=300)
    await call("UnbindCmqDeadLetter", SourceQueueName="jobs")
    assert (await detail(call))["DeadLetterPolicy"] is None
    await call("DeleteCmqQueue", QueueName="dead")
    assert dead["QueueId"] != source["QueueId"]
