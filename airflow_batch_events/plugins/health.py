# SPDX-License-Identifier: Apache-2.0
"""
Judge by the waits that have ended whether the events of a queue arrive.

A wait that is ended by a poll although it reads a queue, and has heard of no event, has missed it. That says nothing
where the job had ended before the wait began: then the first poll finds it, within seconds. So what counts is a wait
that has lasted. Where an event only caused the poll, because it could not be believed by itself, it has arrived.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from airflow_batch_events.events.outcome import EndedBy

FIRST_POLL = 20.0
"""Seconds within which a task begins and its wait polls first; what ends sooner by a poll has missed no event."""

LOOKS_AT = 20
"""How many of the latest waits are judged."""

MISSED = 3
"""How many of the latest waits must have missed their events, one after the other; all there are if they are fewer."""

LATE = 120.0
"""Seconds after which a wait that no triggerer has taken is a sign of trouble."""


SIGNS = ("polls", "unknown", "ok", "warning", "broken")
"""From what needs nobody to what needs somebody."""


class Health(NamedTuple):
    """
    What is thought of a queue.

    :param sign: One of :data:`SIGNS`.
    :param text: What was seen.
    :param advice: What to do; None where nothing is wrong.
    """

    sign: str
    text: str
    advice: str | None = None


def health_of(
    queue_name: str | None,
    connection: str,
    region: str | None,
    waits: Sequence[Mapping[str, Any]],
    ended: Sequence[Mapping[str, Any]],
) -> Health:
    """
    Judge a queue.

    :param queue_name: The queue; None for tasks that read none.
    :param connection: The connection's id.
    :param region: The region that overrides the connection's.
    :param waits: The rows of its open waits.
    :param ended: The rows of those that have ended, the latest first.
    """
    late = sum(not wait["has_triggerer"] and wait["age"] > LATE for wait in waits)
    if late:
        return Health(
            "broken",
            f"No triggerer has taken {late} of the open waits.",
            "Start a triggerer (airflow triggerer), or more of them: each takes [triggerer] capacity waits.",
        )
    if queue_name is None:
        return Health("polls", "These tasks read no queue: they poll the API.")
    judged = [EndedBy.EVENT.value if one["has_event"] else one["source"] for one in ended if _tells(one)][:LOOKS_AT]
    missed = judged.count(EndedBy.API.value)
    command = ["airflow-batch-events", "doctor", "--conn-id", connection, "--queue", queue_name]
    doctor = shlex.join([*command, "--region", region] if region else command)
    if not judged:
        return Health("unknown", "No wait has ended lately that tells whether events arrive.")
    in_a_row = next((number for number, source in enumerate(judged) if source != EndedBy.API.value), len(judged))
    if in_a_row == len(judged) or in_a_row >= MISSED:
        return Health(
            "broken",
            f"Events do not arrive: {_last(in_a_row)} ended by a poll of the API, without an event.",
            f"Run {doctor}: it checks the topic, the subscription and the queue, and sends an event through them.",
        )
    if missed:
        return Health(
            "warning",
            f"{missed} of {_last(len(judged))} ended by a poll of the API, without an event.",
            f"Does something else read this queue? Each reader needs its own. To check it: {doctor}",
        )
    return Health("ok", f"Events arrive: they ended {_last(len(judged))}.")


def _tells(ended: Mapping[str, Any]) -> bool:
    if ended["source"] == EndedBy.EVENT.value or ended["has_event"]:
        return True
    return ended["source"] == EndedBy.API.value and (ended["waited"] or 0) >= FIRST_POLL


def _last(count: int) -> str:
    return "the last wait" if count == 1 else f"the last {count} waits"
