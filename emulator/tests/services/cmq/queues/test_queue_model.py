# SPDX-License-Identifier: Apache-2.0
"""The queue against a model that is too simple to be wrong."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.cmq.message import Receipt
from tencent_batch_emulator.services.cmq.queues.attributes import QueueAttributes
from tencent_batch_emulator.services.cmq.queues.queue import Queue

VISIBILITY = 7
RETENTION = 60
STEP = 0.5
"""All times are multiples of it, so that sums of them are exact."""


@dataclass
class Known:
    """What the model knows of a message that is alive."""

    body: str
    sent: float
    visible: float
    handle: str | None = None
    receives: int = 0


class QueueMachine(RuleBasedStateMachine):
    """
    Do anything to a queue, in any order and at any time.

    The model is a dictionary of the living messages. A message is lost when the model knows one that the queue does
    not give, delivered twice when a receipt names one that is not visible, and risen when it names one that is gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.begin())
        self.known: dict[str, Known] = {}
        self.used_handles: list[str] = []
        self.waiting: list[asyncio.Task[list[Receipt]]] = []
        self.number = 0

    async def begin(self) -> None:
        self.clock = Clock(1_700_000_000.25, running=False)
        self.queue = Queue(
            "q",
            "cmqq-1",
            QueueAttributes(visibility_timeout=VISIBILITY, msg_retention_seconds=RETENTION),
            clock=self.clock,
            rng=random.Random(3),
        )

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        if self.waiting:
            self.loop.run_until_complete(asyncio.wait(self.waiting))
        self.loop.close()

    @rule(count=st.integers(1, 16), delay=st.sampled_from([0, 0, 0, 1, 5, 60]))
    def send(self, count: int, delay: int) -> None:
        bodies = [f"body {self.number + index}" for index in range(count)]
        self.number += count

        async def send() -> list[str]:
            return self.queue.send(bodies, delay)

        ids = self.loop.run_until_complete(send())
        now = self.clock.time()
        assert len(set(ids)) == count
        assert not set(ids) & set(self.known)
        self.known.update(
            (message_id, Known(body, now, now + delay)) for message_id, body in zip(ids, bodies, strict=True)
        )
        self.collect()

    @rule(wanted=st.integers(1, 16))
    def receive(self, wanted: int) -> None:
        visible = self.visible()
        receipts = self.loop.run_until_complete(self.queue.receive(wanted, 0))
        assert len(receipts) == min(wanted, visible), "all that is visible is given out"
        self.note(receipts)

    @rule(wanted=st.integers(1, 4), seconds=st.integers(1, 30))
    def wait(self, wanted: int, seconds: int) -> None:
        self.waiting.append(self.loop.create_task(self.queue.receive(wanted, seconds)))
        self.collect()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def go_away(self, data: st.DataObject) -> None:
        task = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        task.cancel()
        self.loop.run_until_complete(asyncio.wait([task]))
        assert task.cancelled()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), count=st.integers(1, 3))
    def go_away_while_a_message_comes(self, data: st.DataObject, count: int) -> None:
        task = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))

        async def both() -> list[str]:
            ids = self.queue.send([f"late {self.number + index}" for index in range(count)])
            task.cancel()
            return ids

        now = self.clock.time()
        for index, message_id in enumerate(self.loop.run_until_complete(both())):
            self.known[message_id] = Known(f"late {self.number + index}", now, now)
        self.number += count
        self.collect()

    @precondition(lambda self: any(known.handle for known in self.known.values()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        held = sorted(message_id for message_id, known in self.known.items() if known.handle)
        message_id = data.draw(st.sampled_from(held))
        known = self.known[message_id]
        assert known.handle is not None
        if known.visible > self.clock.time():
            self.queue.delete(known.handle)
            del self.known[message_id]
        else:
            with pytest.raises(CmqFault, match="4430"):
                self.queue.delete(known.handle)
        self.used_handles.append(known.handle)
        self.collect()

    @precondition(lambda self: self.used_handles)
    @rule(data=st.data())
    def delete_by_an_old_handle(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(self.used_handles))
        with pytest.raises(CmqFault, match="4430"):
            self.queue.delete(handle)

    @rule(seconds=st.sampled_from([0.5, 1, 2.5, 6.5, 7, 7.5, 30, 60]))
    def let_time_pass(self, seconds: float) -> None:
        async def advance() -> None:
            self.clock.advance(STEP)

        # Step by step, because a receiver that waits may take a message anywhere on the way.
        for _ in range(int(seconds / STEP)):
            self.loop.run_until_complete(advance())
            self.expire()
            self.collect()

    @invariant()
    def counts_agree(self) -> None:
        now = self.clock.time()
        held = sum(known.handle is not None and known.visible > now for known in self.known.values())
        delayed = sum(known.receives == 0 and known.visible > now for known in self.known.values())
        assert self.queue.active_count == self.visible()
        assert self.queue.inactive_count == held
        assert self.queue.delayed_count == delayed
        assert {message.message_id for message in self.queue.peek()} == set(self.known)
        assert self.queue.waiting_receivers == len(self.waiting)
        assert not (self.waiting and self.visible()), "nobody waits while there is something"

    def visible(self) -> int:
        return sum(known.visible <= self.clock.time() for known in self.known.values())

    def expire(self) -> None:
        now = self.clock.time()
        for message_id in [each for each, known in self.known.items() if known.sent + RETENTION <= now]:
            handle = self.known.pop(message_id).handle
            if handle is not None:
                self.used_handles.append(handle)

    def collect(self) -> None:
        async def turn() -> None:
            for _ in range(3):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            self.note(task.result())

    def note(self, receipts: list[Receipt]) -> None:
        now = self.clock.time()
        for receipt in receipts:
            known = self.known[receipt.message_id]
            assert known.visible <= now, "given to two receivers at a time"
            assert receipt.body == known.body
            assert receipt.enqueued == known.sent
            if known.handle is not None:
                self.used_handles.append(known.handle)
            known.handle = receipt.handle
            known.receives += 1
            known.visible = receipt.next_visible
            assert receipt.dequeue_count == known.receives
            assert receipt.next_visible == now + VISIBILITY
        assert len({receipt.handle for receipt in receipts}) == len(receipts)


QueueMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
TestQueueAgainstItsModel = QueueMachine.TestCase
