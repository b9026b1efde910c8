# SPDX-License-Identifier: Apache-2.0
"""
Which calls were made: the last ones with their details, all of them as counters.

Users and benchmarks count API calls with it. Whatever callers send, it stays below some 80 MB: so many calls are kept,
so much of each text, and so many counters; the server hands in only names of services and actions that it knows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

OK = "OK"
CUT = "CUT"
LEFT = "LEFT"

KEPT = 10_000

MAX_TEXT = 256
"""Characters that are kept of each text but the target; what is longer ends with ``...``."""

MAX_TARGET = 1_400
"""The same of the target: DescribeJobs takes the ids of 100 jobs."""

MAX_COUNTERS = 10_000
"""How many services, actions and codes are told apart; what comes after that counts as ``?``."""


class Call(msgspec.Struct, frozen=True):
    """
    One request.

    :param time: Unix seconds by the emulator's clock at which it was answered.
    :param service: ``batch``, ``tdmq``, ``sts`` or ``cmq``.
    :param action: Its documented name; ``?`` for one that does not exist.
    :param target: The queue, topic, job or environment that it named, several ids as ``job-a, job-b``; empty when it
        named none.
    :param code: ``OK``, the error code, ``HTTP500``, ``CUT`` (the connection was cut, by a fault or for want of
        memory) or ``LEFT`` (the client cut it).
    :param seconds: How long the answer took, by the machine's clock.
    :param secret_id: The key that signed it; empty when none did.
    :param request_id: As in the answer.
    :param client: What the client calls itself.
    """

    time: float
    service: str
    action: str
    target: str
    code: str
    seconds: float
    secret_id: str
    request_id: str
    client: str


_LIMITS = dict.fromkeys(("service", "action", "code", "secret_id", "request_id", "client"), MAX_TEXT)
_LIMITS["target"] = MAX_TARGET


class RequestLog:
    """
    Remember calls.

    :param kept: How many are kept with their details.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._calls: deque[Call] = deque(maxlen=kept)
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, call: Call) -> None:
        """Note one call."""
        call = _cut(call)
        self._calls.append(call)
        counter = (call.service, call.action, call.code)
        self._counts[counter if counter in self._counts or len(self._counts) < MAX_COUNTERS else ("?", "?", "?")] += 1

    def count(self, action: str | None = None, *, service: str | None = None, code: str | None = None) -> int:
        """
        Return how many calls were made, all of them or those that fit.

        :param action: For example ``DescribeJobs``.
        :param service: For example ``cmq``.
        :param code: For example ``OK``.
        """
        wanted = (service, action, code)
        return sum(
            number
            for counted, number in self._counts.items()
            if all(want is None or want == have for want, have in zip(wanted, counted, strict=True))
        )

    @property
    def counters(self) -> list[dict[str, str | int]]:
        """The counts by service, action and code, the most frequent first."""
        return [
            {"service": service, "action": action, "code": code, "count": number}
            for (service, action, code), number in self._counts.most_common()
        ]

    def last(self, number: int = 100, *, action: str | None = None, service: str | None = None) -> list[Call]:
        """Return the last calls that fit, the newest first."""
        found: list[Call] = []
        for call in reversed(self._calls):
            if len(found) >= number:
                break
            if (action is None or call.action == action) and (service is None or call.service == service):
                found.append(call)
        return found

    def __iter__(self) -> Iterator[Call]:
        """Iterate over the calls that are kept, the oldest first."""
        return iter(tuple(self._calls))

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._calls)

    def clear(self) -> None:
        """Forget all calls and start to count anew."""
        self._calls.clear()
        self._counts.clear()


def _cut(call: Call) -> Call:
    """Return a call with no text longer than it may be."""
    long = {name: text[: most - 3] + "..." for name, most in _LIMITS.items() if len(text := getattr(call, name)) > most}
    return msgspec.structs.replace(call, **long) if long else call
