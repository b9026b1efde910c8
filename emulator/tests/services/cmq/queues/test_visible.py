# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

from tencent_batch_emulator.services.cmq.message import Message, State
from tencent_batch_emulator.services.cmq.queues.visible import VisibleMessages


def some(count: int) -> list[Message]:
    return [Message(str(number), "x", 1, 0, 0) for number in range(count)]


def taken(visible: VisibleMessages) -> list[int]:
    ids: list[int] = []
    while (message := visible.take()) is not None:
        ids.append(int(message.message_id))
    return ids


def test_a_window_of_one_keeps_the_order() -> None:
    visible = VisibleMessages(random.Random(1), window=1)
    for message in some(20):
        visible.add(message)
    assert taken(visible) == list(range(20))


def test_a_wider_window_gives_another_order_and_loses_nothing() -> None:
    visible = VisibleMessages(random.Random(1))
    for message in some(100):
        visible.add(message)
    order = taken(visible)
    assert order != sorted(order)
    assert sorted(order) == list(range(100))


def test_what_comes_back_goes_first_and_what_left_is_skipped() -> None:
    visible = VisibleMessages(random.Random(1), window=1)
    first, second, third = some(3)
    visible.add(second)
    visible.add(third)
    visible.add_again(first)
    second.state = State.GONE
    assert taken(visible) == [0, 2]
