# SPDX-License-Identifier: Apache-2.0
"""
Read a queue in a trigger's own ``run``: in a DAG test, and where Airflow has no shared streams.

All triggers of a triggerer on one queue use its one consumer all the same, and each is one of its subscribers. Nobody
tells a trigger when what it has fired is stored, so a message is held until that is known; see ``late_settler.py``. The
rule that must not be relaxed: a trigger that is cancelled settles nothing that is not known to be stored.

An event has left a trigger only when Airflow asks for the next one: one whose trigger is cancelled before that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.airflow_compat.shared_stream import JOIN_GRACE, fires_in_triggerer
from airflow_batch_events.airflow_compat.triggerer import finish_although_cancelled
from airflow_batch_events.dispatch.message_subscriber import Wants
from airflow_batch_events.dispatch.metrics import Metrics
from airflow_batch_events.triggers.base import WatcherTrigger
from airflow_batch_events.triggers.firing import Firing
from airflow_batch_events.triggers.late_settler import MAX_HELD, late_settler
from airflow_batch_events.triggers.queue_consumer import queue_consumer
from airflow_batch_events.triggers.shared_stream import MAX_UNDER_WAY, handover_of
from airflow_batch_events.triggers.task_settler import settle_when_stored

if TYPE_CHECKING:
    from airflow_batch_events.dispatch.consumer import Consumer

Events = AsyncGenerator[TriggerEvent, None]

MakeFiring = Callable[[Metrics], Firing]


def run_without_stream(trigger: WatcherTrigger, wants: Wants, every: Wants, make_firing: MakeFiring) -> Events:
    """
    Fire for the messages of a trigger's queue.

    :param trigger: The trigger.
    :param wants: Which messages may fire.
    :param every: Which messages are taken, so that nobody else decides about them.
    :param make_firing: Makes what the trigger fires.
    """
    if not fires_in_triggerer(trigger):
        return _first(trigger, wants, make_firing)
    if trigger.task_instance is None:
        return _watch(trigger, every, make_firing)
    return _first_for_task(trigger, every, make_firing)


async def _first(trigger: WatcherTrigger, wants: Wants, make_firing: MakeFiring) -> Events:
    """Fire in a DAG test, which takes the first event only."""
    async with _consumer(trigger) as consumer:
        firing = make_firing(consumer.metrics)
        with consumer.subscriber(wants) as subscriber:
            async for delivery in subscriber:
                events = firing.of(delivery)
                # Nobody will say that anything is stored.
                subscriber.settle(delivery, is_stored=not firing.is_poison(delivery))
                for event in firing.new(delivery, events):
                    yield event


async def _watch(trigger: WatcherTrigger, every: Wants, make_firing: MakeFiring) -> Events:
    """Fire for an asset's watcher."""
    loop = asyncio.get_running_loop()
    async with late_settler() as settler, _consumer(trigger) as consumer:
        firing = make_firing(consumer.metrics)
        with consumer.subscriber(every, capacity=MAX_HELD, max_size=MAX_UNDER_WAY) as subscriber:
            started = loop.time()
            try:
                async for delivery in subscriber:
                    # What comes before all watchers can be there comes again, when they are.
                    is_left = loop.time() - started < JOIN_GRACE
                    events = firing.of(delivery)
                    for event in firing.new(delivery, events):
                        await settler.turn()
                        yield event
                    if is_left or firing.is_poison(delivery):
                        subscriber.settle(delivery, is_stored=False)
                    elif events:
                        settler.hold(subscriber, delivery)
                    else:
                        subscriber.settle(delivery, is_stored=True)
            finally:
                settler.forget(subscriber)


async def _first_for_task(trigger: WatcherTrigger, every: Wants, make_firing: MakeFiring) -> Events:
    """Fire once for a deferred task, and leave all other messages."""
    handover = handover_of(trigger)
    resources = AsyncExitStack()
    try:
        consumer = await resources.enter_async_context(_consumer(trigger))
        subscriber = resources.enter_context(consumer.subscriber(every, max_size=MAX_UNDER_WAY))
        firing = make_firing(consumer.metrics)
        async for delivery in subscriber:
            for event in firing.new(delivery, firing.of(delivery)):
                await handover.passed()
                yield event
                await settle_when_stored(trigger, subscriber, [delivery])
                return
            subscriber.settle(delivery, is_stored=False)
    finally:
        # A trigger is cancelled anew each second, and the consumer deletes last what was settled.
        await finish_although_cancelled(resources.aclose())


def _consumer(trigger: WatcherTrigger) -> AbstractAsyncContextManager[Consumer]:
    return queue_consumer(trigger.tencentcloud_conn_id, trigger.region, trigger.text("queue_name"))
