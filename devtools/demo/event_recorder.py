# SPDX-License-Identifier: Apache-2.0
"""
Record the events that Batch publishes, from the demo's own queue, while Airflow reads the other one.

In a thread, because the client is asynchronous and the demo is not. The caller that starts it stops it, and what went
wrong in the thread is raised there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from types import TracebackType

from airflow_batch_events.events.catalog import SETTLING_EVENTS
from airflow_batch_events.events.message import BatchEvent, parse_message
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess

_JOIN_LIMIT = 15


class EventRecorder:
    """
    Hand on each event as it arrives, as a context manager.

    :param access: The cloud.
    :param queue_name: A queue that has no other reader.
    :param show: Called, in the recorder's thread, with each event.
    """

    def __init__(self, access: CloudAccess, queue_name: str, show: Callable[[BatchEvent], None]) -> None:
        self.settled_at: dict[str, datetime] = {}
        self._access = access
        self._queue_name = queue_name
        self._show = show
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="demo-event-recorder", daemon=True)
        self._reading: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> EventRecorder:
        self._reading = self._loop.create_task(self._read())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive() and self._reading is not None:
            self._loop.call_soon_threadsafe(self._reading.cancel)
        self._thread.join(_JOIN_LIMIT)

    def check(self) -> None:
        """Raise what ended the reading, if it has ended."""
        if self._error is not None:
            raise RuntimeError(f"the demo's queue {self._queue_name!r} cannot be read") from self._error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._reading)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again in check(), in the thread that started this one
            self._error = error
        finally:
            self._loop.close()

    async def _read(self) -> None:
        async with CmqClient(self._access) as client:
            while True:
                messages = await client.receive(self._queue_name)
                for message in messages:
                    for event in parse_message(message.body).events:
                        self._take(event)
                await client.delete(self._queue_name, [message.receipt_handle for message in messages])

    def _take(self, event: BatchEvent) -> None:
        if event.job_id and event.known_name in SETTLING_EVENTS:
            self.settled_at.setdefault(event.job_id, datetime.now(timezone.utc))
        self._show(event)
