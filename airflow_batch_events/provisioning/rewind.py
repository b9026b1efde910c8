# SPDX-License-Identifier: Apache-2.0
"""
Let a queue deliver again what was deleted from it: to catch up after an outage, or to show a new watcher the past.

The cloud accepts a time only between what the queue still keeps and its oldest message, and only where rewind was on
when the messages were deleted. All of that is checked here before anything is done, because the cloud's own answer is a
number without the way out.

Sources: data plane documentation of RewindQueue (the bounds), API page 1179/55902.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_batch_events.exceptions import ApiNotFoundError, ConfigurationError, WaitQueueNotFoundError
from airflow_batch_events.limits import MAX_REWIND
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.apis.fields import whole
from airflow_batch_events.times import parse_moment, parse_unix

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Send

MARGIN = timedelta(seconds=10)
"""How far this machine's clock may differ from the cloud's at the far end of what a queue keeps."""


@dataclass(frozen=True)
class Rewind:
    """
    What a rewind does.

    :param queue_name: The queue.
    :param start: Messages that came into the queue then or later, and were deleted, are delivered again.
    :param kept: How many deleted messages the queue keeps, approximately: at the most so many come again. None where
        the API does not say.
    :param oldest: When the oldest message came that is in the queue anyway; no rewind can begin after it.
    """

    queue_name: str
    start: pendulum.DateTime
    kept: int | None = None
    oldest: pendulum.DateTime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-serializable data."""
        return {"queue": self.queue_name, "start": self.start.to_iso8601_string(), "at_most": self.kept}


def plan_rewind(queue: tdmq.QueueAttributes, to: datetime, now: datetime) -> Rewind:
    """
    Check that a queue can be rewound to a time.

    :param queue: The queue.
    :param to: The time from which on its messages are wanted again.
    :param now: The present.
    :raises ConfigurationError: When it cannot, with the way out.
    """
    to, now = pendulum.instance(to), pendulum.instance(now)
    if not queue.rewind_seconds:
        raise ConfigurationError(
            f"queue {queue.name!r} cannot be rewound: it does not keep what was deleted (RewindSeconds is 0). Turn "
            f"message rewind on in the TDMQ console; queues made by `airflow-batch-events provision "
            f"--rewind-seconds 86400` have it. Only what is deleted from then on comes back"
        )
    if to > now:
        raise ConfigurationError(f"{to} is in the future: queue {queue.name!r} can be rewound to a time before {now}")
    earliest = now - timedelta(seconds=queue.rewind_seconds)
    if to < earliest - MARGIN:
        raise ConfigurationError(
            f"queue {queue.name!r} keeps what was deleted for {queue.rewind_seconds:,} s and cannot be rewound to "
            f"{to}: the earliest is {earliest.start_of('second')}. A longer RewindSeconds, up to {MAX_REWIND:,}, "
            f"helps the next time"
        )
    start = max(to, earliest + MARGIN)
    # Documented as seconds; the neighboring times of the same answer are in milliseconds.
    oldest = parse_unix(queue.raw.get("MinMsgTime"))
    if oldest is not None and oldest < earliest:
        raise ConfigurationError(
            f"queue {queue.name!r} holds a message of {oldest}, and no rewind can begin after it; but what was deleted "
            f"is kept only since {earliest.start_of('second')}. Receive and delete that message first"
        )
    kept = whole(queue.raw, "RewindMsgNum")
    return Rewind(queue.name, start if oldest is None else min(start, oldest), kept, oldest)


def plan_rewind_of(send: Send, queue_name: str, to: str | datetime) -> Rewind:
    """
    Read a queue and check that it can be rewound.

    :param send: Makes a call, as ``SdkClient.send`` does.
    :param queue_name: The queue.
    :param to: The time from which on its messages are wanted again; text as ``times.parse_moment`` reads it.
    :raises ConfigurationError: When it cannot, with the way out.
    """
    now = pendulum.now("UTC")
    moment = parse_moment(to, now) if isinstance(to, str) else to
    try:
        queue = send(tdmq.describe_queue(queue_name))
    except ApiNotFoundError as error:
        raise WaitQueueNotFoundError(
            f"queue {queue_name!r} does not exist in this region: correct the name, or create it with "
            f"`airflow-batch-events provision --queue {queue_name} --rewind-seconds 86400`"
        ) from error
    return plan_rewind(queue, moment, now)


def apply_rewind(send: Send, plan: Rewind) -> None:
    """
    Rewind the queue; doing it twice does no harm.

    :param send: Makes a call, as ``SdkClient.send`` does.
    :param plan: What :func:`plan_rewind_of` returned.
    """
    send(tdmq.rewind_queue(plan.queue_name, plan.start.timestamp()))
