# SPDX-License-Identifier: Apache-2.0
"""
Which calls were made: the last ones with their details, all of them as counters.

Users and benchmarks count API calls with it. Both are bounded: a caller that invents action names must not fill the
memory, so the server hands in only names that it knows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import msgspec

OK = "OK"
CUT = "CUT"
LEFT = "LEFT"

KEPT = 10_000


class Call(msgspec.Struct, frozen=True):
    """
    One request.

    :param time: Unix seconds by the emulator's clock at which it was answered.
    :param service: ``batch``, ``tdmq``, ``sts`` or ``cmq``.
    :param action: Its documented name; ``?`` for one that does not exist.
    :param target: The queue, topic, job or environment that it named; empty when it named none.
    :param code: ``OK``, the error code, ``HTTP500``, ``CUT`` (a fault cut the connection) or ``LEFT`` (the client did).
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


class CallLog:
    """
    Remember calls.

    :param kept: How many are kept with their details.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._calls: deque[Call] = deque(maxlen=kept)
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, call: Call) -> None:
        """Note one call."""
        self._calls.append(call)
        self._counts[call.service, call.action, call.code] += 1

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
