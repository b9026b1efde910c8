# SPDX-License-Identifier: Apache-2.0
"""A cloud in an event loop's time that takes many jobs: tokens, a rate limit and a quota, as the API has them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from support.fake_cloud import FakeCloud, running

from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.many.engine import JobsEngine, ManyJobsApi
from airflow_batch_events.events.diagnosis import Diagnosis, FailedInstance, diagnose
from airflow_batch_events.events.many.items import (
    CHUNK,
    Item,
    chunks_of,
    pack_descriptions,
    unpack_descriptions,
    unpack_items,
)
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.many.run import JobsRun, Save
from airflow_batch_events.exceptions import ApiNotFoundError, ApiQuotaError, ApiThrottledError


class Bucket:
    """A rate limit that holds one second's worth."""

    def __init__(self, rate: float | None) -> None:
        self.rate, self._tokens, self._since = rate, rate or 0.0, 0.0

    def check(self, action: str) -> None:
        if self.rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._tokens, self._since = min(self.rate, self._tokens + (now - self._since) * self.rate), now
        if self._tokens < 1:
            raise ApiThrottledError(action, "RequestLimitExceeded", "slow down")
        self._tokens -= 1


class ManyCloud(FakeCloud):
    """
    Jobs that run for their ``seconds`` and end as they say; each description is ``{"n": ..., "ends": ...}``.

    :param quota: Jobs that may exist.
    :param per_second: SubmitJob calls a second.
    """

    def __init__(self, *, quota: int = 1_000, per_second: float | None = None, seconds: float = 1.0, seed: int = 1):
        super().__init__()
        self.quota, self.seconds = quota, seconds
        self.limit = Bucket(per_second)
        self.tokens: dict[str, str] = {}
        self.submitted: Counter[int] = Counter()
        self.ended: list[str] = []
        self.deleted: list[str] = []
        self.calls: Counter[str] = Counter()
        self.most = 0
        self.submit_error: Exception | None = None
        self.read_error: Exception | None = None
        self._ids = itertools.count(1)
        self.random = random.Random(seed)

    async def submit(self, job: Mapping[str, Any], token: str) -> str:
        self.calls["SubmitJob"] += 1
        await asyncio.sleep(self.random.uniform(0.005, 0.05))
        if self.submit_error is not None:
            raise self.submit_error
        self.limit.check("SubmitJob")
        known = self.tokens.get(token)
        if known is None:
            if len(self.states) >= self.quota:
                raise ApiQuotaError("SubmitJob", "LimitExceeded.JobQuota", "too many jobs")
            known = self.tokens[token] = f"job-{next(self._ids):08d}"
            self.submitted[job["n"]] += 1
            self.states[known] = "RUNNING"
            self.most = max(self.most, len(self.states))
            if job.get("ends") != "never":
                seconds = self.random.uniform(0.5, 1.5) * self.seconds
                loop = asyncio.get_running_loop()
                loop.call_later(seconds, self._end, known, job.get("ends", "SUCCEED"))
        await asyncio.sleep(self.random.uniform(0.005, 0.05))
        return known

    def _end(self, job_id: str, state: str) -> None:
        if self.states.get(job_id) == "RUNNING":
            self.finish(job_id, state)

    async def delete_job(self, job_id: str) -> None:
        self.calls["DeleteJob"] += 1
        await asyncio.sleep(0.02)
        if self.states.pop(job_id, None) is None:
            raise ApiNotFoundError("DeleteJob", "ResourceNotFound.Job", "no such job")
        self.deleted.append(job_id)

    async def end(self, job_ids: Sequence[str]) -> list[str]:
        self.ended += job_ids
        await asyncio.sleep(0.5)
        for job_id in job_ids:
            self._end(job_id, "FAILED")
        return [f"job {job_id} has ended" for job_id in job_ids]

    async def read(self, job_id: str, state: str) -> Diagnosis:
        self.calls["DescribeJob"] += 1
        await asyncio.sleep(0.02)
        assert job_id in self.states, "a job is read before it is deleted"
        if self.read_error is not None:
            raise self.read_error
        return diagnose(job_id, state, None, [FailedInstance("main", 0, state, 2, "command failed", stderr="no input")])

    @property
    def api(self) -> ManyJobsApi:
        return ManyJobsApi(self.submit, self.delete_job, self.end, self.read)


class Task:
    """
    A task that runs many jobs, in processes that may be cut off.

    :param descriptions: What :class:`ManyCloud` takes.
    :param rules: The rules, by name.
    """

    def __init__(self, cloud: ManyCloud, descriptions: list[dict[str, Any]], **rules: Any) -> None:
        self.cloud, self.total, self.rules = cloud, len(descriptions), RunRules(**rules)
        self.packed = pack_descriptions(descriptions)
        self.stored: dict[int, str] = {}
        self.lines: list[str] = []
        self.store_error: Exception | None = None
        self.run: JobsRun

    def items(self) -> list[Item]:
        found: list[Item] = []
        for chunk in range(chunks_of(self.total)):
            count = min(CHUNK, self.total - chunk * CHUNK)
            text = self.stored.get(chunk)
            found += [Item() for _ in range(count)] if text is None else unpack_items(text, count)
        return found

    async def save(self, save: Save) -> None:
        await asyncio.sleep(0.02)
        if self.store_error is not None:
            raise self.store_error
        self.stored[save.chunk] = save.text

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[JobsEngine]:
        """A process that takes up what is stored."""
        async with running(self.cloud.consumer()) as consumer:
            self.run = JobsRun(self.items(), self.rules)
            yield JobsEngine(
                self.run,
                unpack_descriptions(self.packed, self.total),
                lambda index, number: hashlib.sha256(json.dumps([index, number]).encode()).hexdigest(),
                self.cloud.api,
                consumer,
                self.save,
                self.lines.append,
            )

    async def finish(self, deadline: Deadline = Deadline(), *, cut_after: float | None = None, **how: Any) -> bool:  # noqa: B008
        """Run a process; return whether it has come to its end before it was cut off."""
        async with self.engine() as engine:
            work = asyncio.ensure_future(engine.finish(deadline, **how))
            await asyncio.wait([work], timeout=cut_after)
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                return False
            work.result()
            return True


def descriptions(count: int, **ends: str) -> list[dict[str, Any]]:
    """Return so many descriptions; ``ends`` says by ``j<number>`` how a job ends that does not succeed."""
    return [{"n": n, **({"ends": ends[f"j{n}"]} if f"j{n}" in ends else {})} for n in range(count)]
