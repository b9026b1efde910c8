# SPDX-License-Identifier: Apache-2.0
"""What the readers of a triggerer count arrives in Airflow's stats, told apart by queue, connection and machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow_names import NoStatsLogger, use_stats
from support.emulator_helpers import address_of, announced_job, first_payload, submit_jobs

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.waiting.airflow_metrics import count_ends
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.batch.settings import Delays

QUEUES = ("a", "b")


class Recorder(NoStatsLogger):
    """A stats backend that keeps what it is given, by name and queue."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.levels: dict[tuple[str, str], list[float]] = {}
        self.durations: dict[tuple[str, str], list[float]] = {}
        self.tags: list[dict[str, str]] = []

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: dict[str, str]) -> None:  # type: ignore[override]
        self.counts[stat, self._queue(tags)] += count

    def gauge(self, stat: str, value: float, *, tags: dict[str, str], **_: Any) -> None:  # type: ignore[override]
        self.levels.setdefault((stat, self._queue(tags)), []).append(value)

    def timing(self, stat: str, dt: Any, *, tags: dict[str, str]) -> None:  # type: ignore[override]
        self.durations.setdefault((stat, self._queue(tags)), []).append(dt.total_seconds())

    def _queue(self, tags: dict[str, str]) -> str:
        self.tags.append(tags)
        return tags.get("queue", "")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    use_stats(lambda: recorder)
    yield recorder
    use_stats(NoStatsLogger)


async def test_waits_on_two_queues_are_counted_apart(monkeypatch: pytest.MonkeyPatch, recorder: Recorder) -> None:
    jobs = dict(zip(QUEUES, (2, 3), strict=True))
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        address = address_of(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(address.connection()))
        waits = []
        async with AsyncSdkClient(address.access()) as client:
            for name, count in jobs.items():
                await client.send(tdmq.create_topic(name))
                await client.send(tdmq.create_queue(name))
                await client.send(tdmq.create_subscription(name, "s", name))
                job_ids = await submit_jobs(client, announced_job("scripted: duration=8", name), count)
                waits += [asyncio.ensure_future(first_payload(BatchJobTrigger(job_id, name))) for job_id in job_ids]
        # Long after the first looks, and by a clock that does not jump, or an event would only cause a look.
        payloads = await asyncio.wait_for(asyncio.gather(*waits), 20)
        calls = {
            action: emulator.requests.count(action)
            for action in ("BatchReceiveMessage", "BatchDeleteMessage", "DescribeJobs")
        }

    assert {payload["outcomes"][0]["source"] for payload in payloads} == {"event"}
    for name, count in jobs.items():
        levels = recorder.levels["tencent_batch.waits", name]
        assert (max(levels), levels[-1]) == (count, 0)
        assert recorder.counts["tencent_batch.events.received", name] >= count
        assert recorder.counts["tencent_batch.events.dispatched", name] >= count
        assert recorder.counts["tencent_batch.polls", name] >= count
        for lag in ("lag.event", "lag.enqueue"):
            assert len(recorder.durations[f"tencent_batch.{lag}", name]) >= count
        assert max(recorder.durations["tencent_batch.lag.enqueue", name]) < 10
    assert sum(recorder.counts["tencent_batch.api.calls", name] for name in jobs) == sum(calls.values())
    own = {"hostname": socket.gethostname(), "conn_id": "tencentcloud_default"}
    assert all(tags.items() >= own.items() for tags in recorder.tags)


def test_how_jobs_ended_and_what_they_took_is_counted_for_their_task(recorder: Recorder) -> None:
    good = Outcome("job-1", "SUCCEED", succeeded=True, queued_seconds=2.0, running_seconds=30.0, instances=4)
    bad = Outcome("job-2", "FAILED", succeeded=False, failure=Failure("job-2", "FAILED", "out_of_memory"))

    count_ends([good, bad], SimpleNamespace(dag_id="d", task_id="t"))

    assert recorder.counts == {("tencent_batch.jobs.ended", ""): 2, ("tencent_batch.jobs.instances", ""): 4}
    assert recorder.durations == {
        ("tencent_batch.jobs.queued", ""): [2.0],
        ("tencent_batch.jobs.running", ""): [30.0],
    }
    assert {(tags["dag_id"], tags["task_id"]) for tags in recorder.tags} == {("d", "t")}
    assert [(tags["state"], tags.get("cause")) for tags in recorder.tags if "state" in tags] == [
        ("SUCCEED", None),
        ("FAILED", "out_of_memory"),
    ]


@pytest.mark.parametrize(
    ("known_here", "told"), [("blue", None), (None, "blue")], ids=["on a worker", "in a triggerer"]
)
def test_what_a_team_has_used_is_tagged_with_it(recorder: Recorder, known_here: str | None, told: str | None) -> None:
    instance = SimpleNamespace(dag_id="d", task_id="t", stats_tags={"team_name": known_here} if known_here else {})
    count_ends([Outcome("job-1", "SUCCEED", succeeded=True)], instance, told)
    assert [tags["team_name"] for tags in recorder.tags] == ["blue"]


def test_a_backend_that_fails_costs_the_task_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def incr(*_: Any, **__: Any) -> None:
        raise OSError("no route to the backend")

    monkeypatch.setattr("airflow_batch_events.waiting.airflow_metrics.stats", SimpleNamespace(incr=incr))
    count_ends([Outcome("job-1", "SUCCEED", succeeded=True)], SimpleNamespace(dag_id="d", task_id="t"))
