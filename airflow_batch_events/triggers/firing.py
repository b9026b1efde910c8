# SPDX-License-Identifier: Apache-2.0
"""What a trigger fires for the messages of a queue, each event once, however often it is delivered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.dispatch.message_subscriber import Delivery
from airflow_batch_events.dispatch.recent_set import RecentSet
from airflow_batch_events.triggers.poison_messages import PoisonMessages

MAX_FIRED = 100_000
"""
What a watcher remembers to have fired, at most some 20 MB. A message that was fired but not deleted comes back after
its visibility timeout, and behind a long queue of others much later.
"""

EventsOf = Callable[[Delivery, PoisonMessages], list[TriggerEvent]]
"""Makes the events that a message fires."""


class Firing:
    """
    What a trigger fires, each event once.

    :param events_of: Makes the events that a message fires.
    :param identity_of: What an event is recognized by when it comes again.
    :param poison: The messages that cannot be fired.
    """

    def __init__(
        self, events_of: EventsOf, identity_of: Callable[[Delivery, TriggerEvent], Hashable], poison: PoisonMessages
    ) -> None:
        self._events_of = events_of
        self._identity_of = identity_of
        self._poison = poison
        self._fired: RecentSet[Hashable] = RecentSet(MAX_FIRED)

    def of(self, delivery: Delivery) -> list[TriggerEvent]:
        """Return the events of a message, those that have fired already among them."""
        return self._events_of(delivery, self._poison)

    def new(self, delivery: Delivery, events: Sequence[TriggerEvent]) -> Iterator[TriggerEvent]:
        """Yield those of a message's events that have not fired, each of which has when the next one is asked for."""
        for event in events:
            if self._fired.add(self._identity_of(delivery, event)):
                yield event

    def is_poison(self, delivery: Delivery) -> bool:
        """Whether a part of the message cannot be fired."""
        return delivery.message_id in self._poison
