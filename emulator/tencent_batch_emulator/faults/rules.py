# SPDX-License-Identifier: Apache-2.0
"""
The rules of injected faults, and the decision what they do to one request or one message.

The decision is pure: it draws from one seeded generator for each rule and reads the clock, so the same plan meets
the same traffic in the same way. ``http.request_faults`` applies it to requests, ``message_faults`` to messages; the
services behind them never know. A rule that counts is used up only by what it really met.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

import msgspec

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.token_buckets import TokenBuckets

MessageEffect = Literal["drop", "duplicate", "delay", "reorder", "corrupt"]
RequestEffect = Literal["error", "http_500", "throttle", "hang", "cut_before", "cut_after"]
Effect = Literal[MessageEffect, RequestEffect]

MESSAGE_EFFECTS: frozenset[str] = frozenset(get_args(MessageEffect))
REQUEST_EFFECTS: frozenset[str] = frozenset(get_args(RequestEffect))

MAX_RULES = 1000
"""How many rules may be in force at once: each is tried on every request or message."""

_MAX_SECONDS = 366 * 24 * 3600
_MAX_TIMES = 1000
_MAX_PER_SECOND = 1_000_000
_MATCHERS = ("service", "action", "queue", "topic", "event")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One rule: what it meets, how much of that, and what it does to it.

    :param effect: For messages ``drop``, ``duplicate``, ``delay``, ``reorder`` or ``corrupt``; for requests ``error``,
        ``http_500``, ``throttle``, ``hang``, ``cut_before`` or ``cut_after`` (the effect of the request).
    :param service: ``batch``, ``tdmq``, ``sts`` or ``cmq``; a request effect only. This and the other four are names or
        patterns with ``*`` and ``?``; one that is left out meets everything.
    :param action: For example ``DescribeJobs``; a request effect only.
    :param queue: The queue that a request names, or that a message comes into, directly or through a topic.
    :param topic: The topic that a request names, or that a message is published to.
    :param event: The event's name in the message, for example ``JOB_SUCCEED``; a message effect only.
    :param share: Which part of what it meets it changes, from 0 to 1; chosen by the seed.
    :param next: Change only so many, then rest; None for no limit.
    :param after: Seconds from adding the rule until it begins.
    :param duration: Seconds that it lasts from then; None for no end.
    :param times: ``duplicate``: how many copies arrive. ``reorder``: how many messages are held and shuffled.
    :param seconds: ``delay`` and ``hang``: for how long. ``reorder``: how long a message is held at most.
    :param per_second: ``throttle``: so many requests of each action a second pass.
    :param code: ``error``: the code to answer, for example ``InternalError`` or, on the data plane, ``6000``.
    :param message: ``error``: the text beside it.
    """

    effect: Effect
    service: str | None = None
    action: str | None = None
    queue: str | None = None
    topic: str | None = None
    event: str | None = None
    share: float = 1.0
    next: int | None = None
    after: float = 0.0
    duration: float | None = None
    times: int = 2
    seconds: float = 1.0
    per_second: float = 1.0
    code: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        foreign = ("service", "action") if self.is_for_messages else ("event",)
        for name in foreign:
            if getattr(self, name) is not None:
                kind = "messages" if self.is_for_messages else "requests"
                raise ValueError(f"{name}={getattr(self, name)!r} does not fit {self.effect}, which is for {kind}")
        for name, fits, range_ in (
            ("share", 0 <= self.share <= 1, "between 0 and 1"),
            ("next", self.next is None or self.next >= 1, "at least 1"),
            ("after", 0 <= self.after <= _MAX_SECONDS, f"at least 0 and at most {_MAX_SECONDS}"),
            (
                "duration",
                self.duration is None or 0 < self.duration <= _MAX_SECONDS,
                f"more than 0, at most {_MAX_SECONDS}",
            ),
            ("times", 2 <= self.times <= _MAX_TIMES, f"at least 2 and at most {_MAX_TIMES}"),
            ("seconds", 0 <= self.seconds <= _MAX_SECONDS, f"at least 0 and at most {_MAX_SECONDS}"),
            ("per_second", 0 < self.per_second <= _MAX_PER_SECOND, f"more than 0, at most {_MAX_PER_SECOND}"),
        ):
            if not fits:
                raise ValueError(f"{name} of the fault {self.effect} must be {range_}, not {getattr(self, name)}")
        if self.effect == "error" and not self.code:
            raise ValueError("the fault effect 'error' needs a code, for example code='InternalError'")

    @property
    def is_for_messages(self) -> bool:
        """Whether it changes messages, not requests."""
        return self.effect in MESSAGE_EFFECTS

    def meets(self, traits: Mapping[str, str]) -> bool:
        """Whether every matcher fits; what has no such trait is met only by a rule that does not ask for it."""
        for name in _MATCHERS:
            pattern = getattr(self, name)
            if pattern is None:
                continue
            # Queue and topic names do not know case, and no two actions or events differ by it.
            if name not in traits or not fnmatchcase(traits[name].lower(), pattern.lower()):
                return False
        return True


def parse_fault(text: str) -> Fault:
    """
    Read a rule from a command line: ``drop event=JOB_SUCCEED share=0.3``, words separated by blanks or commas.

    :raises ValueError: When a word is no setting, or has a value that does not fit.
    """
    effect, *words = text.replace(",", " ").split() or [""]
    if effect not in MESSAGE_EFFECTS | REQUEST_EFFECTS:
        raise ValueError(
            f"there is no fault effect {effect!r}; there are {', '.join(sorted(MESSAGE_EFFECTS))} for messages and "
            f"{', '.join(sorted(REQUEST_EFFECTS))} for requests"
        )
    settings: dict[str, Any] = {"effect": effect}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in Fault.__struct_fields__ or name == "effect":
            known = ", ".join(field for field in Fault.__struct_fields__ if field != "effect")
            raise ValueError(f"{word!r} in the fault {text!r} is not a setting like next=3; settings are {known}")
        settings[name] = value
    return convert_fault(settings, strict=False)


def convert_fault(settings: object, *, strict: bool = True) -> Fault:
    """
    Make a rule from decoded JSON.

    :param strict: False also takes numbers that are written as text.
    :raises ValueError: When a setting is unknown or has a value that does not fit.
    """
    try:
        return msgspec.convert(settings, Fault, strict=strict)
    except msgspec.ValidationError as error:
        raise ValueError(f"this fault cannot be used: {error}") from None


@dataclass
class Rule:
    """
    A fault in force.

    :param number: Its id in the plan.
    :param begins: Unix seconds by the emulator's clock.
    :param ends: The same; None for never.
    :param left: How many more it may change; None without limit.
    :param used: How many it has changed.
    """

    number: int
    fault: Fault
    begins: float
    ends: float | None
    left: int | None
    rng: random.Random = field(repr=False)
    used: int = 0
    buckets: TokenBuckets = field(default_factory=TokenBuckets, repr=False)

    def strikes(self, traits: Mapping[str, str], now: float) -> bool:
        """Decide whether it changes what has these traits, and count it."""
        if self.left == 0 or now < self.begins or (self.ends is not None and now >= self.ends):
            return False
        if not self.fault.meets(traits):
            return False
        if self.fault.share < 1 and self.rng.random() >= self.fault.share:
            return False
        if self.fault.effect == "throttle" and not self._is_too_many(traits, now):
            return False
        if self.left is not None:
            self.left -= 1
        self.used += 1
        return True

    def _is_too_many(self, traits: Mapping[str, str], now: float) -> bool:
        """Whether this request finds no token left in the bucket of its action."""
        name = (traits.get("service", ""), traits.get("action", ""))
        return not self.buckets.take(name, self.fault.per_second, now)


@dataclass(frozen=True)
class MessagePlan:
    """
    What becomes of a message.

    :param copies: How often it arrives; 0 when it is lost.
    :param delay: Seconds until it does.
    :param corrupted: Whether it arrives unreadable, and with which seed.
    :param held: Held with so many others and let go in another order; 0 when it is not.
    :param held_for: Seconds that it is held at most.
    """

    copies: int = 1
    delay: float = 0.0
    corrupted: int | None = None
    held: int = 0
    held_for: float = 0.0


UNHARMED = MessagePlan()


class FaultPlan:
    """
    The rules in force, in the order in which they were added.

    :param clock: For time windows and rates.
    :param seed: What chance is made from; the same seed and traffic give the same faults.
    """

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._seed = seed
        self._numbers = itertools.count(1)
        self._rules: list[Rule] = []

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with what is left of them."""
        return tuple(self._rules)

    @property
    def meets_messages(self) -> bool:
        """Whether any rule is for messages."""
        return any(rule.fault.is_for_messages for rule in self._rules)

    @property
    def meets_queues(self) -> bool:
        """Whether any rule is for messages that come into a certain queue."""
        return any(rule.fault.is_for_messages and rule.fault.queue is not None for rule in self._rules)

    def add(self, fault: Fault) -> int:
        """
        Put a rule in force and return its number.

        :raises ValueError: When :data:`MAX_RULES` are in force already.
        """
        if len(self._rules) >= MAX_RULES:
            raise ValueError(f"there are {MAX_RULES} faults in force; take some back first")
        number = next(self._numbers)
        begins = self._clock.time() + fault.after
        ends = None if fault.duration is None else begins + fault.duration
        # One generator for each rule: adding a rule must not change what another one draws.
        rng = random.Random(f"{self._seed}:{number}")
        self._rules.append(Rule(number, fault, begins, ends, fault.next, rng))
        return number

    def remove(self, number: int) -> None:
        """
        Take one rule back.

        :raises KeyError: When there is none of that number.
        """
        left = [rule for rule in self._rules if rule.number != number]
        if len(left) == len(self._rules):
            raise KeyError(f"there is no fault number {number}")
        self._rules = left

    def clear(self) -> None:
        """Take all rules back; messages that are delayed or held still arrive."""
        self._rules = []

    def for_request(self, traits: Mapping[str, str]) -> list[Fault]:
        """Return the faults that a request with these traits meets."""
        now = self._clock.time()
        return [rule.fault for rule in self._rules if not rule.fault.is_for_messages and rule.strikes(traits, now)]

    def for_message(self, traits: Mapping[str, str], *, forwarded: bool = False) -> MessagePlan:
        """
        Decide what becomes of a message that has these traits.

        :param forwarded: Whether it comes into a queue through a topic: the rules that do not ask for a queue have had
            their turn when it was published.
        """
        now = self._clock.time()
        copies, delay, corrupted, held, held_for = 1, 0.0, None, 0, 0.0
        for rule in self._rules:
            if not rule.fault.is_for_messages or (forwarded and rule.fault.queue is None):
                continue
            if not rule.strikes(traits, now):
                continue
            fault = rule.fault
            if fault.effect == "drop":
                return MessagePlan(copies=0)
            if fault.effect == "duplicate":
                copies *= fault.times
            elif fault.effect == "delay":
                delay += fault.seconds
            elif fault.effect == "corrupt":
                corrupted = rule.rng.getrandbits(32)
            elif fault.effect == "reorder":
                held, held_for = fault.times, fault.seconds
        return MessagePlan(copies, delay, corrupted, held, held_for)

    def drop_next(self, event: str | None = None, count: int = 1, *, topic: str | None = None) -> int:
        """Lose the next ``count`` messages of an event."""
        return self.add(Fault(effect="drop", event=event, topic=topic, next=count))

    def duplicate_next(
        self, event: str | None = None, count: int = 1, *, times: int = 2, topic: str | None = None
    ) -> int:
        """Deliver each of the next ``count`` messages ``times`` times."""
        return self.add(Fault(effect="duplicate", event=event, topic=topic, next=count, times=times))

    def delay_next(self, event: str | None = None, count: int = 1, *, seconds: float, topic: str | None = None) -> int:
        """Deliver the next ``count`` messages ``seconds`` later."""
        return self.add(Fault(effect="delay", event=event, topic=topic, next=count, seconds=seconds))

    def corrupt_next(self, event: str | None = None, count: int = 1, *, topic: str | None = None) -> int:
        """Make the next ``count`` messages unreadable."""
        return self.add(Fault(effect="corrupt", event=event, topic=topic, next=count))

    def reorder(
        self, event: str | None = None, *, times: int = 2, seconds: float = 1.0, topic: str | None = None
    ) -> int:
        """Deliver messages in another order, ``times`` at once or what has come within ``seconds``."""
        return self.add(Fault(effect="reorder", event=event, topic=topic, times=times, seconds=seconds))

    def fail_next(
        self, action: str | None = None, code: str = "InternalError", count: int = 1, *, service: str | None = None
    ) -> int:
        """Answer the next ``count`` requests of an action with an error."""
        return self.add(Fault(effect="error", action=action, service=service, code=code, next=count))

    def http_500(self, action: str | None = None, *, duration: float | None = None, service: str | None = None) -> int:
        """Answer HTTP 500 for so many seconds, or until the rule is removed."""
        return self.add(Fault(effect="http_500", action=action, service=service, duration=duration))

    def throttle(self, action: str | None = None, *, per_second: float, service: str | None = None) -> int:
        """Refuse requests of an action beyond ``per_second``."""
        return self.add(Fault(effect="throttle", action=action, service=service, per_second=per_second))

    def hang_next(
        self, action: str | None = None, count: int = 1, *, seconds: float, service: str | None = None
    ) -> int:
        """Leave the next ``count`` requests without an answer for ``seconds``."""
        return self.add(Fault(effect="hang", action=action, service=service, next=count, seconds=seconds))

    def cut_next(
        self,
        action: str | None = None,
        count: int = 1,
        *,
        when: Literal["before", "after"] = "before",
        service: str | None = None,
    ) -> int:
        """Cut the connection of the next ``count`` requests, before or after their effect."""
        effect: RequestEffect = "cut_before" if when == "before" else "cut_after"
        return self.add(Fault(effect=effect, action=action, service=service, next=count))
