# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.triggers.firing import Firing
from airflow_batch_events.triggers.poison_messages import PoisonMessages


def make() -> tuple[Firing, PoisonMessages]:
    poison = PoisonMessages(SimpleNamespace(warning=lambda *args: None), Counts())

    def events_of(delivery: Any, poison: PoisonMessages) -> list[TriggerEvent]:
        return poison.firing(delivery, delivery.items, TriggerEvent)

    return Firing(events_of, lambda delivery, event: event.payload, poison), poison


def message(*items: str) -> Any:
    return SimpleNamespace(message_id="m", items=items)


def test_an_event_fires_once_whatever_brings_it_again() -> None:
    firing, _ = make()
    first, second = message("a", "b"), message("b", "c")
    assert [event.payload for event in firing.new(first, firing.of(first))] == ["a", "b"]
    assert [event.payload for event in firing.of(second)] == ["b", "c"]
    assert [event.payload for event in firing.new(second, firing.of(second))] == ["c"]


def test_an_event_that_nobody_has_asked_for_has_not_fired() -> None:
    firing, _ = make()
    delivery = message("a", "b")
    assert next(firing.new(delivery, firing.of(delivery))).payload == "a"
    assert [event.payload for event in firing.new(delivery, firing.of(delivery))] == ["b"]


def test_a_message_with_a_bad_part_is_poison() -> None:
    firing, poison = make()
    delivery = message("a")
    assert not firing.is_poison(delivery)
    poison.add("m", ValueError())
    assert firing.is_poison(delivery)
    assert firing.of(delivery) == []
