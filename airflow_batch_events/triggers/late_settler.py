# SPDX-License-Identifier: Apache-2.0
"""
Settle messages when what they have fired is stored, where Airflow tells nobody so: without shared streams.

The rule that must not be relaxed: what is not known to be stored is not settled. A triggerer that is killed, that
stops, or whose supervisor does not answer, leaves its messages in their queue; they come back and fire again.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from airflow_batch_events.airflow_compat.shared_stream import LEAVES_WITHIN, until_supervisor_has_stored
from airflow_batch_events.dispatch.message_subscriber import Delivery, MessageSubscriber
from airflow_batch_events.protocol.per_loop import PerLoop
from airflow_batch_events.text import MAX_TEXT, printable

log = logging.getLogger(__name__)

TURN = 0.01
"""
Seconds from one event of all watchers to the next. The triggerer's supervisor stores some hundred in a second, and is
taken for dead when it is busy with them for 30.
"""

MAX_HELD = 2_048
"""Messages that a watcher holds: those that it fires by turns until they are settled, and some that wait."""


class LateSettler:
    """
    Hold messages that have fired, and settle them in the order in which they did.

    :param until_stored: Waits until everything that has left this process is stored; an error says that nobody knows.
    :param leaves_within: Seconds after which an event has left this process.
    """

    def __init__(self, until_stored: Callable[[], Awaitable[None]], leaves_within: float) -> None:
        self._until_stored = until_stored
        self._leaves_within = leaves_within
        self._held: deque[tuple[float, MessageSubscriber, Delivery]] = deque()
        self._holds = asyncio.Event()
        self._next_turn = 0.0

    async def turn(self) -> None:
        """Wait until one more event may fire."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn)
        self._next_turn = turn + TURN
        await asyncio.sleep(turn - now)

    def hold(self, subscriber: MessageSubscriber, delivery: Delivery) -> None:
        """Settle a delivery when what it has fired until now is stored."""
        self._held.append((asyncio.get_running_loop().time(), subscriber, delivery))
        self._holds.set()

    def forget(self, subscriber: MessageSubscriber) -> None:
        """Settle nothing more of a subscriber, which leaves what it holds."""
        self._held = deque(held for held in self._held if held[1] is not subscriber)

    async def run(self) -> None:
        """Settle until cancelled."""
        while True:
            await self._holds.wait()
            while self._held:
                await self._settle_first()
            self._holds.clear()

    async def _settle_first(self) -> None:
        """Settle those that have fired first, as soon as what they have fired has left and is stored."""
        loop = asyncio.get_running_loop()
        first = self._held[0][0]
        await asyncio.sleep(max(0.0, first + self._leaves_within - loop.time()))
        left_by = max(first, loop.time() - self._leaves_within)
        try:
            await self._until_stored()
        except Exception as error:  # noqa: BLE001 - the messages are held until it is known
            log.warning("It is not known what the triggerer has stored: %s", printable(error, MAX_TEXT))
            await asyncio.sleep(self._leaves_within)
            return
        while self._held and self._held[0][0] <= left_by:
            _, subscriber, delivery = self._held.popleft()
            subscriber.settle(delivery, is_stored=True)


class _Shared:
    def __init__(self) -> None:
        self.settler = LateSettler(until_supervisor_has_stored, LEAVES_WITHIN)
        self.users = 0
        # An empty context, because log lines must not go to the trigger that happened to be first.
        self.task = contextvars.Context().run(asyncio.get_running_loop().create_task, self.settler.run())


_shared: PerLoop[str, _Shared] = PerLoop()


@asynccontextmanager
async def late_settler() -> AsyncIterator[LateSettler]:
    """Use the one settler of a triggerer, which asks for all of its watchers, as long as the context lasts."""
    shared = _shared.get("settler", _Shared, lambda shared: not shared.task.done())
    shared.users += 1
    try:
        yield shared.settler
    finally:
        shared.users -= 1
        if shared.users == 0:
            _shared.discard("settler", shared)
            shared.task.cancel()
            await asyncio.gather(shared.task, return_exceptions=True)
