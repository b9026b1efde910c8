# SPDX-License-Identifier: Apache-2.0
"""What the ``call`` fixture is, how a test waits that must not hang, and queues that subscribe to a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tencent_batch_emulator.services.cmq.broker import Broker

Call = Callable[..., Awaitable[dict[str, Any]]]

T = TypeVar("T")


async def soon(waiting: Awaitable[T]) -> T:
    """Return the result of what must end now, since the clock stands still; fail when it does not."""
    return await asyncio.wait_for(waiting, 5)


def subscribe(broker: Broker, name: str, topic: str = "events", **settings: Any) -> None:
    """Subscribe a queue, made when it is not there, to a topic."""
    if name not in broker.queues:
        broker.create_queue(name)
    broker.create_subscription(topic, name, protocol="queue", endpoint=name, **settings)


def bodies(broker: Broker, name: str) -> list[str]:
    """Return what is in a queue, without receiving it."""
    return [message.body for message in broker.queues.get(name).peek()]
