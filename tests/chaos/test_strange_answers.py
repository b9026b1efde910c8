# SPDX-License-Identifier: Apache-2.0
"""
Thousands of answers of DescribeJobs that are no facts: every wait ends with what is true, and none before it is true.

The clients are real, the emulator answers them through a proxy, and the waits have no queue: what they conclude they
have from these answers. Time is moved, because most of it would be spent on pauses after failed polls.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job
from support.moved_time import MovedTimeLoop
from support.odd_answers import odd_answers, odd_date
from support.spoiling_proxy import Call, Reply, SpoilingProxy

from airflow_batch_events.dispatch.consumer_factory import make_consumer
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.sdk import SdkClient
from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

ODD = 5_000
JOBS = 60
LONGEST = 40_000.0
"""Seconds of the moved clock until the last job but one has ended."""

TOPIC = "odd-answers"
UNKNOWN = "job-00000000"
GOOD_AT_FIRST = 3
"""Right answers before the first odd one: a refusal at first contact ends a wait on purpose."""

FAR_AWAY = 30 * 86_400.0
"""Seconds that the waits may take; a wrong ``Date`` must not end them before."""


class Truth:
    """What the jobs of an emulator are, by a clock that stands still until a loop's time is handed on to it."""

    def __init__(self, emulator: RunningEmulator, loop: MovedTimeLoop) -> None:
        self.emulator = emulator
        self._loop = loop
        self._at = 0.0

    @contextmanager
    def in_step(self) -> Iterator[None]:
        """Bring the emulator to the loop's time, and wait for it."""
        now = self._loop.time()
        if now > self._at:
            self.emulator.advance(now - self._at)
            self._at = now
        with self._loop.held():
            yield

    def state_of(self, job_id: str) -> str:
        """Return a job's state at this moment."""
        with self.in_step():
            page = self.emulator.call(lambda emulator: emulator.batch.job_page(job_id))
        return "NOT_FOUND" if page is None else page["JobState"]


class OddApi:
    """Spoils most answers of DescribeJobs until there have been enough of them, and the dates of some more."""

    def __init__(self, seed: int, loop: MovedTimeLoop) -> None:
        self.odd = 0
        self.enough = asyncio.Event()
        self._good = 0
        self._answers = odd_answers(seed)
        self._rng = random.Random(seed)
        self._start = time.time()
        self._loop = loop

    def __call__(self, call: Call) -> Reply | None:
        if call.action != "DescribeJobs" or self._good < GOOD_AT_FIRST or self.odd >= ODD or self._rng.random() < 0.2:
            self._good += 1
            return None
        self.odd += 1
        if self.odd == ODD:
            self.enough.set()
        date = odd_date(self._rng, self._start + self._loop.time())
        if self._rng.random() < 0.1:
            return call.answered(date=date)
        reply = next(self._answers)(call)
        headers = {"Date": date if self._rng.random() < 0.2 else call.date, **reply.headers}
        return Reply(reply.body, reply.status, headers, reply.cut_at)


def submit(client: SdkClient, rng: random.Random) -> str:
    outcome, action = rng.choice((("succeed", "TERMINATE"), ("failed", "TERMINATE"), ("failed", "INTERRUPT")))
    command = f"scripted: outcome={outcome} duration={rng.uniform(0.0, LONGEST):.1f}"
    return client.send(batch.submit_job(announced_job(command, TOPIC, failed_action=action), PLACEMENT))


def test_no_odd_answer_ends_a_wait_early_or_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = MovedTimeLoop()
    start = time.time()
    clock = Clock(start, running=False)
    with (
        start_emulator(clock=clock, delays=Delays.none(), seed=1) as emulator,
        SdkClient(address_of(emulator).access()) as client,
    ):
        client.send(tdmq.create_topic(TOPIC))
        rng = random.Random(1)
        job_ids = [submit(client, rng) for _ in range(JOBS - 1)]
        # A day, the usual Timeout, is over in moved time before there have been enough odd answers.
        endless = announced_job("scripted: outcome=hang", TOPIC, timeout=int(FAR_AWAY))
        job_ids.append(client.send(batch.submit_job(endless, PLACEMENT)))
        monkeypatch.setattr(time, "time", lambda: start + loop.time())
        try:
            concluded = loop.run_until_complete(wait_for_all(Truth(emulator, loop), job_ids, client, loop))
        finally:
            loop.close()

    assert {job_id: said for job_id, (said, true) in concluded.items() if said != true} == {}
    assert len(concluded) == JOBS + 1
    assert concluded[UNKNOWN][0] == "NOT_FOUND"
    assert {said for said, _ in concluded.values()} == {"SUCCEED", "FAILED", "FAILED_INTERRUPTED", "NOT_FOUND"}


async def wait_for_all(
    truth: Truth, job_ids: list[str], client: SdkClient, loop: MovedTimeLoop
) -> dict[str, tuple[str, str]]:
    """Wait for each job, and return what was concluded beside what was true at that moment."""
    concluded: dict[str, tuple[str, str]] = {}
    api = OddApi(1, loop)

    async with SpoilingProxy(truth.emulator.endpoint, api, truth.in_step) as proxy:
        address = address_of(truth.emulator)
        consumer = make_consumer(type(address)(proxy.endpoint, *_key(address)).access(), None)

        async def wait(job_id: str) -> None:
            (outcome,) = await consumer.wait_for([job_id], deadline=time.time() + FAR_AWAY)
            concluded[job_id] = outcome.state, truth.state_of(job_id)

        consumer.start()
        try:
            with loop.held():
                # The client is made in a thread.
                waits = [asyncio.ensure_future(wait(job_id)) for job_id in [*job_ids, UNKNOWN]]
                await until(lambda: api._good >= 1)
            # The last wait lasts as long as there are odd answers, unless one of them ends it.
            enough = asyncio.ensure_future(api.enough.wait())
            await asyncio.wait({enough, waits[-2]}, return_when=asyncio.FIRST_COMPLETED)
            enough.cancel()
            with truth.in_step():
                await asyncio.to_thread(client.send, batch.terminate_job(job_ids[-1]))
            await asyncio.gather(*waits)
            assert api.odd == ODD, f"a wait ended before there had been enough odd answers: {concluded[job_ids[-1]]}"
        finally:
            await consumer.stop()
    return concluded


def _key(address: Any) -> tuple[str, str, str]:
    return address.secret_id, address.secret_key, address.region


async def until(holds: Any) -> None:
    while not holds():  # noqa: ASYNC110 - what arrives at a server has no event
        await asyncio.sleep(0.01)
