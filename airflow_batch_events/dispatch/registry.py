# SPDX-License-Identifier: Apache-2.0
"""
One consumer per key and event loop: it starts with the first wait and stops after the last.

Nothing outlives the waits, because a task test runs each wait in a loop of its own and must leave nothing pending. The
registry is keyed by the loop itself, never by its id, which the next loop may get again.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

from airflow_batch_events.dispatch.consumer import Consumer


class _Shared:
    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.users = 0


_shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Shared]] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def shared_consumer(key: Hashable, create: Callable[[], Consumer]) -> AsyncIterator[Consumer]:
    """
    Use the running consumer of that key, or start one.

    :param key: What the consumer reads: endpoint, region and queue.
    :param create: Makes the consumer when there is none.
    """
    consumers = _shared.setdefault(asyncio.get_running_loop(), {})
    shared = consumers.get(key)
    if shared is None or not shared.consumer.is_usable:
        shared = consumers[key] = _Shared(create())
        shared.consumer.start()
    shared.users += 1
    try:
        yield shared.consumer
    finally:
        shared.users -= 1
        if shared.users == 0:
            if consumers.get(key) is shared:
                del consumers[key]
            await shared.consumer.stop()
