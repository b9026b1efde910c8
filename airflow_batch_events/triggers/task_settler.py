# SPDX-License-Identifier: Apache-2.0
"""
Delete the messages of a deferred task when Airflow has stored what they fired, and not before.

The rule that must not be relaxed: where that is not known, the messages are left. They come back, and the trigger that
another triggerer has begun anew fires for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow.triggers.base import BaseTrigger

from airflow_batch_events.airflow_compat.shared_stream import until_stored
from airflow_batch_events.airflow_compat.triggerer import finish_although_cancelled, is_still_deferred
from airflow_batch_events.dispatch.message_subscriber import Delivery, MessageSubscriber


async def settle_when_stored(
    trigger: BaseTrigger, subscriber: MessageSubscriber, deliveries: Sequence[Delivery]
) -> None:
    """
    Settle what a trigger has fired for; to be awaited after its event, as the last thing that it does.

    :param trigger: The trigger of a deferred task.
    :param subscriber: What holds the messages.
    :param deliveries: The messages.
    """
    try:
        await until_stored()
    finally:
        await finish_although_cancelled(_settle_if_stored(trigger, subscriber, deliveries))


async def _settle_if_stored(
    trigger: BaseTrigger, subscriber: MessageSubscriber, deliveries: Sequence[Delivery]
) -> None:
    # A triggerer cancels a trigger whose task goes on with its event, which is stored then, and when it stops itself.
    try:
        is_stored = not await is_still_deferred(trigger)
    except Exception as error:  # noqa: BLE001 - the messages are left, because nobody knows
        trigger.log.warning("The messages come back, it is not known whether their event is stored: %r", error)
        return
    for delivery in deliveries if is_stored else ():
        subscriber.settle(delivery, is_stored=True)
