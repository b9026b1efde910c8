# SPDX-License-Identifier: Apache-2.0
"""
Wait in the triggerer for one event, or for N of them, and look at the API where it can tell the same.

A message that was counted is deleted only when all have come: a triggerer that dies before has lost nothing, because
what it had counted comes back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_batch_events.dispatch.tap import MAX_OPEN, Delivery, Tap
from airflow_batch_events.events.collect import Collector, Question, question_for
from airflow_batch_events.events.filter import EventFilter
from airflow_batch_events.exceptions import ApiNotFoundError, BatchEventsError, CloudError
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID, aget_access
from airflow_batch_events.protocol import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.hold import hold_until
from airflow_batch_events.triggers.stream import queue_consumer

LOOK_INTERVAL = 60.0
"""Default seconds between looks at the API."""


class BatchEventWaitTrigger(BaseTrigger):
    """
    Fire once, when as many matching events have come as are waited for, or the API tells the same.

    :param queue_name: The queue.
    :param wanted: What an event must be like: the parameters of ``BatchEventTrigger`` that filter, by name.
    :param count: How many different events to wait for.
    :param look_interval: Seconds between looks at the API, where it can be asked.
    :param deadline: Unix seconds at which the wait is over; None waits without end.
    :param not_before: Unix seconds before which nothing is fired; at most ten seconds are waited for it.
    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    """

    def __init__(
        self,
        queue_name: str,
        wanted: Mapping[str, Any],
        count: int = 1,
        look_interval: float = LOOK_INTERVAL,
        deadline: float | None = None,
        not_before: float | None = None,
        tencentcloud_conn_id: str = DEFAULT_CONN_ID,
        region: str | None = None,
    ) -> None:
        super().__init__()
        self.queue_name = queue_name
        self.wanted = wanted
        self.count = count
        self.look_interval = look_interval
        self.deadline = deadline
        self.not_before = not_before
        self.tencentcloud_conn_id = tencentcloud_conn_id
        self.region = region

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "queue_name": self.queue_name,
                "wanted": dict(self.wanted),
                "count": self.count,
                "look_interval": self.look_interval,
                "deadline": self.deadline,
                "not_before": self.not_before,
                "tencentcloud_conn_id": self.tencentcloud_conn_id,
                "region": self.region,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then fire ``{"status": "ended" | "timeout" | "error", ...}``."""
        wanted = EventFilter(**self.wanted)
        collector = Collector(wanted, self.count)
        try:
            payload = await self._wait(collector, question_for(wanted, self.count))
        except BatchEventsError as error:
            payload = {"status": "error", "error": type(error).__name__, "message": str(error)}
        await hold_until(self.not_before)
        yield TriggerEvent({**payload, "events": [event.to_dict() for event in collector.events]})

    async def _wait(self, collector: Collector, question: Question | None) -> dict[str, Any]:
        left = None if self.deadline is None else max(0.0, self.deadline - time.time())
        async with queue_consumer(self.tencentcloud_conn_id, self.region, self.queue_name) as consumer:
            with consumer.tap(
                collector.wanted.matches_any,
                capacity=max(MAX_OPEN, self.count),
                name=f"the wait for {self.count} events",
            ) as tap:
                waits = {asyncio.ensure_future(_collect(tap, collector)): "event"}
                if question is not None:
                    waits[asyncio.ensure_future(self._look(question))] = "look"
                try:
                    done, _ = await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                finally:
                    for task in waits:
                        task.cancel()
                    await asyncio.gather(*waits, return_exceptions=True)
        if not done:
            return {"status": "timeout", "source": "deadline"}
        return {"status": "ended", "source": "event" if collector.is_complete else "look"}

    async def _look(self, question: Question) -> None:
        """Look at the API until it answers the question."""
        access = await aget_access(self.tencentcloud_conn_id, self.region)
        async with AsyncSdkClient(access) as client:
            while True:
                try:
                    if await _is_answered(client, question):
                        return
                except ApiNotFoundError as error:
                    self.log.debug("Not visible (yet): %s", error)
                except CloudError as error:
                    self.log.warning("Cannot look at %s, will look again: %s", question.object_id, error)
                await asyncio.sleep(self.look_interval * random.uniform(0.8, 1.0))


async def _is_answered(client: AsyncSdkClient, question: Question) -> bool:
    if question.kind == "nodes":
        env = await client.send(batch.describe_compute_env(question.object_id))
        return question.is_answered_by_counts(env.node_counts)
    if question.task_name is not None:
        task = await client.send(batch.describe_task(question.object_id, question.task_name, limit=1))
        return question.is_answered_by_state(task.state)
    answer = await client.send(batch.describe_job_states([question.object_id]))
    return question.is_answered_by_state(answer.states.get(question.object_id))


async def _collect(tap: Tap, collector: Collector) -> None:
    counted: list[Delivery] = []
    async for delivery in tap:
        before = len(collector.found)
        for event in delivery.events:
            collector.add(event)
        if len(collector.found) == before and counted:
            # A repeat under another message id: what it repeats is held already.
            tap.settle(delivery, is_stored=True)
            continue
        counted.append(delivery)
        if collector.is_complete:
            break
    for delivery in counted:
        tap.settle(delivery, is_stored=True)
