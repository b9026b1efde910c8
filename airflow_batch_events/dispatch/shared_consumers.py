# SPDX-License-Identifier: Apache-2.0
"""
One consumer per key and event loop: it starts with the first wait and stops after the last.

Nothing outlives the waits, because a task test runs each wait in a loop of its own and must leave nothing pending. The
registry is keyed by the loop itself, never by its id, which the next loop may get again.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager

from airflow_batch_events.dispatch.consumer import Consumer


class _Shared:
    def __init__(self, key: Hashable, consumer: Consumer) -> None:
        self.key = key
        self.consumer = consumer
        self.users = 0


_shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Shared]] = weakref.WeakKeyDictionary()


class _Use(AbstractAsyncContextManager[Consumer]):
    """One use; slim, because each of thousands of waits holds one for as long as it lasts."""

    __slots__ = ("_create", "_key", "_shared")

    def __init__(self, key: Hashable, create: Callable[[], Consumer]) -> None:
        self._key = key
        self._create: Callable[[], Consumer] | None = create
        self._shared: _Shared | None = None

    async def __aenter__(self) -> Consumer:
        consumers = _shared.setdefault(asyncio.get_running_loop(), {})
        shared = consumers.get(self._key)
        create, self._create = self._create, None
        if create is None:
            raise RuntimeError("a use of a shared consumer can be entered once")
        if shared is None or not shared.consumer.is_usable:
            shared = consumers[self._key] = _Shared(self._key, create())
            shared.consumer.start()
        shared.users += 1
        # The key that all uses share, instead of one for each.
        self._shared, self._key = shared, shared.key
        return shared.consumer

    async def __aexit__(self, *exc_info: object) -> None:
        shared = self._shared
        if shared is None:
            return
        self._shared = None
        shared.users -= 1
        if shared.users == 0:
            consumers = _shared[asyncio.get_running_loop()]
            if consumers.get(shared.key) is shared:
                del consumers[shared.key]
            await shared.consumer.stop()


def shared_consumer(key: Hashable, create: Callable[[], Consumer]) -> AbstractAsyncContextManager[Consumer]:
    """
    Use the running consumer of that key, or start one, as long as the context lasts.

    :param key: What the consumer reads: endpoint, region and queue.
    :param create: Makes the consumer when there is none.
    """
    return _Use(key, create)
