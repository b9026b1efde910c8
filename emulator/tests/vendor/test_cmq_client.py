# SPDX-License-Identifier: Apache-2.0
"""The vendor's queue client, unmodified, against the emulator's port: every action, errors included."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.cmq.broker import Broker

pytestmark = pytest.mark.filterwarnings("ignore:The mailcap module:DeprecationWarning")

T = TypeVar("T")


class Vendor:
    """The queue client's objects, called in a thread since they block."""

    def __init__(self, emulator: Emulator, method: str, sign: str) -> None:
        # Its subscription module imports, and never uses, a module that Python 3.13 has removed.
        if "mailcap" not in sys.modules and sys.version_info >= (3, 13):
            sys.modules["mailcap"] = types.SimpleNamespace(subst=None)  # type: ignore[assignment]  # a stand-in
        from cmq import queue, subscription, topic
        from cmq.account import Account
        from cmq.cmq_client import CMQClient
        from cmq.cmq_exception import CMQServerException

        self.account = Account(emulator.endpoint, emulator.secret_id, emulator.secret_key)
        self.account.set_sign(sign)
        self.account.get_client().set_method(method)
        self.queue = self.account.get_queue("jobs")
        self.topic = self.account.get_topic("events")
        self.subscription = self.account.get_subscription("events", "jobs")
        self.queue_message, self.topic_message = queue.Message, topic.Message
        self.queue_meta, self.topic_meta = queue.QueueMeta, topic.TopicMeta
        self.exception = CMQServerException
        self.classes = (Account, CMQClient, queue.Queue, topic.Topic, subscription.Subscription)
        self._ran: set[types.CodeType] = set()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.to_thread(self._watched, function, *arguments)

    def never_ran(self) -> set[str]:
        """Return the public methods of the client that no call has come through."""
        return {
            f"{owner.__name__}.{name}"
            for owner in self.classes
            for name, member in vars(owner).items()
            if inspect.isfunction(member) and not name.startswith("_") and member.__code__ not in self._ran
        }

    def _watched(self, function: Callable[..., T], *arguments: Any) -> T:
        def note(frame: types.FrameType, event: str, _: object) -> None:
            if event == "call":
                self._ran.add(frame.f_code)

        sys.setprofile(note)
        try:
            return function(*arguments)
        finally:
            sys.setprofile(None)

    async def error(self, function: Callable[..., object], *arguments: Any) -> Any:
        with pytest.raises(self.exception) as caught:
            await self.call(function, *arguments)
        return caught.value


@pytest.fixture(params=["POST sha1", "POST sha256", "GET sha1", "GET sha256"])
def vendor(
    request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Vendor]:
    # It logs into a file of the working directory, and keeps that handler for good.
    monkeypatch.chdir(tmp_path)
    vendor = Vendor(emulator, *request.param.split())
    yield vendor
    vendor.account.get_client().close_connection()
    logger = vendor.account.logger
    for handler in list(getattr(logger, "handlers", [])):
        if isinstance(handler, logging.FileHandler):
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture
def broker(emulator: Emulator) -> Broker:
    """The emulator's broker with a queue, and a topic that it subscribes to."""
    broker: Broker = emulator.broker
    broker.create_queue("jobs")
    broker.create_topic("events")
    broker.create_subscription("events", "jobs", protocol="queue", endpoint="jobs", filter_tags=["red"])
    return broker


async def test_a_message_goes_through_its_life(vendor: Vendor, broker: Broker, emulator: Emulator) -> None:
    body = '{"a": "ü & = + % 100", "b": "second line\\n"}'
    sent = await vendor.call(vendor.queue.send_message, vendor.queue_message(body))
    received = await vendor.call(vendor.queue.receive_message, 3)
    assert (received.msgBody, received.msgId, received.dequeueCount) == (body, sent.msgId, 1)
    assert isinstance(received.receiptHandle, str)
    assert received.nextVisibleTime - received.firstDequeueTime == 30
    assert abs(received.enqueueTime - emulator.clock.time()) < 30
    assert str(received)
    await vendor.call(vendor.queue.delete_message, received.receiptHandle)
    assert broker.queues.get("jobs").inactive_count == 0
    error = await vendor.error(vendor.queue.delete_message, received.receiptHandle)
    assert (error.code, error.message) == (4430, "(10260)receipt handle is invalid")
    error = await vendor.error(vendor.queue.receive_message, 0)
    assert (error.code, error.message) == (7000, "(10200)no message")


async def test_batches_are_sent_received_and_deleted(vendor: Vendor, broker: Broker) -> None:
    # Two-digit numbers are signed in another order than they are counted.
    bodies = [f"message {number:02}" for number in range(16)]
    sent = await vendor.call(vendor.queue.batch_send_message, [vendor.queue_message(body) for body in bodies])
    received = await vendor.call(vendor.queue.batch_receive_message, 16, 3)
    assert sorted(message.msgBody for message in received) == bodies
    assert {message.msgId for message in received} == {message.msgId for message in sent}
    handles = [message.receiptHandle for message in received]
    await vendor.call(vendor.queue.batch_delete_message, handles[:8])
    error = await vendor.error(vendor.queue.batch_delete_message, [handles[0], handles[8]])
    assert error.code == 6010
    expected = {"code": 4430, "message": "invalid receiptHandle", "receiptHandle": handles[0]}
    assert error.data["errorList"] == [expected]
    error = await vendor.error(vendor.queue.batch_delete_message, handles[:2])
    assert error.code == 6020
    assert broker.queues.get("jobs").inactive_count == 7


async def test_a_long_poll_ends_with_its_message(vendor: Vendor, broker: Broker) -> None:
    waiting = asyncio.ensure_future(vendor.call(vendor.queue.receive_message, 20))
    for _ in range(500):
        await asyncio.sleep(0.01)
        if broker.queues.get("jobs").waiting_receivers:
            break
    await broker.send("jobs", ["a"])
    received = await asyncio.wait_for(waiting, 5)
    assert received.msgBody == "a"


async def test_a_delayed_message_comes_in_its_time(vendor: Vendor, broker: Broker, emulator: Emulator) -> None:
    await vendor.call(vendor.queue.send_message, vendor.queue_message("later"), 60)
    await vendor.call(vendor.queue.batch_send_message, [vendor.queue_message("later too")], 60)
    assert (await vendor.error(vendor.queue.receive_message, 0)).code == 7000
    emulator.clock.advance(60)
    assert len(await vendor.call(vendor.queue.batch_receive_message, 16, 3)) == 2


async def test_publishing_reaches_who_wants_it(vendor: Vendor, broker: Broker) -> None:
    assert (await vendor.call(vendor.topic.publish_message, vendor.topic_message("one", ["blue", "red"]))).msgId
    several = [vendor.topic_message("two"), vendor.topic_message("three")]
    assert len(await vendor.call(vendor.topic.batch_publish_message, several, ["red"])) == 2
    assert [message.body for message in broker.queues.get("jobs").peek()] == ["one", "two", "three"]
    error = await vendor.error(vendor.topic.publish_message, vendor.topic_message("four", ["blue"]))
    assert (error.code, error.message.startswith("(10730)")) == (6030, True)
    broker.delete_subscription("events", "jobs")
    error = await vendor.error(vendor.topic.publish_message, vendor.topic_message("five"))
    assert (error.code, error.message.startswith("(10650)")) == (6030, True)


async def test_routing_keys_are_understood(vendor: Vendor, broker: Broker) -> None:
    broker.create_topic("routed", filter_type=2)
    broker.create_subscription("routed", "jobs", protocol="queue", endpoint="jobs", binding_keys=["job.#"])
    topic = vendor.account.get_topic("routed")
    await vendor.call(topic.publish_message, vendor.topic_message("one"), "job.end")
    await vendor.call(topic.batch_publish_message, [vendor.topic_message("two")], [], "job.start")
    assert [message.body for message in broker.queues.get("jobs").peek()] == ["one", "two"]
    assert (await vendor.error(topic.publish_message, vendor.topic_message("three"), "task.end")).code == 6030


def retired_calls(vendor: Vendor) -> dict[str, tuple[Any, ...]]:
    """Return what the client can still ask of the control plane that was switched off, by the action's name."""
    from cmq.subscription import SubscriptionMeta

    return {
        "CreateQueue": (vendor.queue.create, vendor.queue_meta()),
        "DeleteQueue": (vendor.queue.delete,),
        "ListQueue": (vendor.account.list_queue,),
        "RewindQueue": (vendor.queue.rewindQueue, 1),
        "SetQueueAttributes": (vendor.queue.set_attributes, vendor.queue_meta()),
        "GetQueueAttributes": (vendor.queue.get_attributes,),
        "CreateTopic": (vendor.topic.create, vendor.topic_meta()),
        "DeleteTopic": (vendor.topic.delete,),
        "ListTopic": (vendor.account.list_topic,),
        "SetTopicAttributes": (vendor.topic.set_attributes, vendor.topic_meta()),
        "GetTopicAttributes": (vendor.topic.get_attributes,),
        "ListSubscriptionByTopic": (vendor.topic.list_subscription,),
        "Subscribe": (vendor.subscription.create, SubscriptionMeta()),
        "Unsubscribe": (vendor.subscription.delete,),
        "ClearSubscriptionFilterTags": (vendor.subscription.clearFilterTags,),
        "SetSubscriptionAttributes": (vendor.subscription.set_attributes, SubscriptionMeta()),
        "GetSubscriptionAttributes": (vendor.subscription.get_attributes,),
    }


async def test_the_old_control_plane_is_retired(vendor: Vendor) -> None:
    for action, (function, *arguments) in retired_calls(vendor).items():
        error = await vendor.error(function, *arguments)
        assert (error.code, error.message) == (4000, f"(10430)action name {action} is not existed")


async def test_what_does_not_exist_is_said_to_be_missing(vendor: Vendor) -> None:
    error = await vendor.error(vendor.account.get_queue("nowhere").receive_message, 0)
    assert (error.code, error.message) == (4440, "(10100)queue is not existed, or deleted")
    error = await vendor.error(vendor.account.get_topic("nowhere").publish_message, vendor.topic_message("a"))
    assert (error.code, error.message) == (4440, "(10600)topic is not existed, or deleted")


async def test_a_wrong_key_is_refused(vendor: Vendor, broker: Broker, emulator: Emulator) -> None:
    client = vendor.account.get_client()
    client.secretKey = "x" * 32
    assert (await vendor.error(vendor.queue.send_message, vendor.queue_message("a"))).code == 4100
    client.secretKey, client.secretId = emulator.secret_key, "AKID" + "x" * 32
    assert (await vendor.error(vendor.queue.send_message, vendor.queue_message("a"))).code == 4100
    assert broker.queues.get("jobs").active_count == 0


async def test_no_method_of_the_client_is_left_out(vendor: Vendor, broker: Broker, emulator: Emulator) -> None:
    one, several = vendor.queue_message("one"), [vendor.queue_message("two"), vendor.queue_message("three")]
    await vendor.call(vendor.queue.send_message, one)
    await vendor.call(vendor.queue.batch_send_message, several)
    await vendor.call(vendor.queue.delete_message, (await vendor.call(vendor.queue.receive_message, 0)).receiptHandle)
    rest = await vendor.call(vendor.queue.batch_receive_message, 16, 0)
    await vendor.call(vendor.queue.batch_delete_message, [message.receiptHandle for message in rest])
    await vendor.call(vendor.topic.publish_message, vendor.topic_message("four", ["red"]))
    await vendor.call(vendor.topic.batch_publish_message, [vendor.topic_message("five")], ["red"])
    await vendor.call(vendor.queue.batch_receive_message, 16, 0)
    for function, *arguments in retired_calls(vendor).values():
        await vendor.error(function, *arguments)
    account, client = vendor.account, vendor.account.get_client()
    for part in (account, vendor.queue, vendor.topic, vendor.subscription):
        await vendor.call(part.set_debug, False)
    for part in (vendor.queue, vendor.topic, vendor.subscription):
        await vendor.call(part.set_encoding, False)
    for switch, value in (
        (client.set_method, client.method),
        (client.set_connection_timeout, 5),
        (client.set_keep_alive, False),
        (account.set_log_level, logging.WARNING),
        (account.debuginfo, "a request's id"),
        (account.set_sign, client.sign_method),
    ):
        await vendor.call(switch, value)
    for getter, *names in (
        (account.get_client,),
        (account.get_queue, "jobs"),
        (account.get_topic, "events"),
        (account.get_subscription, "events", "jobs"),
        (account.close_log,),
    ):
        await vendor.call(getter, *names)
    sent = await vendor.call(vendor.queue.send_message, vendor.queue_message("with other settings"))
    await vendor.call(client.close_connection)
    await vendor.call(account.set_client, emulator.endpoint)
    received = await vendor.call(account.get_queue("jobs").receive_message, 0)
    assert received.msgId == sent.msgId
    assert vendor.never_ran() == set()
