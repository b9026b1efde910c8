# SPDX-License-Identifier: Apache-2.0
"""The rows of the console; none of them changes what it shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.console import views
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    broker = Broker(Clock(1_700_000_000.0, running=False), seed=1)
    yield broker
    await broker.close()


async def test_a_long_queue_is_cut_and_nothing_is_received(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    for number in range(views.SHOWN + 1):
        queue.send([str(number)])
    page = views.queue_page(broker, queue)
    assert [row["body"] for row in page["messages"]] == [str(number) for number in range(views.SHOWN)]
    assert (page["active"], page["inactive"]) == (views.SHOWN + 1, 0)
    assert {row["receives"] for row in page["messages"]} == {0}


async def test_a_long_message_is_cut_and_its_size_is_not(broker: Broker) -> None:
    queue = broker.create_queue("jobs")
    queue.send(["ä" * (views.BODY_SHOWN + 1), '{"Events": [{"EventName": "JOB_FAILED"}]}'], 60)
    long, event = (views.message_row(message) for message in queue.peek())
    assert (long["body"], long["size"], long["event"]) == ("ä" * views.BODY_SHOWN, 2 * views.BODY_SHOWN + 2, "")
    assert (event["event"], event["state"]) == ("JOB_FAILED", "delayed")
    assert (event["enqueued"], event["visible_at"]) == ("2023-11-14 22:13:20", "2023-11-14 22:14:20")


async def test_a_queue_names_what_it_is_joined_with(broker: Broker) -> None:
    dead = broker.create_queue("dead")
    queue = broker.create_queue("jobs", dead_letter_policy=DeadLetterPolicy("dead", max_receive_count=2))
    broker.create_topic("events")
    broker.create_subscription("events", "all", protocol="queue", endpoint="jobs")
    page = views.queue_page(broker, queue)
    assert (page["dead_letters"], page["sources"]) == ("dead", [])
    assert [(row["topic"], row["name"]) for row in page["subscriptions"]] == [("events", "all")]
    page = views.queue_page(broker, dead)
    assert (page["dead_letters"], page["sources"], page["subscriptions"]) == ("", ["jobs"], [])


async def test_a_topic_says_how_it_filters(broker: Broker) -> None:
    broker.create_queue("jobs")
    tagged, routed = broker.create_topic("tagged"), broker.create_topic("routed", filter_type=2)
    broker.create_subscription("tagged", "all", protocol="queue", endpoint="jobs")
    broker.create_subscription("tagged", "some", protocol="queue", endpoint="jobs", filter_tags=["red", "blue"])
    broker.create_subscription("routed", "keyed", protocol="queue", endpoint="jobs", binding_keys=["job.*"])
    rows = [views.topic_row(broker, topic) for topic in (tagged, routed)]
    assert [row["filter"] for row in rows] == ["tags", "routing keys"]
    filters = {one["name"]: one["filters"] for row in rows for one in row["subscriptions"]}
    assert filters == {"all": "everything", "some": "red, blue", "keyed": "job.*"}


@given(st.dictionaries(st.sampled_from(["SucceedCount", "FailedCount", "RunningCount"]), st.integers(0, 9)))
def test_counters_are_shown_without_those_that_are_zero(metrics: dict[str, int]) -> None:
    shown = [part.split(" ") for part in views.counts(metrics).split(", ") if part]
    assert {f"{name.title()}Count": int(number) for number, name in shown} == {
        name: number for name, number in metrics.items() if number
    }
