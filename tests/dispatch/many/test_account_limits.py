# SPDX-License-Identifier: Apache-2.0
"""Many jobs on an emulator that has the limits of an account, in real time, and processes that are cut off."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, address_of, announced_job

from airflow_batch_events.dispatch.consumer_factory import make_consumer
from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.many.engine import JobsEngine, ManyJobsApi
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.events.diagnosis import Diagnosis, diagnose
from airflow_batch_events.events.many.items import pack_descriptions, unpack_descriptions
from airflow_batch_events.events.many.result import state_of
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.many.run import JobsRun, Save
from airflow_batch_events.protocol.apis import batch, tdmq
from airflow_batch_events.protocol.retry import NO_RETRY
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from airflow_batch_events.submission.many import job_token
from airflow_batch_events.waiting.many_jobs import unpack_notes
from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.faults.rules import parse_fault
from tencent_batch_emulator.services.batch.settings import Delays

TOPIC, QUEUE = "events", "waits"
TOTAL, PER_SECOND = 2_000, 200
FAILED = 20


class Account:
    """Jobs of one task on an emulator; what processes note outlives them."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.access = address_of(emulator).access()
        self.notes: dict[int, object] = {}
        jobs = [self._job(number) for number in range(TOTAL)]
        self.packed = pack_descriptions(jobs)
        self.rules = RunRules(max_active=900, on_finish_action="delete_succeeded")
        self.ids: dict[str, set[str]] = {}
        self.run: JobsRun

    @staticmethod
    def _job(number: int) -> dict[str, Any]:
        outcome = "failed" if number % (TOTAL // FAILED) == 0 else "succeed"
        return announced_job(f"scripted: outcome={outcome} duration=0.5", TOPIC, name=f"part-{number}")

    async def save(self, save: Save) -> None:
        await asyncio.sleep(0.01)
        self.notes[save.chunk] = save.text

    async def process(self, cut_after: float | None) -> bool:
        """Run one process; return whether it has come to its end before it was cut off."""
        self.run = JobsRun(unpack_notes(self.notes, TOTAL), self.rules)
        consumer = make_consumer(self.access, QUEUE, metrics=Counts())
        consumer.start()
        try:
            async with AsyncSdkClient(self.access, retry=NO_RETRY, clock=consumer.clock) as client:
                engine = JobsEngine(
                    self.run,
                    unpack_descriptions(self.packed, TOTAL),
                    partial(job_token, "seed"),
                    ManyJobsApi(partial(self._submit, client), partial(self._delete, client), self._end, self._read),
                    consumer,
                    self.save,
                )
                work = asyncio.ensure_future(engine.finish(Deadline(300.0)))
                await asyncio.wait([work], timeout=cut_after)
                is_done = work.done()
                work.cancel()
                await asyncio.gather(work, return_exceptions=not is_done)
                return is_done
        finally:
            await consumer.stop()

    async def _submit(self, client: AsyncSdkClient, job: Mapping[str, Any], token: str) -> str:
        job_id = await client.send(batch.submit_job(job, PLACEMENT, token))
        self.ids.setdefault(str(job["JobName"]), set()).add(job_id)
        return job_id

    @staticmethod
    async def _delete(client: AsyncSdkClient, job_id: str) -> None:
        await client.send(batch.delete_job(job_id))

    @staticmethod
    async def _end(job_ids: Sequence[str]) -> Sequence[str]:
        raise AssertionError("nothing is to be ended")

    @staticmethod
    async def _read(job_id: str, state: str) -> Diagnosis:
        return diagnose(job_id, state, None, [])

    def check(self) -> None:
        states = Counter(state_of(item) for item in self.run.items)
        assert states == {"SUCCEED": TOTAL - FAILED, "FAILED": FAILED}
        assert {len(ids) for ids in self.ids.values()} == {1}, "no job twice"
        assert len(self.ids) == TOTAL
        assert len(self.emulator.batch.job_rows(limit=TOTAL)) == FAILED


@pytest.mark.parametrize("cuts", [0, 5])
async def test_the_limits_are_kept_and_no_job_is_lost_or_doubled(cuts: int) -> None:
    async with Emulator(runner="scripted", delays=Delays.none(), seed=1) as emulator:
        account = Account(emulator)
        async with AsyncSdkClient(account.access) as client:
            for request in (
                tdmq.create_topic(TOPIC),
                tdmq.create_queue(QUEUE),
                tdmq.create_subscription(TOPIC, "s", QUEUE),
            ):
                await client.send(request)
        emulator.faults.add(parse_fault(f"throttle action=SubmitJob per_second={PER_SECOND}"))
        rng = random.Random(cuts)
        for _ in range(cuts):
            assert not await account.process(rng.uniform(0.2, 2.0))
        while not await account.process(None):
            pass
        account.check()
