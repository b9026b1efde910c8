# SPDX-License-Identifier: Apache-2.0
"""The data plane as a client sees it: parameters, answers, codes and types."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.cmq_calls import Call, soon

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.service import CmqService


@pytest.fixture(autouse=True)
def names(broker: Broker) -> None:
    broker.create_queue("jobs")
    broker.create_topic("events")
    broker.create_subscription("events", "jobs", protocol="queue", endpoint="jobs")


async def test_one_message_goes_through_its_life(call: Call, clock: Clock) -> None:
    sent = await call("SendMessage", queueName="jobs", msgBody="hello")
    assert sent == {"code": 0, "message": "", "msgId": sent["msgId"]}
    clock.advance(2)
    received = await call("ReceiveMessage", queueName="jobs")
    assert received == {
        "code": 0,
        "message": "",
        "msgBody": "hello",
        "msgId": sent["msgId"],
        "receiptHandle": received["receiptHandle"],
        "enqueueTime": 1_700_000_000,
        "firstDequeueTime": 1_700_000_002,
        "nextVisibleTime": 1_700_000_032,
        "dequeueCount": 1,
    }
    assert received["receiptHandle"].isdecimal()
    types = {name: type(value) for name, value in received.items()}
    assert {name for name, kind in types.items() if kind is str} == {"message", "msgBody", "msgId", "receiptHandle"}
    assert types["enqueueTime"] is types["nextVisibleTime"] is types["firstDequeueTime"] is types["dequeueCount"] is int
    handle = received["receiptHandle"]
    assert await call("DeleteMessage", queueName="jobs", receiptHandle=handle) == {"code": 0, "message": ""}
    again = await call("DeleteMessage", queueName="jobs", receiptHandle=handle)
    assert again == {"code": 4430, "message": "(10260)receipt handle is invalid"}


async def test_batches_are_numbered_from_zero_or_from_one(call: Call) -> None:
    for first in (0, 1):
        params = {f"msgBody.{first + place}": f"{place:02}" for place in range(12)}
        sent = await call("BatchSendMessage", queueName="jobs", **dict(reversed(params.items())))
        received = await call("BatchReceiveMessage", queueName="jobs", numOfMsg=16)
        assert [message["msgBody"] for message in received["msgInfoList"]] == sorted(params.values())
        assert [message["msgId"] for message in received["msgInfoList"]] == [one["msgId"] for one in sent["msgList"]]


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({"msgBody.2": "a", "msgBody.3": "b"}, "(10380)msgBody parameter is not consequent"),
        ({"msgBody.1": "a", "msgBody.3": "b"}, "(10380)msgBody parameter is not consequent"),
        ({"msgBody.0": "a", "msgBody.00": "b"}, "(10380)msgBody parameter is not consequent"),
        ({f"msgBody.{n}": "a" for n in range(17)}, "(10370)msgBody parameter batch size is out of range"),
        ({}, "(10390)lacked of required parameter msgBody.n"),
        ({"msgBody": "a"}, "(10390)lacked of required parameter msgBody.n"),
        ({"msgBody.x": "a"}, "(10390)lacked of required parameter msgBody.n"),
    ],
)
async def test_a_batch_that_is_numbered_wrongly_is_refused(call: Call, params: dict[str, str], answer: str) -> None:
    assert await call("BatchSendMessage", queueName="jobs", **params) == {"code": 4000, "message": answer}


@pytest.mark.parametrize(
    ("action", "params", "code", "module"),
    [
        ("CreateQueue", {"queueName": "new"}, 4000, 10430),
        ("ListQueue", {}, 4000, 10430),
        ("ClearSubscriptionFilterTags", {}, 4000, 10430),
        ("sendMessage", {"queueName": "jobs", "msgBody": "a"}, 4000, 10430),
        ("SendMessage", {"msgBody": "a"}, 4000, 10390),
        ("SendMessage", {"queueName": "jobs"}, 4000, 10120),
        ("SendMessage", {"queueName": "jobs", "msgBody": "a", "delaySeconds": "soon"}, 4000, 10360),
        ("SendMessage", {"queueName": "jobs", "msgBody": "a", "delaySeconds": 3601}, 4000, 10692),
        ("SendMessage", {"queueName": "jobs", "msgBody": "a" * 1_048_577}, 4400, 10230),
        ("SendMessage", {"queueName": "nowhere", "msgBody": "a"}, 4440, 10100),
        ("SendMessage", {"queueName": "no_such.name", "msgBody": "a"}, 4000, 10020),
        ("ReceiveMessage", {"queueName": "nowhere"}, 4440, 10100),
        ("ReceiveMessage", {"queueName": "jobs"}, 7000, 10200),
        ("ReceiveMessage", {"queueName": "jobs", "pollingWaitSeconds": 31}, 4000, 10350),
        ("ReceiveMessage", {"queueName": "jobs", "pollingWaitSeconds": -1}, 4000, 10350),
        ("BatchReceiveMessage", {"queueName": "jobs"}, 4000, 10390),
        ("BatchReceiveMessage", {"queueName": "jobs", "numOfMsg": 0}, 4000, 10350),
        ("BatchReceiveMessage", {"queueName": "jobs", "numOfMsg": 17}, 4000, 10350),
        ("DeleteMessage", {"queueName": "jobs"}, 4000, 10390),
        ("DeleteMessage", {"queueName": "jobs", "receiptHandle": "x"}, 4430, 10260),
        ("BatchDeleteMessage", {"queueName": "jobs"}, 4000, 10390),
        ("BatchDeleteMessage", {"queueName": "nowhere", "receiptHandle": ["1"]}, 4440, 10100),
        ("BatchDeleteMessage", {"queueName": "jobs", "receiptHandle": ["1"] * 17}, 4000, 10370),
        ("PublishMessage", {"topicName": "nowhere", "msgBody": "a"}, 4440, 10600),
        ("PublishMessage", {"topicName": "events"}, 4000, 10120),
        ("PublishMessage", {"topicName": "events", "msgBody": "a" * 65_537}, 4400, 10230),
        ("PublishMessage", {"topicName": "events", "msgBody": "a", "msgTag": list("abcdef")}, 4000, 10720),
        ("BatchPublishMessage", {"topicName": "events", "msgBody": ["a"] * 17}, 4000, 10370),
        ("BatchPublishMessage", {"topicName": "events", "msgBody": ["a", ""]}, 4000, 10120),
        ("BatchPublishMessage", {"topicName": "events", "msgBody": ["a" * 65_537] * 16}, 4470, 10300),
        ("QueryQueueRoute", {"queueName": "nowhere"}, 4440, 10100),
        ("QueryTopicRoute", {"topicName": "nowhere"}, 4440, 10600),
        ("QueryTopicRoute", {}, 4000, 10390),
    ],
)
async def test_what_is_wrong_has_its_code(
    call: Call, broker: Broker, action: str, params: dict[str, Any], code: int, module: int
) -> None:
    answer = await call(action, **params)
    assert answer["code"] == code
    assert answer["message"].startswith(f"({module})")
    assert broker.queues.get("jobs").active_count == 0


async def test_a_request_without_an_action_is_refused(broker: Broker) -> None:
    assert await CmqService(broker).handle({}, "h") == {
        "code": 4000,
        "message": "(10390)lacked of required parameter Action",
    }


async def test_parameters_that_nobody_knows_are_left_alone(call: Call) -> None:
    answer = await call("ReceiveMessage", queueName="jobs", UserpollingWaitSeconds="29999", RequestClient="SDK")
    assert answer["code"] == 7000


async def test_deleting_a_batch_names_the_handles_that_failed(call: Call) -> None:
    await call("BatchSendMessage", queueName="jobs", msgBody=["a", "b"])
    received = await call("BatchReceiveMessage", queueName="jobs", numOfMsg=2)
    first, second = [message["receiptHandle"] for message in received["msgInfoList"]]
    failed = {"code": 4430, "message": "invalid receiptHandle"}
    assert await call("BatchDeleteMessage", queueName="jobs", receiptHandle=[first, "42"]) == {
        "code": 6010,
        "message": "(10150)delete message partially failed",
        "errorList": [{**failed, "receiptHandle": "42"}],
    }
    assert await call("BatchDeleteMessage", queueName="jobs", receiptHandle=[first, "42"]) == {
        "code": 6020,
        "message": "(10290)batch delete message failed",
        "errorList": [{**failed, "receiptHandle": first}, {**failed, "receiptHandle": "42"}],
    }
    assert await call("BatchDeleteMessage", queueName="jobs", receiptHandle=[second]) == {"code": 0, "message": ""}


async def test_a_published_batch_shares_its_tags(call: Call, broker: Broker) -> None:
    broker.change_subscription("events", "jobs", filter_tags=["wanted"])
    answer = await call("BatchPublishMessage", topicName="events", msgBody=["a", "b"], msgTag=["other", "wanted"])
    assert len({message["msgId"] for message in answer["msgList"]}) == 2
    assert [message.body for message in broker.queues.get("jobs").peek()] == ["a", "b"]
    answer = await call("PublishMessage", topicName="events", msgBody="c")
    assert answer["message"] == "(10730)no bindingKey or filterTag matches the routingKey or msgTag"
    assert answer["code"] == 6030


async def test_routes_lead_back_to_the_host(call: Call) -> None:
    expected = {"code": 0, "message": "", "addr": ["127.0.0.1:8080"]}
    assert await call("QueryQueueRoute", queueName="jobs") == expected
    assert await call("QueryTopicRoute", topicName="events") == expected


async def test_a_long_poll_waits_inside_the_request(call: Call, clock: Clock) -> None:
    waiting = asyncio.ensure_future(call("BatchReceiveMessage", queueName="jobs", numOfMsg=16, pollingWaitSeconds=30))
    await asyncio.sleep(0)
    await call("BatchSendMessage", queueName="jobs", msgBody=["a", "b", "c"])
    answer = await soon(waiting)
    assert [message["msgBody"] for message in answer["msgInfoList"]] == ["a", "b", "c"]
    waiting = asyncio.ensure_future(call("ReceiveMessage", queueName="jobs", pollingWaitSeconds=3))
    await asyncio.sleep(0)
    clock.advance(3)
    assert await soon(waiting) == {"code": 7000, "message": "(10200)no message"}


async def test_a_client_that_went_away_loses_no_message(call: Call, broker: Broker) -> None:
    waiting = asyncio.ensure_future(call("ReceiveMessage", queueName="jobs", pollingWaitSeconds=30))
    await asyncio.sleep(0)
    await call("SendMessage", queueName="jobs", msgBody="a")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(waiting)
    answer = await call("ReceiveMessage", queueName="jobs")
    assert (answer["msgBody"], answer["dequeueCount"]) == ("a", 1)


async def test_a_queue_deleted_during_a_long_poll_is_missing(call: Call, broker: Broker) -> None:
    waiting = asyncio.ensure_future(call("ReceiveMessage", queueName="jobs", pollingWaitSeconds=30))
    await asyncio.sleep(0)
    broker.delete_queue("jobs")
    assert (await soon(waiting))["code"] == 4440
