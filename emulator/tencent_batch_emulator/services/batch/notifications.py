# SPDX-License-Identifier: Apache-2.0
"""
Events: who asked for which, what they say, and their way to the topic.

A message is written at the moment of the change, after the change can be seen through the API, and messages leave one
after the other in that order. A topic that does not take a message loses it, as in the cloud; a job never notices.

Sources:

- the published body and the envelope: https://cloud.tencent.com/document/product/599/17924
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.schema import Notification
from tencent_batch_emulator.services.batch.vocabulary import EventName
from tencent_batch_emulator.services.tc3_schema import iso, write

log = structlog.get_logger(__name__)

Publish = Callable[[str, str], Awaitable[None]]
"""Publish a body to a topic by its name; raises when the topic does not take it."""

PUBLISH_TIMEOUT = 30.0
"""Seconds (of the machine) that a topic may take for one message."""


@dataclass(slots=True)
class Announcement:
    """
    One event for one topic.

    :param result: ``waiting``, ``published``, or why it was lost.
    """

    topic_name: str
    event_name: str
    event_time: str
    body: str
    result: str = "waiting"


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Which topics want which events of one job or environment, with the variables that they asked for."""

    target: str
    wanted: Mapping[str, Sequence[tuple[str, list[dict[str, str]]]]]

    @classmethod
    def of(cls, notifications: Sequence[Notification] | None, target: str) -> Subscriptions:
        """Sort notifications by event name."""
        if not notifications:
            return NOBODY
        wanted: dict[str, list[tuple[str, list[dict[str, str]]]]] = {}
        for notification in notifications:
            for config in notification.event_configs:
                variables = write(config.event_vars)
                wanted.setdefault(config.event_name, []).append((notification.topic_name, variables))
        return cls(target, wanted)


NOBODY = Subscriptions("CMQ", {})


class Publisher:
    """
    Write events and send them off in order.

    :param publish: Takes a topic's name and a body.
    :param region: The region that events name.
    """

    def __init__(self, clock: Clock, publish: Publish, region: str) -> None:
        self._clock = clock
        self._publish = publish
        self._region = region
        self._queue: deque[Announcement] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    def announce(
        self,
        event: EventName,
        fields: Callable[[], dict[str, Any]],
        subscriptions: Subscriptions,
        history: deque[Announcement],
    ) -> None:
        """
        Write one event for every topic that wants it.

        :param fields: Makes the ``Batch`` part; called only when somebody wants the event.
        :param history: Where the messages are remembered.
        """
        for topic_name, variables in subscriptions.wanted.get(event.value, ()):
            event_time = iso(self._clock.time()) or ""
            body = {
                "EventVersion": "1.0",
                "EventTime": event_time,
                "Region": self._region,
                "Batch": fields(),
                "EventName": event.value,
                "EventVars": variables,
            }
            text = msgspec.json.encode({"Events": [body]}).decode()
            announcement = Announcement(topic_name, event.value, event_time, text)
            history.append(announcement)
            if subscriptions.target != "TDMQ_CMQ":
                announcement.result = "lost: NotificationTarget CMQ is out of service since 2022; set it to TDMQ_CMQ"
                if len(history) == 1:
                    log.warning("events not published", first=event.value, topic=topic_name, why=announcement.result)
                continue
            self._queue.append(announcement)
        if self._queue and not self._closed and (self._worker is None or self._worker.done()):
            self._worker = asyncio.get_running_loop().create_task(self._drain(), name="batch-events")

    async def flush(self) -> None:
        """Wait until everything that has been written so far has been sent or lost."""
        while self._worker is not None and not self._worker.done():
            await asyncio.shield(self._worker)

    async def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self._queue.clear()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    async def _drain(self) -> None:
        while self._queue:
            announcement = self._queue.popleft()
            try:
                await asyncio.wait_for(
                    self._publish(announcement.topic_name, announcement.body), timeout=PUBLISH_TIMEOUT
                )
            except Exception as error:  # noqa: BLE001 - whatever a topic says, the job and the next event go on
                announcement.result = f"lost: {type(error).__name__}: {error}"
                log.warning(
                    "event lost",
                    event_name=announcement.event_name,
                    topic=announcement.topic_name,
                    why=announcement.result,
                )
            else:
                announcement.result = "published"
