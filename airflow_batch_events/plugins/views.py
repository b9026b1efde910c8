# SPDX-License-Identifier: Apache-2.0
"""
What the page shows of the rows of Airflow's database: pure, without a database and without a clock of its own.

The rule that must not be relaxed: what was stored by others is shown as bounded, printable text under names that are
known here; nothing is handed on as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pendulum

from airflow_batch_events.events.outcome import EndedBy, Outcome
from airflow_batch_events.events.values import NOTHING, is_list
from airflow_batch_events.hooks.connection import DEFAULT_CONN_ID
from airflow_batch_events.plugins.health import SIGNS, Health, health_of
from airflow_batch_events.text import printable

if TYPE_CHECKING:
    # Brings Airflow's server side.
    from airflow_batch_events.airflow_compat.ui.rows import EndedTask, OpenWait, Place, Watcher

QUEUE_ARGUMENTS = ("tencentcloud_conn_id", "region", "queue_name")
SHOWN_ARGUMENTS = (*QUEUE_ARGUMENTS, "job_id", "env_id", "total", "count")
"""The arguments of triggers that are shown, of those that waits and watchers have."""

MAX_JOBS = 3
"""Job ids that a row shows; of more, it says how many."""

MAX_TEXT = 200

WAITS_FOR = {
    "BatchJobTrigger": "job",
    "BatchJobsTrigger": "jobs",
    "BatchEventWaitTrigger": "events",
    "BatchEventTrigger": "event",
    "BatchComputeEnvTrigger": "environment",
    "BatchDeleteComputeEnvTrigger": "environment",
    "CmqMessageTrigger": "message",
}
"""What a task waits for, by its trigger."""


class Queue(NamedTuple):
    """
    A queue, as tasks name it.

    :param connection: The connection's id.
    :param region: The region that overrides the connection's.
    :param queue: Its name; None where no queue is read, or where that is not known.
    """

    connection: str
    region: str | None
    queue: str | None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Queue:
        """Read what a trigger or a task's rendered fields name."""
        connection, region, queue = (_text(arguments.get(field)) for field in QUEUE_ARGUMENTS)
        return cls(connection or DEFAULT_CONN_ID, region, queue)


Stored = Mapping[str, tuple[Any, datetime]]
"""The XComs of a task by key, each with when it was stored."""


def open_view(wait: OpenWait, now: datetime) -> dict[str, Any]:
    """Return a row of the open waits."""
    job_id, env_id = wait.arguments.get("job_id"), _text(wait.arguments.get("env_id"))
    jobs = [text for text in map(_text, job_id if is_list(job_id) else [job_id]) if text]
    count = wait.arguments.get("total", wait.arguments.get("count", len(jobs)))
    return {
        **_place_view(wait.place),
        "try_number": wait.try_number,
        "waits_for": WAITS_FOR.get(wait.trigger, "event"),
        "jobs": jobs[:MAX_JOBS],
        "count": count if isinstance(count, int) else len(jobs),
        "environment": env_id,
        **Queue.of(wait.arguments)._asdict(),
        "since": _moment(wait.since),
        "age": _seconds(now, wait.since),
        "has_triggerer": wait.has_triggerer,
    }


def ended_view(task: EndedTask, stored: Stored, keys: Sequence[str]) -> dict[str, Any]:
    """
    Return a row of the waits that have ended.

    :param stored: The task's XComs.
    :param keys: Those that may hold the outcome; the first that does counts.
    """
    outcomes, when = _outcomes_in(stored, keys)
    # Of many jobs, some may have ended before the wait began, which only a poll tells: one event shows that they come.
    sources = [outcome.source for outcome in outcomes]
    source = next((one.value for one in (EndedBy.DEADLINE, EndedBy.EVENT, EndedBy.API) if one.value in sources), None)
    return {
        **_place_view(task.place),
        "task_state": printable(task.state, MAX_TEXT),
        "jobs": [printable(outcome.job_id, MAX_TEXT) for outcome in outcomes[:MAX_JOBS]],
        "count": len(outcomes),
        "states": sorted({printable(outcome.state, MAX_TEXT) for outcome in outcomes}),
        "source": source,
        "has_event": any(outcome.event_name for outcome in outcomes),
        **Queue.of(task.fields)._asdict(),
        "is_queue_known": "queue_name" in task.fields,
        "ended": _moment(task.end),
        "waited": None if task.start is None else _seconds(task.end, task.start),
        "lag": _lag(outcomes, when),
    }


def watcher_view(watcher: Watcher) -> dict[str, Any]:
    """Return a row of the watchers."""
    return {
        "asset_id": watcher.asset_id,
        "asset": printable(watcher.asset, MAX_TEXT),
        "name": printable(watcher.name, MAX_TEXT),
        **Queue.of(watcher.arguments)._asdict(),
        "has_triggerer": watcher.has_triggerer,
    }


def queue_views(waits: Iterable[Mapping[str, Any]], ended: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """
    Return what is known of each queue, those first where something is wrong.

    :param waits: Rows of open waits.
    :param ended: Rows of ended waits, the latest first.
    """
    open_on: dict[Queue, list[Mapping[str, Any]]] = defaultdict(list)
    ended_on: dict[Queue, list[Mapping[str, Any]]] = defaultdict(list)
    for wait in waits:
        open_on[_queue_in(wait)].append(wait)
    for one in ended:
        if one["is_queue_known"]:
            ended_on[_queue_in(one)].append(one)
    views = []
    for queue in {*open_on, *ended_on}:
        health = health_of(queue.queue, queue.connection, queue.region, open_on[queue], ended_on[queue])
        views.append(_queue_view(queue, health, open_on[queue], ended_on[queue]))
    return sorted(views, key=lambda view: (-SIGNS.index(view["sign"]), view["queue"] or "", view["connection"]))


def _queue_view(
    queue: Queue, health: Health, waits: Sequence[Mapping[str, Any]], ended: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    lags = sorted(one["lag"] for one in ended if one["lag"] is not None and one["source"] == EndedBy.EVENT.value)
    return {
        **queue._asdict(),
        "open": len(waits),
        "oldest": max((wait["age"] for wait in waits), default=None),
        "by": {one.value: sum(row["source"] == one.value for row in ended) for one in EndedBy},
        "lag": lags[len(lags) // 2] if lags else None,
        "sign": health.sign,
        "text": health.text,
        "advice": health.advice,
    }


def _queue_in(row: Mapping[str, Any]) -> Queue:
    return Queue(row["connection"], row["region"], row["queue"])


def _outcomes_in(stored: Stored, keys: Sequence[str]) -> tuple[list[Outcome], datetime | None]:
    for key in keys:
        if key not in stored:
            continue
        value, when = stored[key]
        try:
            found = [Outcome.from_dict(one) for one in (value if is_list(value) else [value])]
        except ValueError:
            # Some other value under this key.
            continue
        if found:
            return found, when
    return [], None


def _lag(outcomes: Sequence[Outcome], when: datetime | None) -> float | None:
    times = [time for time in map(_time_of, outcomes) if time is not None]
    return _seconds(when, max(times)) if when is not None and times else None


def _time_of(outcome: Outcome) -> datetime | None:
    try:
        time = pendulum.parse(outcome.event_time or "")
    except ValueError:
        return None
    return time if isinstance(time, datetime) else None


def _place_view(place: Place) -> dict[str, Any]:
    # Not cut: the link to the task is made from them, and Airflow bounds them.
    return place._asdict()


def _moment(time: datetime) -> str:
    return time.isoformat()


def _seconds(later: datetime, earlier: datetime) -> float:
    # Two clocks may disagree.
    return round(max(0.0, (later - earlier).total_seconds()), 1)


def _text(value: object) -> str | None:
    text = None if value is None else printable(value, MAX_TEXT).strip()
    return None if text in NOTHING else text
