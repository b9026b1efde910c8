# SPDX-License-Identifier: Apache-2.0
"""
Apply the fault plan to a message on its way to a topic or queue.

Messages that are delayed or held wait on the emulator's clock. A held message is let go when enough others are held,
when one that is not held has overtaken it, or when its time is up, so none is ever held for good.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import structlog

from tencent_batch_emulator.clock import Clock, Timer
from tencent_batch_emulator.faults.rules import FaultPlan, MessagePlan

log = structlog.get_logger(__name__)

T = TypeVar("T")
Deliver = Callable[[str], Awaitable[T]]

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass
class _Held:
    """Messages for one destination that wait for others to overtake them."""

    deliveries: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    timer: Timer | None = None


class MessageFaults:
    """
    Deliver messages, with the faults that the plan has for them.

    :param plan: The faults.
    :param clock: What delays are measured with.
    :param seed: For the order in which held messages are let go.
    """

    def __init__(self, plan: FaultPlan, clock: Clock, seed: int = 0) -> None:
        self._plan = plan
        self._clock = clock
        self._rng = random.Random(seed)
        self._held: dict[tuple[str, str], _Held] = {}
        self._timers: set[Timer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Whether messages go straight through: there is no rule for them, and none is held."""
        return not self._plan.meets_messages and not self._held

    async def apply(
        self, traits: Mapping[str, str], body: str, deliver: Deliver[T], *, forwarded: bool = False
    ) -> T | None:
        """
        Deliver a message as the plan decides.

        :param traits: Where it goes: ``queue`` or ``topic``, by name.
        :param body: The message.
        :param deliver: Puts a body there; called for every copy that arrives.
        :param forwarded: Whether it comes out of a topic, see :meth:`FaultPlan.for_message`.
        :return: What the first delivery returned; None when nothing has been delivered (yet).
        """
        if self.is_idle:
            return await deliver(body)
        plan = self._plan.for_message({**traits, "event": event_name(body)}, forwarded=forwarded)
        if plan.copies == 0:
            return None
        if plan.corrupted is not None:
            body = garble(body, plan.corrupted)
        destination = (traits.get("queue", ""), traits.get("topic", ""))

        async def arrive() -> T:
            result = await deliver(body)
            for _ in range(plan.copies - 1):
                await deliver(body)
            return result

        if plan.held:
            self._hold(destination, plan, lambda: self._delayed(plan, arrive))
            return None
        result = await self._delayed(plan, arrive)
        if plan.delay == 0:
            await self._let_go(destination)
        return result

    def apply_later(self, traits: Mapping[str, str], body: str, deliver: Deliver[object]) -> None:
        """Deliver a message that a topic forwards, without waiting for its arrival."""
        self._spawn(lambda: self.apply(traits, body, deliver, forwarded=True))

    async def close(self) -> None:
        """Forget what has not arrived."""
        for held in self._held.values():
            if held.timer is not None:
                held.timer.cancel()
        for timer in self._timers:
            timer.cancel()
        self._held.clear()
        self._timers.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _delayed(self, plan: MessagePlan, arrive: Callable[[], Awaitable[T]]) -> T | None:
        if plan.delay == 0:
            return await arrive()

        def start() -> None:
            self._timers.discard(timer)
            self._spawn(arrive)

        timer = self._clock.call_later(plan.delay, start)
        self._timers.add(timer)
        return None

    def _hold(self, destination: tuple[str, str], plan: MessagePlan, delivery: Callable[[], Awaitable[object]]) -> None:
        held = self._held.setdefault(destination, _Held())
        held.deliveries.append(delivery)
        if len(held.deliveries) >= plan.held:
            self._spawn(lambda: self._let_go(destination))
        elif held.timer is None:
            held.timer = self._clock.call_later(plan.held_for, lambda: self._spawn(lambda: self._let_go(destination)))

    async def _let_go(self, destination: tuple[str, str]) -> None:
        held = self._held.pop(destination, None)
        if held is None:
            return
        if held.timer is not None:
            held.timer.cancel()
        order = held.deliveries[:]
        self._rng.shuffle(order)
        if order == held.deliveries:
            order.reverse()
        for delivery in order:
            await delivery()

    def _spawn(self, work: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.get_running_loop().create_task(self._logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - nobody waits for this message any more, so nobody can be told
            log.warning("delayed message lost", why=f"{type(error).__name__}: {error}")


def event_name(body: str) -> str:
    """Return the name of the first event in a message; empty when it is no event message."""
    try:
        name: Any = msgspec.json.decode(body)["Events"][0]["EventName"]
    except (msgspec.DecodeError, LookupError, TypeError, UnicodeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def garble(body: str, seed: int) -> str:
    """Return a body of the same kind of size that is not JSON any more; cut off, overwritten or noise, by the seed."""
    rng = random.Random(seed)
    half = max(1, len(body) // 2)
    kind = rng.randrange(3)
    if kind == 0:
        return body[:half] if len(body) > 1 else _REPLACEMENT
    if kind == 1:
        return _REPLACEMENT + body[:-1]
    return "~" + "".join(chr(rng.randrange(33, 127)) for _ in range(half))
