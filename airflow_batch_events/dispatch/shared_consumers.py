# SPDX-License-Identifier: Apache-2.0
"""
One consumer per key and event loop: it starts with the first wait and stops after the last.

Nothing outlives the waits, because a task test runs each wait in its own loop and must leave nothing pending.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractAsyncContextManager

from airflow_batch_events.dispatch.consumer import Consumer
from airflow_batch_events.protocol.per_loop import PerLoop


class _Shared:
    def __init__(self, key: Hashable, consumer: Consumer) -> None:
        self.key = key
        self.consumer = consumer
        self.users = 0
        consumer.start()


_shared: PerLoop[Hashable, _Shared] = PerLoop()


class _Use(AbstractAsyncContextManager[Consumer]):
    """One use; slim, because each of thousands of waits holds one for as long as it lasts."""

    __slots__ = ("_create", "_key", "_shared")

    def __init__(self, key: Hashable, create: Callable[[], Consumer]) -> None:
        self._key = key
        self._create: Callable[[], Consumer] | None = create
        self._shared: _Shared | None = None

    async def __aenter__(self) -> Consumer:
        key, create, self._create = self._key, self._create, None
        if create is None:
            raise RuntimeError("a use of a shared consumer can be entered once")
        shared = _shared.get(key, lambda: _Shared(key, create()), lambda shared: shared.consumer.is_usable)
        shared.users += 1
        # The key that all uses share, instead of one for each.
        self._shared, self._key = shared, shared.key
        return shared.consumer

    async def __aexit__(self, *exc_info: object) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users -= 1
        if shared.users == 0:
            _shared.discard(shared.key, shared)
            await shared.consumer.stop()


def shared_consumer(key: Hashable, create: Callable[[], Consumer]) -> AbstractAsyncContextManager[Consumer]:
    """
    Use the running consumer of that key, or start one, as long as the context lasts.

    :param key: What the consumer reads: endpoint, region and queue.
    :param create: Makes the consumer when there is none.
    """
    return _Use(key, create)
