# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

import pytest

from tencent_batch_emulator.services.cmq.message import Message
from tencent_batch_emulator.services.cmq.queues.in_flight import InFlightMessages


@pytest.fixture
def in_flight() -> InFlightMessages:
    return InFlightMessages(random.Random(1))


def message(name: str = "a") -> Message:
    return Message(name, "x", 1, 0, 0)


def test_a_handle_works_once(in_flight: InFlightMessages) -> None:
    held = message()
    in_flight.hold(held, until=30)
    assert in_flight.release(str(held.handle)) is held
    assert in_flight.release(str(held.handle)) is None


@pytest.mark.parametrize("handle", ["", "0", "-1", "x", "\u0663", "9" * 5000])
def test_an_invented_handle_holds_nothing(in_flight: InFlightMessages, handle: str) -> None:
    in_flight.hold(message(), until=30)
    assert in_flight.release(handle) is None


def test_messages_are_due_at_their_time_and_their_handles_end(in_flight: InFlightMessages) -> None:
    held, delayed = message("held"), message("delayed")
    in_flight.hold(held, until=30)
    in_flight.delay(delayed, until=10)
    assert (in_flight.held, in_flight.delayed, in_flight.next_due()) == (1, 1, 10)
    assert [one.message_id for one in in_flight.take_due(10)] == ["delayed"]
    assert [one.message_id for one in in_flight.take_due(30)] == ["held"]
    assert (in_flight.held, in_flight.delayed, in_flight.next_due()) == (0, 0, None)
    assert in_flight.release(str(held.handle)) is None
