# SPDX-License-Identifier: Apache-2.0
"""Pushing to HTTP subscribers that really listen."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.push import names_this_machine


class Subscriber:
    """An HTTP server that remembers what it got and answers what it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.statuses: list[int] = []
        self.location = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.requests.append((self.path, dict(self.headers.items()), body))
                self.send_response(outer.statuses.pop(0) if outer.statuses else 200)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def has(self, count: int) -> bool:
        return len(self.requests) == count

    @property
    def bodies(self) -> list[str]:
        return [body for _, _, body in self.requests]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    subscriber = Subscriber()
    subscriber.thread.start()
    yield subscriber
    subscriber.server.shutdown()
    subscriber.server.server_close()
    subscriber.thread.join()


class WatchedClock(Clock):
    """A clock that tells how many sleep by it: what pauses before it tries again has ended its try."""

    sleeping = 0

    async def sleep(self, delay: float) -> None:
        self.sleeping += 1
        try:
            await super().sleep(delay)
        finally:
            self.sleeping -= 1


@pytest.fixture
def clock() -> WatchedClock:
    return WatchedClock(1_700_000_000, running=False)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen within 30 s")


def subscribe(broker: Broker, endpoint: str, **settings: str) -> Callable[[], int]:
    """Subscribe, and return a function that tells how many messages wait."""
    if "events" not in broker.topics:
        broker.create_topic("events")
    subscription = broker.create_subscription("events", "web", protocol="http", endpoint=endpoint, **settings)
    return lambda: broker.waiting(subscription)


async def test_a_push_describes_the_message_as_json(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    waiting = subscribe(broker, f"{subscriber.url}/hook?a=1")
    message_id = await broker.publish("events", '{"é": 1}', tags=["a", "b"])
    await until(lambda: waiting() == 0)
    [(path, headers, body)] = subscriber.requests
    assert path == "/hook?a=1"
    assert json.loads(body) == {
        "TopicOwner": broker.account,
        "topicName": "events",
        "subscriptionName": "web",
        "msgId": message_id,
        "msgBody": '{"é": 1}',
        "publishTime": 1_700_000_000,
    }
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == "text/plain"
    assert headers["user-agent"] == "Qcloud Notification Service Agent"
    assert headers["x-cmq-message-id"] == message_id
    assert headers["x-cmq-message-tag"] == "a, b"
    assert headers["x-cmq-request-id"].isdecimal()


async def test_a_simplified_push_is_the_bare_message(broker: Broker, subscriber: Subscriber) -> None:
    waiting = subscribe(broker, subscriber.url, notify_content_format="SIMPLIFIED")
    await broker.publish("events", "bare é")
    await until(lambda: waiting() == 0)
    assert subscriber.bodies == ["bare é"]
    assert "x-cmq-message-tag" not in subscriber.requests[0][1]


async def test_a_failed_push_is_retried_before_those_behind_it(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    subscriber.statuses = [500, 302, 404]
    waiting = subscribe(broker, subscriber.url, notify_content_format="SIMPLIFIED")
    await broker.publish("events", "first")
    await broker.publish("events", "second")
    for attempts, delay in enumerate((1, 2, 4), 1):
        await until(partial(subscriber.has, attempts))
        await until(lambda: clock.sleeping == 1)
        assert subscriber.bodies == ["first"] * attempts
        assert waiting() == 2
        clock.advance(delay)
    await until(lambda: waiting() == 0)
    assert subscriber.bodies == ["first"] * 4 + ["second"]


async def test_with_backoff_a_message_is_dropped_after_three_retries(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    subscriber.statuses = [500] * 4
    waiting = subscribe(broker, subscriber.url, notify_content_format="SIMPLIFIED", notify_strategy="BACKOFF_RETRY")
    await broker.publish("events", "first")
    await broker.publish("events", "second")
    for attempts in (1, 2, 3):
        await until(partial(subscriber.has, attempts))
        await until(lambda: clock.sleeping == 1)
        clock.advance(20)
    await until(lambda: waiting() == 0)
    assert subscriber.bodies == ["first"] * 4 + ["second"]


async def test_a_redirect_is_a_failure_and_is_not_followed(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    subscriber.statuses = [302]
    subscriber.location = f"{subscriber.url}/elsewhere"
    waiting = subscribe(broker, f"{subscriber.url}/here")
    await broker.publish("events", "a")
    await until(lambda: clock.sleeping == 1)
    assert [path for path, _, _ in subscriber.requests] == ["/here"]
    assert waiting() == 1


class Talker:
    """A subscriber whose answers have no end, and a cookie more each time."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: c%d=x; path=/\r\n" % len(self.heads))
            writer.write(b"content-encoding: gzip\r\n\r\n")
            while True:
                writer.write(bytes(16_384))
                await writer.drain()
        except (ConnectionError, EOFError):
            pass
        finally:
            writer.close()


async def test_of_an_answer_without_end_only_the_beginning_is_read(broker: Broker) -> None:
    talker = Talker()
    server = await asyncio.start_server(talker, "127.0.0.1", 0)
    waiting = subscribe(broker, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await broker.publish("events", "a")
    await broker.publish("events", "b")

    await until(lambda: waiting() == 0)
    assert len(talker.heads) == 2
    assert "cookie" not in talker.heads[1].lower()
    server.close()


async def test_an_absent_subscriber_gets_its_message_later(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    waiting = subscribe(broker, "http://127.0.0.1:9/", notify_content_format="SIMPLIFIED")
    await broker.publish("events", "a")
    await until(lambda: clock.sleeping == 1)
    assert waiting() == 1
    broker.topics.get("events").subscription("web").endpoint = subscriber.url
    clock.advance(1)
    await until(lambda: subscriber.bodies == ["a"])


async def test_deleting_the_subscription_ends_its_retries(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    subscriber.statuses = [500] * 10
    subscribe(broker, subscriber.url)
    await broker.publish("events", "a")
    await until(lambda: clock.sleeping == 1)
    broker.delete_subscription("events", "web")
    await until(lambda: clock.sleeping == 0)
    clock.advance(600)
    assert len(subscriber.requests) == 1


async def test_nothing_is_kept_longer_than_the_topic_keeps_it(
    broker: Broker, clock: WatchedClock, subscriber: Subscriber
) -> None:
    subscriber.statuses = [500] * 10
    broker.create_topic("events", msg_retention_seconds=60)
    waiting = subscribe(broker, subscriber.url)
    await broker.publish("events", "a")
    for attempts, delay in enumerate((1, 2, 4, 8, 16), 1):
        await until(partial(subscriber.has, attempts))
        await until(lambda: clock.sleeping == 1)
        clock.advance(delay)
    await until(lambda: waiting() == 0)
    assert len(subscriber.requests) == 6, "the next would be after the minute"


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8080/hook", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://localhost.example.com/", False),
        ("http://127.0.0.1.example.com/", False),
        ("http://user@10.0.0.1/", False),
        ("http://127.0.0.1@example.com/", False),
        ("http://0.0.0.0/", False),
        ("http://example.com/", False),
        ("http://[broken/", False),
        ("http://", False),
    ],
)
def test_only_this_machine_is_pushed_to(url: str, is_here: bool) -> None:
    assert names_this_machine(url) is is_here
