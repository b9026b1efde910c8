# SPDX-License-Identifier: Apache-2.0
"""
One queue: a message is active, then held by one receiver or delayed, and in the end gone.

Every living message is in exactly one of those states, whatever happens to the receiver, and each change of state is
one method here. What is due by time is done before anything else is, and by one timer when nobody calls; only
clearing, rewinding and changing the attributes visit all messages.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from tencent_batch_emulator.clock import Clock, Timer
from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.call_rate import CallRate
from tencent_batch_emulator.services.cmq.limits import STRICT, Limits
from tencent_batch_emulator.services.cmq.message import Message, Receipt, State
from tencent_batch_emulator.services.cmq.queues.attributes import DeadLetterPolicy, QueueAttributes
from tencent_batch_emulator.services.cmq.queues.in_flight import InFlightMessages
from tencent_batch_emulator.services.cmq.queues.retention import RetentionIndex
from tencent_batch_emulator.services.cmq.queues.rewind import ConsumedMessages
from tencent_batch_emulator.services.cmq.queues.visible import WINDOW, VisibleMessages
from tencent_batch_emulator.services.cmq.queues.waiters import Waiters

_MEGABYTE = 1024 * 1024


class Queue:
    """
    A queue and its messages.

    :param name: As it was created.
    :param queue_id: What the control plane calls it.
    :param attributes: Its settings.
    :param clock: All times and timers.
    :param rng: Ids, handles and the order of messages.
    :param limits: What it may hold.
    :param window: See :data:`~tencent_batch_emulator.services.cmq.queues.visible.WINDOW`.
    """

    def __init__(
        self,
        name: str,
        queue_id: str,
        attributes: QueueAttributes,
        *,
        clock: Clock,
        rng: random.Random,
        limits: Limits = STRICT,
        window: int = WINDOW,
    ) -> None:
        self.name = name
        self.queue_id = queue_id
        self.attributes = attributes
        self.created = self.modified = clock.time()
        self.tags: list[dict[str, str]] = []
        self.dead_letter_policy: DeadLetterPolicy | None = None
        self.is_deleted = False
        self.sends = CallRate(limits.calls_per_second)
        self.receives = CallRate(limits.calls_per_second)
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._dead_letter_queue: Queue | None = None
        self._active = VisibleMessages(rng, window)
        self._invisible = InFlightMessages(rng)
        self._ages = RetentionIndex()
        self._unconsumed = RetentionIndex()
        self._consumed = ConsumedMessages()
        self._waiters: Waiters[Receipt] = Waiters(clock)
        self._living = 0
        self._bytes = 0
        self._due = math.inf
        self._timer: Timer | None = None

    @property
    def active_count(self) -> int:
        """Messages that can be received."""
        self._settle()
        return self._living - self._invisible.held - self._invisible.delayed

    @property
    def inactive_count(self) -> int:
        """Messages that somebody has received and not deleted."""
        self._settle()
        return self._invisible.held

    @property
    def delayed_count(self) -> int:
        """Messages that are not visible yet."""
        self._settle()
        return self._invisible.delayed

    @property
    def rewindable_count(self) -> int:
        """Consumed messages that can be fetched back."""
        self._drop_consumed()
        return len(self._consumed)

    @property
    def waiting_receivers(self) -> int:
        """Long polls that wait now."""
        return len(self._waiters)

    @property
    def earliest(self) -> float | None:
        """When the oldest message that is not consumed came; None without one."""
        self._settle()
        oldest = self._ages.oldest()
        return None if oldest is None else oldest.enqueued

    def peek(self) -> Iterator[Message]:
        """Yield the messages, the oldest first, without receiving them; the queue must not change meanwhile."""
        self._settle()
        return iter(self._ages)

    def send(self, bodies: Sequence[str], delay: int = 0) -> list[str]:
        """
        Take messages in, all or none.

        :param bodies: The texts.
        :param delay: Seconds until they can be received.
        :return: Their ids.
        :raises CmqFault: 4000, 4400, 4410, 4440, 4470 or 6070.
        """
        if self.is_deleted:
            raise errors.queue_missing()
        now = self._settle()
        sizes = [len(body) if body.isascii() else len(body.encode()) for body in bodies]
        self._check_sizes(sizes)
        self._check_delay(delay, len(bodies))
        if (
            self._living + len(bodies) > self.attributes.max_msg_heap_num
            or self._bytes + sum(sizes) > self._limits.backlog_bytes
        ):
            raise errors.queue_full()
        ids = []
        for body, size in zip(bodies, sizes, strict=True):
            message_id = f"{self._rng.getrandbits(128):032X}"
            ids.append(message_id)
            self._take_in(Message(message_id, body, size, now, now), now, delay)
        self._serve()
        return ids

    async def receive(self, wanted: int = 1, wait: float | None = None) -> list[Receipt]:
        """
        Receive messages; wait for the first when there is none.

        :param wanted: How many at most.
        :param wait: Seconds to wait; the queue's own by default.
        :return: At least one, unless the time was up.
        :raises CmqFault: 4440 or 6070.
        """
        now = self._settle()
        if self._invisible.held >= self._limits.unacked:
            raise errors.too_many_unacked()
        receipts = self._hand_out(wanted, now)
        seconds = self.attributes.polling_wait_seconds if wait is None else wait
        if receipts or seconds <= 0:
            return receipts
        return await self._waiters.wait(wanted, seconds, self._give_back)

    def delete(self, handle: str) -> None:
        """
        Consume a message.

        :raises CmqFault: 4430 when the handle is not the latest, or the message is visible again.
        """
        now = self._settle()
        message = self._invisible.release(handle)
        if message is None:
            raise errors.handle_invalid()
        self._dispose(message)
        self._remember(message, now)
        if len(self._waiters):
            self._serve()

    def clear(self) -> None:
        """Drop all messages, and those that could be fetched back."""
        for message in self._ages:
            message.state = State.GONE
        for part in (self._active, self._invisible, self._ages, self._unconsumed, self._consumed):
            part.clear()
        self._living = self._bytes = 0

    def rewind(self, start: float) -> int:
        """
        Make consumed messages active again.

        :param start: Unix seconds; messages that came then or later come back.
        :return: How many did.
        :raises CmqFault: 6050 for a queue without rewind, 4000 for a time that is out of reach.
        """
        now = self._settle()
        if not self.attributes.rewind_seconds:
            raise errors.not_rewindable()
        earliest = now - self.attributes.rewind_seconds
        latest = self.earliest or now
        if not math.floor(earliest) <= start <= latest:
            raise errors.out_of_range(
                "StartConsumeTime", f"{start:.0f}, must be from {earliest:.0f} to {latest:.0f} (Unix seconds)"
            )
        self._drop_consumed()
        back = self._consumed.take_since(start, now)
        for message in back:
            self._take_in(message, now)
        self._serve()
        return len(back)

    def change(self, attributes: QueueAttributes) -> None:
        """Apply other settings, to the messages that are there too; a timeout that runs goes on as it was."""
        self.attributes = attributes
        self.modified = self._clock.time()
        self._plan()

    def bind_dead_letters(self, policy: DeadLetterPolicy | None, queue: Queue | None) -> None:
        """Set or clear where messages go that nobody manages to consume."""
        self.dead_letter_policy, self._dead_letter_queue = policy, queue
        self.modified = self._clock.time()
        self._unconsumed.clear()
        if policy is not None and policy.policy == 1:
            for message in self._ages:
                self._unconsumed.add(message)
        self._plan()

    def close(self) -> None:
        """Delete the queue: its messages are gone, and who waits is told."""
        self.is_deleted = True
        self.clear()
        self._waiters.fail(errors.queue_missing())
        if self._timer is not None:
            self._timer.cancel()

    def _take_in(self, message: Message, now: float, delay: float = 0) -> None:
        self._living += 1
        self._bytes += message.size
        self._ages.compact(self._living)
        self._ages.add(message)
        self._expect(message.unacked_since + self.attributes.msg_retention_seconds)
        policy = self.dead_letter_policy
        if policy is not None and policy.policy == 1:
            self._unconsumed.compact(self._living)
            self._unconsumed.add(message)
            self._expect(message.unacked_since + policy.max_time_to_live)
        if delay > 0:
            self._invisible.delay(message, now + delay)
            self._expect(message.visible_at)
        else:
            self._active.add(message)

    def _hand_out(self, wanted: int, now: float) -> list[Receipt]:
        receipts: list[Receipt] = []
        until = now + self.attributes.visibility_timeout
        for _ in range(min(wanted, self._limits.unacked - self._invisible.held)):
            message = self._active.take()
            if message is None:
                break
            self._invisible.hold(message, until)
            if message.dequeue_count == 0:
                message.first_dequeued = now
            message.dequeue_count += 1
            receipts.append(
                Receipt(
                    message.message_id,
                    message.body,
                    str(message.handle),
                    message.enqueued,
                    until,
                    message.first_dequeued,
                    message.dequeue_count,
                )
            )
        if receipts:
            self._expect(until)
        return receipts

    def _serve(self) -> None:
        now = self._clock.time()
        self._waiters.serve(lambda wanted: self._hand_out(wanted, now))

    def _give_back(self, receipts: list[Receipt]) -> None:
        for receipt in receipts:
            message = self._invisible.release(receipt.handle)
            if message is not None:
                message.dequeue_count -= 1
                message.state = State.ACTIVE
                self._active.add_again(message)
        self._serve()

    def _settle(self) -> float:
        """Do what is due, and return the time."""
        now = self._clock.time()
        if now >= self._due:
            self._do_due(now)
        return now

    def _do_due(self, now: float) -> None:
        for message in self._ages.take_older(self.attributes.msg_retention_seconds, now):
            self._invisible.forget(message)
            self._dispose(message)
            self._remember(message, now)
        policy = self.dead_letter_policy
        if policy is not None and policy.policy == 1:
            for message in self._unconsumed.take_older(policy.max_time_to_live, now):
                if message.state is not State.INACTIVE:
                    self._invisible.forget(message)
                    self._bury(message, now)
        for message in self._invisible.take_due(now):
            self._show(message, now)
        self._plan()
        if len(self._waiters):
            self._serve()

    def _show(self, message: Message, now: float) -> None:
        was_received = message.state is State.INACTIVE
        if was_received and self._is_dead(message, now):
            self._bury(message, now)
            return
        message.state = State.ACTIVE
        if was_received:
            self._active.add_again(message)
        else:
            self._active.add(message)

    def _is_dead(self, message: Message, now: float) -> bool:
        policy = self.dead_letter_policy
        if policy is None:
            return False
        if policy.policy == 0:
            return message.dequeue_count >= policy.max_receive_count
        return message.unacked_since + policy.max_time_to_live <= now

    def _bury(self, message: Message, now: float) -> None:
        self._dispose(message)
        target = self._dead_letter_queue
        if target is not None:
            target._take_in(Message(message.message_id, message.body, message.size, now, now), now)
            target._serve()

    def _dispose(self, message: Message) -> None:
        message.state = State.GONE
        self._living -= 1
        self._bytes -= message.size

    def _remember(self, message: Message, now: float) -> None:
        if self.attributes.rewind_seconds:
            self._consumed.add(message, now)
            self._drop_consumed()

    def _drop_consumed(self) -> None:
        seconds, megabytes = self.attributes.rewind_seconds, self.attributes.retention_size_in_mb
        self._consumed.drop_before(
            self._clock.time() - seconds if seconds else math.inf, megabytes * _MEGABYTE if megabytes else None
        )

    def _plan(self) -> None:
        """Find out when something is due next."""
        self._due = math.inf
        candidates = [self._invisible.next_due()]
        if (oldest := self._ages.oldest()) is not None:
            candidates.append(oldest.unacked_since + self.attributes.msg_retention_seconds)
        policy = self.dead_letter_policy
        if policy is not None and (oldest := self._unconsumed.oldest()) is not None:
            candidates.append(oldest.unacked_since + policy.max_time_to_live)
        self._expect(min((when for when in candidates if when is not None), default=math.inf))

    def _expect(self, when: float) -> None:
        if when >= self._due:
            return
        self._due = when
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.call_at(when, lambda: self._do_due(max(when, self._clock.time())))

    def _check_sizes(self, sizes: Sequence[int]) -> None:
        if not all(sizes):
            raise errors.body_empty()
        if max(sizes, default=0) > self.attributes.max_msg_size:
            raise errors.message_too_large()
        if sum(sizes) > self._limits.batch_bytes:
            raise errors.batch_too_large()

    def _check_delay(self, delay: int, count: int) -> None:
        longest = min(self._limits.delay, self.attributes.msg_retention_seconds)
        if not 0 <= delay <= longest:
            raise errors.delay_out_of_range(f"{delay}, must be from 0 to {longest}")
        if delay and self._invisible.delayed + count > self._limits.unacked:
            raise errors.too_many_unacked()
