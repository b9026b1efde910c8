# SPDX-License-Identifier: Apache-2.0
"""A cloud that lives in an event loop's time: jobs with states and one queue."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pendulum

from airflow_batch_events.dispatch.consumer import Backends, Consumer
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.dispatch.reader import ReaderSettings
from airflow_batch_events.exceptions import ApiParameterError
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.clock import CloudClock

START = 1_767_225_600.0


@dataclass(frozen=True)
class FakeMessage:
    body: str
    message_id: str
    receipt_handle: str
    enqueue_time: float
    dequeue_count: int | None = None


@dataclass
class FakeCloud:
    """
    Jobs with states and one queue, in the loop's time: a working model of what a consumer reads.

    Failures are scripted by assigning an exception to ``queue_error`` or ``api_error``. The API refuses calls with a
    ``malformed`` id, its answers say nothing that can be read about an ``unreadable`` one, and a call with a ``fatal``
    one ends with that error. ``date_error`` is how many seconds its ``Date`` headers are off, ``wall_error`` how many
    the clock of this machine is.
    """

    states: dict[str, str] = field(default_factory=dict)
    visibility_timeout: float = 30.0
    queue_error: Exception | None = None
    api_error: Exception | None = None
    api_latency: float = 0.01
    queue_latency: float = 0.001
    malformed: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    fatal: dict[str, Exception] = field(default_factory=dict)
    date_error: float = 0.0
    wall_error: float = 0.0
    metrics: Metrics | None = None
    receives: list[float] = field(default_factory=list)
    deletes: list[list[str]] = field(default_factory=list)
    describes: list[tuple[float, list[str]]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    def __post_init__(self) -> None:
        self._messages: dict[str, FakeMessage] = {}
        self._visible_at: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._arrived = asyncio.Event()

    @property
    def now(self) -> float:
        return START + asyncio.get_running_loop().time()

    @property
    def left(self) -> list[str]:
        return [message.body for message in self._messages.values()]

    def put(self, body: str) -> None:
        number = next(self._numbers)
        message = FakeMessage(body, f"m{number}", "", self.now)
        self._messages[message.message_id] = message
        self._visible_at[message.message_id] = 0.0
        self._arrived.set()

    def publish(self, job_id: str, name: str = "JOB_SUCCEED", *, at: float | None = None, **batch: Any) -> str:
        time = pendulum.from_timestamp(int(self.now if at is None else at)).to_iso8601_string()
        batch = {"JobId": job_id, **batch}
        body = json.dumps({"Events": [{"EventName": name, "EventTime": time, "Region": "r", "Batch": batch}]})
        self.put(body)
        return body

    def finish(self, job_id: str, state: str = "SUCCEED") -> None:
        self.states[job_id] = state
        self.publish(job_id, f"JOB_{state}")

    async def receive(self, wait_seconds: int) -> Sequence[FakeMessage]:
        self.receives.append(self.now)
        await asyncio.sleep(self.queue_latency)
        if self.queue_error is not None:
            raise self.queue_error
        ends = self.now + wait_seconds
        while not (found := self._visible()):
            if self.now >= ends:
                return []
            self._arrived.clear()
            waits = [until for until in self._visible_at.values() if until > self.now]
            limit = min([ends, *waits]) - self.now
            try:
                await asyncio.wait_for(self._arrived.wait(), limit)
            except asyncio.TimeoutError:
                continue
        return found

    def _visible(self) -> list[FakeMessage]:
        ids = [key for key, until in self._visible_at.items() if until <= self.now][:16]
        for key in ids:
            handle = f"{key}/{next(self._numbers)}"
            self._messages[key] = FakeMessage(self._messages[key].body, key, handle, self._messages[key].enqueue_time)
            self._visible_at[key] = self.now + self.visibility_timeout
        return [self._messages[key] for key in ids]

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[object]:
        self.deletes.append(list(receipt_handles))
        await asyncio.sleep(0.001)
        failed = []
        for handle in receipt_handles:
            key = handle.split("/")[0]
            if key in self._messages and self._messages[key].receipt_handle == handle:
                del self._messages[key], self._visible_at[key]
            else:
                failed.append(handle)
        return failed

    async def describe(self, job_ids: Sequence[str]) -> JobStates:
        self.describes.append((self.now, list(job_ids)))
        await asyncio.sleep(self.api_latency)
        if self.api_error is not None:
            raise self.api_error
        for job_id in self.fatal.keys() & set(job_ids):
            raise self.fatal[job_id]
        if self.malformed & set(job_ids):
            raise ApiParameterError("DescribeJobs", "InvalidParameter.JobIdMalformed", "JobId malformed")
        states = {job_id: self.states[job_id] for job_id in job_ids if job_id in self.states}
        readable = {job_id: state for job_id, state in states.items() if job_id not in self.unreadable}
        return JobStates(readable, is_complete=self.unreadable.isdisjoint(job_ids))

    def consumer(self, *, with_queue: bool = True, **settings: Any) -> Consumer:
        @asynccontextmanager
        async def open_backends(clock: CloudClock) -> AsyncIterator[Backends]:
            self.opened += 1

            class Teaching:
                """Teaches the clock with each answer, as the clients do."""

                async def receive(_self, wait_seconds: int) -> Sequence[FakeMessage]:
                    messages = await self.receive(wait_seconds)
                    clock.learn(int(self.now + self.date_error), is_good=True)
                    return messages

                delete = staticmethod(self.delete)

            async def describe(job_ids: Sequence[str]) -> JobStates:
                answer = await self.describe(job_ids)
                clock.learn(int(self.now + self.date_error), is_good=True)
                return answer

            try:
                yield Backends(Teaching() if with_queue else None, describe)
            finally:
                self.closed += 1

        loop = asyncio.get_running_loop()
        clock = CloudClock(wall=lambda: START + loop.time() + self.wall_error, monotonic=loop.time)
        return Consumer(
            "queue 'q' in r", open_backends, ReaderSettings(**settings), self.metrics, region="r", clock=clock
        )


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[Consumer]:
    """Start a consumer and stop it."""
    consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
