# SPDX-License-Identifier: Apache-2.0
"""
The ways to wait that are compared: this package's trigger, Airflow's shared stream, a trigger that polls, and the least
that a trigger can be.

The alternatives are given every advantage that does not change what they are: the shared stream has its messages in
memory and reads no queue, the poller shares one client.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamManager, SharedStreamProducer

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.batch import BatchJobTrigger
from devtools.benchmarks.cloud import QUEUE
from devtools.emulator_process import CloudAddress

POLL_INTERVAL = 10.0
"""Seconds between two polls of the trigger that polls."""

CONFIRM_EVERY = 0.05
"""Seconds between two confirmations that fired events are stored; in a triggerer it is a second or two."""

# In a triggerer these lines go to the log files of the tasks.
logging.disable(logging.INFO)
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


class Way:
    """How one process waits, as a context in which the waits run."""

    def __init__(self, address: CloudAddress, job_ids: Sequence[str]) -> None:
        self.address = address
        self.job_ids = job_ids
        self.began = 0.0

    async def __aenter__(self) -> Way:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    def go(self) -> None:
        """Let the messages come, where they do not come from the cloud."""
        self.began = time.monotonic()

    async def wait(self, job_id: str) -> None:
        """Return when the job has ended."""
        async for event in self.trigger(job_id).run():
            if not event.payload["outcomes"][0]["succeeded"]:
                raise RuntimeError(f"a wait ended with {event}")

    def trigger(self, job_id: str) -> BaseTrigger:
        """Return the trigger that waits for the job."""
        raise NotImplementedError


class EventDriven(Way):
    """This package's trigger."""

    def trigger(self, job_id: str) -> BaseTrigger:
        return BatchJobTrigger(job_id, QUEUE)


class Live(Way):
    """This package's trigger, with new output of the job in its log."""

    def trigger(self, job_id: str) -> BaseTrigger:
        return BatchJobTrigger(job_id, QUEUE, live=True)


class LocalEventTrigger(BaseTrigger):
    """Fire when an event of this process is set."""

    def __init__(self, job_id: str, event: asyncio.Event) -> None:
        super().__init__()
        self.job_id = job_id
        self.event = event

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return type(self).__qualname__, {"job_id": self.job_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await self.event.wait()
        yield TriggerEvent(_success(self.job_id))


class LocalEvent(Way):
    """Airflow's base class and an asyncio event."""

    async def __aenter__(self) -> Way:
        self._event = asyncio.Event()
        return self

    def go(self) -> None:
        super().go()
        self._event.set()

    def trigger(self, job_id: str) -> BaseTrigger:
        return LocalEventTrigger(job_id, self._event)


class PollingTrigger(BaseTrigger):
    """Ask for the job's state again and again, as the triggers of most providers do."""

    def __init__(self, job_id: str, client: AsyncSdkClient) -> None:
        super().__init__()
        self.job_id = job_id
        self.client = client

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return type(self).__qualname__, {"job_id": self.job_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Tasks begin at different times, and so do their polls.
        await asyncio.sleep(random.random() * POLL_INTERVAL)
        while True:
            job = await self.client.send(batch.describe_job(self.job_id))
            if job.state in ("SUCCEED", "FAILED"):
                break
            await asyncio.sleep(POLL_INTERVAL)
        yield TriggerEvent(_success(self.job_id))


class Polling(Way):
    """A trigger for each job that polls."""

    async def __aenter__(self) -> Way:
        self._client = AsyncSdkClient(self.address.access())
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._client.__aexit__(*exc_info)

    def trigger(self, job_id: str) -> BaseTrigger:
        return PollingTrigger(job_id, self._client)


class Messages(SharedStreamProducer):
    """A broker in memory, with one message for each job."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._job_ids = job_ids
        self.go = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[Any, Any]]:
        await self.go.wait()
        for job_id in self._job_ids:
            yield job_id, job_id
            # A broker's answer would let the subscribers run, too, after each 16 messages at the latest.
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        return None


class SharedTrigger(BaseEventTrigger):
    """Take one's own message from a stream that all share."""

    producer: Messages

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return type(self).__qualname__, {"job_id": self.job_id}

    def shared_stream_key(self) -> Hashable:
        return QUEUE

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        return cls.producer

    async def run(self) -> AsyncIterator[TriggerEvent]:
        raise NotImplementedError("it only runs in a shared stream")
        yield

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        async for job_id in shared_stream:
            if job_id == self.job_id:
                yield TriggerEvent(_success(job_id))


class SharedStream(Way):
    """Airflow's shared stream with acknowledgement, driven as the triggerer drives it."""

    async def __aenter__(self) -> Way:
        SharedTrigger.producer = Messages(self.job_ids)
        self._numbers = itertools.count()
        # A message for each job must find room in each subscriber's queue, or the subscriber is failed.
        self._manager = SharedStreamManager(max_subscriber_queue=len(self.job_ids) + 1, ack_timeout=600)
        self._fired: list[int] = []
        self._confirming = asyncio.ensure_future(self._confirm())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._confirming.cancel()
        with suppress(asyncio.CancelledError):
            await self._confirming
        await self._manager.stop_all()

    def go(self) -> None:
        super().go()
        SharedTrigger.producer.go.set()

    async def wait(self, job_id: str) -> None:
        trigger = SharedTrigger(job_id)
        number = next(self._numbers)
        stream = self._manager.subscribe(trigger_id=number, trigger=trigger, key=QUEUE)
        try:
            async for _ in trigger.filter_shared_stream(stream):
                sequence = self._manager.bind_pending_event(trigger_id=number, key=QUEUE)
                if sequence is not None:
                    self._fired.append(sequence)
                # The first event ends the task, and with it the trigger.
                break
        finally:
            await self._manager.unsubscribe(number, QUEUE)

    async def _confirm(self) -> None:
        while True:
            await asyncio.sleep(CONFIRM_EVERY)
            fired, self._fired = self._fired, []
            self._manager.confirm_persisted(fired)


WAYS: dict[str, type[Way]] = {
    "trigger": EventDriven,
    "live trigger": Live,
    "shared stream": SharedStream,
    "polling": Polling,
    "local event": LocalEvent,
}


def _success(job_id: str) -> dict[str, Any]:
    return {"job_id": job_id, "status": "ended", "outcomes": [{"job_id": job_id, "succeeded": True}]}
