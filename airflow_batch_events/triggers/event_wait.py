# SPDX-License-Identifier: Apache-2.0
"""
Wait in the triggerer for one event, or for N of them, and poll the API where it can tell the same.

A message that was counted is deleted only when all have come and Airflow has stored the end of the wait: a triggerer
that dies before has lost nothing, because what it had counted comes back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.deferral import Handover
from airflow_batch_events.airflow_compat.shared_stream import fires_in_triggerer
from airflow_batch_events.airflow_compat.triggerer import finish_although_cancelled
from airflow_batch_events.dispatch.deadline import Deadline, clock_check
from airflow_batch_events.dispatch.message_subscriber import MAX_OPEN, Delivery, MessageSubscriber
from airflow_batch_events.events.collect import Collector, Question, question_for
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    CloudError,
    ConfigurationError,
    NotStorableError,
)
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.clock import CloudClock
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.base import StoredTrigger
from airflow_batch_events.triggers.event import event_filter
from airflow_batch_events.triggers.poison_messages import PoisonMessages
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.triggers.task_settler import settle_when_stored
from airflow_batch_events.waiting.storable import fire, storable

MAX_TEXT = 200
"""Characters of a name or an id where many large events fire together."""

_Held = tuple[MessageSubscriber, Sequence[Delivery]]
"""What holds messages, and the messages."""

POLL_INTERVAL = 60.0
"""Default seconds between polls of the API."""


class BatchEventWaitTrigger(StoredTrigger):
    """
    Fire once, when as many matching events have come as are waited for, or the API tells the same.

    :param queue_name: The queue.
    :param wanted: What an event must be like: the parameters of ``BatchEventTrigger`` that filter, by name.
    :param count: How many different events to wait for.
    :param poll_interval: Seconds between polls of the API, where it can be asked.
    :param deadline: Unix seconds of the cloud at which the wait is over, for a triggerer that begins it anew; see
        :class:`~airflow_batch_events.dispatch.deadline.Deadline`. None where it was not known when the wait began.
    :param not_before: What version 0.1.0 has stored for ``hold``, in Unix seconds.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    :param timeout: Seconds from the trigger's beginning after which the wait is over; None waits without end.
    :param hold: Seconds from the trigger's beginning before which nothing is fired; ten at the most.
    """

    def __init__(
        self,
        queue_name: str = "",
        wanted: Mapping[str, Any] | None = None,
        count: int = 1,
        poll_interval: float = POLL_INTERVAL,
        deadline: float | None = None,
        not_before: float | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
        timeout: float | None = None,
        hold: float | None = None,
    ) -> None:
        super().__init__()
        self.queue_name = queue_name
        self.wanted = wanted
        self.count = count
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.not_before = not_before
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region
        self.timeout = timeout
        self.hold = hold

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended" | "timeout" | "error", ...}``."""
        self.note_unknown()
        handover = Handover(self.hold, self.not_before)
        events: list[BatchEvent] = []
        held: _Held | None = None
        resources = AsyncExitStack()
        try:
            try:
                collector = self._collector()
                payload, held = await self._wait(collector, resources)
                events = collector.events
            except Exception as error:  # noqa: BLE001 - it ends this wait, and its task hears why
                payload = self.error_payload(error)
            await handover.passed()
            yield self._fire(payload, events)
            if held is not None:
                await settle_when_stored(self, *held)
        finally:
            # A trigger is cancelled anew each second, and the consumer deletes last what was settled.
            await finish_although_cancelled(resources.aclose())

    def _fire(self, payload: Mapping[str, Any], events: Sequence[BatchEvent]) -> TriggerEvent:
        found = [event.to_dict() for event in events]
        try:
            return fire({**payload, "events": found})
        except NotStorableError as error:
            self.log.warning("Only the names and ids of the events are handed on: %s", error)
        try:
            return fire({**payload, "events": [_bare(event) for event in found]})
        except NotStorableError as error:
            self.log.warning("None of the %d events is handed on: %s", len(found), error)
            return fire({**payload, "events": []})

    def _collector(self) -> Collector:
        if not isinstance(self.wanted, Mapping):
            raise ConfigurationError(f"wanted is a {type(self.wanted).__name__}, must say which events are waited for")
        known = {field.name for field in fields(EventFilter) if field.init}
        # What another version has added may be left out only where it filters nothing.
        wanted = {name: value for name, value in self.wanted.items() if name in known or value is not None}
        return Collector(event_filter(**wanted), self.whole("count", least=1))

    async def _wait(self, collector: Collector, resources: AsyncExitStack) -> tuple[dict[str, Any], _Held | None]:
        """Return the payload, and what is to be settled once it is stored."""
        deadline = Deadline(self.seconds("timeout"), self.moment("deadline"))
        question = question_for(collector.wanted, collector.count)
        began = asyncio.get_running_loop().time()
        consumer = await resources.enter_async_context(
            queue_consumer(self.tencentcloud_conn_id, self.region, self.text("queue_name"))
        )
        subscriber = resources.enter_context(
            consumer.subscriber(
                collector.wanted.matches_any,
                capacity=max(MAX_OPEN, collector.count),
                name=f"the wait for {collector.count} events",
            )
        )
        counted: list[Delivery] = []
        collect = _collect(subscriber, collector, PoisonMessages(self.log, consumer.metrics), counted)
        waits = {asyncio.ensure_future(collect): "event"}
        if question is not None:
            waits[asyncio.ensure_future(self._poll(question))] = "api"
        try:
            done = await until_done(waits, deadline, began, consumer.clock)
            for task in done:
                task.result()
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        subscriber.take_no_more()
        if not collector.is_complete:
            source = {"status": "ended", "source": "api"} if done else {"status": "timeout", "source": "deadline"}
            return source, None
        payload = {"status": "ended", "source": "event"}
        if fires_in_triggerer(self):
            return payload, (subscriber, counted)
        # Nobody will say that anything is stored.
        for delivery in counted:
            subscriber.settle(delivery, is_stored=True)
        return payload, None

    async def _poll(self, question: Question) -> None:
        """Poll the API until it answers the question."""
        interval = self.seconds("poll_interval") or POLL_INTERVAL
        access = await aget_access(self.tencentcloud_conn_id, self.region)
        async with AsyncSdkClient(access) as client:
            while True:
                try:
                    if await _is_answered(client, question):
                        return
                except ApiNotFoundError as error:
                    self.log.debug("Not visible (yet): %s", error)
                except CloudError as error:
                    self.log.warning("Cannot poll %s, will poll again: %s", question.object_id, error)
                await asyncio.sleep(interval * random.uniform(0.8, 1.0))


def _bare(event: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in event.items()}
    return {**texts, "event_vars": {}, "batch": {}}


async def _is_answered(client: AsyncSdkClient, question: Question) -> bool:
    if question.kind == "nodes":
        env = await client.send(batch.describe_compute_env(question.object_id))
        return question.is_answered_by_counts(env.node_counts)
    if question.task_name is not None:
        task = await client.send(batch.describe_task(question.object_id, question.task_name, limit=1))
        return question.is_answered_by_state(task.state)
    answer = await client.send(batch.describe_job_states([question.object_id]))
    return question.is_answered_by_state(answer.states.get(question.object_id))


async def until_done(
    waits: Iterable[asyncio.Future[None]], deadline: Deadline, began: float, clock: CloudClock
) -> set[asyncio.Future[None]]:
    """Return those that are done first; none when the deadline has passed before."""
    done: set[asyncio.Future[None]] = set()
    while not done:
        left = deadline.left_since(began, clock)
        if left == 0.0:
            break
        pause = clock_check(clock)
        done, _ = await asyncio.wait(
            waits, timeout=pause if left is None else min(pause, left), return_when=asyncio.FIRST_COMPLETED
        )
    return done


async def _collect(
    subscriber: MessageSubscriber, collector: Collector, poison: PoisonMessages, counted: list[Delivery]
) -> None:
    """Count the messages until there are enough, and keep them."""

    def add(event: BatchEvent) -> None:
        if collector.wanted.matches(event):
            storable(event.to_dict())
            collector.add(event)

    async for delivery in subscriber:
        before = len(collector.found)
        poison.firing(delivery, delivery.events, add)
        if delivery.message_id in poison:
            subscriber.settle(delivery, is_stored=False)
        elif len(collector.found) == before and counted:
            # A repeat under another message id: what it repeats is held already.
            subscriber.settle(delivery, is_stored=True)
        else:
            counted.append(delivery)
        if collector.is_complete:
            break
