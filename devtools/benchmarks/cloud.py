# SPDX-License-Identifier: Apache-2.0
"""
The emulator in a process of its own, and jobs in it that all end at one moment.

All jobs are given durations that end at the same time of the emulator's clock; moving that clock lets them end. It is
moved almost to the end before anybody waits, and then by so little that their events are no events from the future.
"""

from __future__ import annotations

import asyncio
import json
import math
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import AsyncSdkClient
from devtools.emulator_process import CloudAddress, EmulatorProcess, provision

TOPIC = "bench-topic"
QUEUE = "bench-queue"

SLACK = 0.5
"""Seconds after the planned end at which every job is due, however long its submission was under way."""

LAST_MOVE = 1.0
"""Seconds by which the clock is moved to let jobs end whose events are to be believed at once."""

LEAD = 240.0
"""Seconds of the emulator's clock after which jobs end; signatures may drift by 300."""


class Cloud:
    """
    An emulator process.

    :param address: Where it is.
    :param pid: Its process.
    """

    def __init__(self, address: CloudAddress, pid: int) -> None:
        self.address = address
        self.process = psutil.Process(pid)
        self._http = httpx.Client(
            base_url=f"{address.endpoint}/_emulator",
            headers={"Authorization": f"Bearer {address.secret_key}"},
            timeout=120,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def calls(self) -> dict[str, int]:
        """Return how many calls of each action there were."""
        calls: dict[str, int] = {}
        for row in self._http.get("/counters").json()["counters"]:
            calls[row["action"]] = calls.get(row["action"], 0) + row["count"]
        return calls

    def first_call(self, action: str) -> float | None:
        """Return when the first call of an action was answered, by the emulator's clock; None while there is none."""
        calls = self._http.get("/requests", params={"action": action, "limit": "10000"}).json()["requests"]
        return min((float(call["time"]) for call in calls), default=None)

    def forget_calls(self) -> None:
        """Count from zero."""
        self._http.delete("/requests").raise_for_status()

    def add_fault(self, fault: dict[str, object]) -> None:
        """Put a rule of the emulator's fault plan in force."""
        self._http.post("/faults", json=fault).raise_for_status()

    def time(self) -> float:
        """Return the emulator's time."""
        return float(self._http.get("/clock").json()["time"])

    def approach(self, when: float, seconds: float) -> None:
        """Move its clock to so many seconds before a time, with everybody still to learn it."""
        self.advance_to(when - seconds)

    def await_last_move(self, when: float) -> None:
        """
        Wait until the clock is so near to a time that moving it there surprises nobody.

        :raises TimeoutError: When that has passed.
        """
        left = when - LAST_MOVE - self.time()
        if left < 0:
            raise TimeoutError(f"the waits took {-left:.1f} s too long to begin; the machine is too busy to measure")
        time.sleep(left)

    def advance_to(self, when: float) -> None:
        """Move its clock; when this returns, jobs that were due by then have ended, and their events are going out."""
        self._http.post("/clock", json={"advance": max(0.0, when - self.time())}).raise_for_status()

    def resident_memory(self) -> int:
        """Return its resident memory in bytes."""
        return int(self.process.memory_info().rss)

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def submit(
        self, number: int, command: str | None = None, *, stdout: str = "", instances: int = 1
    ) -> tuple[list[str], float]:
        """
        Submit jobs.

        :param command: By default one that ends when all others do.
        :param stdout: What that prints.
        :param instances: Task instances of each job.
        :return: Their ids, and a time at which all of them are due.
        """
        ends = self.time() + LEAD
        behind = self.time() - time.time()

        async def all_jobs() -> list[str]:
            gate = asyncio.Semaphore(16)
            async with AsyncSdkClient(self.address.access()) as api:

                async def one() -> str:
                    async with gate:
                        left = ends - (time.time() + behind)
                        run = command or f"scripted: duration={left:.3f} stdout={shlex.quote(stdout)}"
                        job = announced_job(run, TOPIC, instances=instances)
                        return await api.send(batch.submit_job(job, PLACEMENT))

                return list(await asyncio.gather(*(one() for _ in range(number))))

        return asyncio.run(all_jobs()), ends + SLACK


@contextmanager
def running_cloud(*options: str) -> Iterator[Cloud]:
    """Run an emulator with a topic that forwards to a queue."""
    with TemporaryDirectory(prefix="bench-") as folder:
        emulator = EmulatorProcess(
            Path(folder), "--runner", "scripted", "--no-delays", "--jobs-quota", "1000000", "--seed", "1", *options
        )
        with emulator as address:
            provision(address, TOPIC, QUEUE)
            cloud = Cloud(address, emulator.child.pid)
            try:
                yield cloud
            finally:
                cloud.close()


def success_event(job_id: str) -> str:
    """Return the body of an event which says that a job has succeeded, dated so that it is neither old nor ahead."""
    when = datetime.fromtimestamp(math.ceil(time.time()), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {"EventName": "JOB_SUCCEED", "EventTime": when, "Region": "ap-guangzhou", "Batch": {"JobId": job_id}}
    return json.dumps({"Events": [event]})


def waiting_calls(calls: dict[str, int], actions: Sequence[str] = ()) -> int:
    """Return how many calls waiting took: receive, delete, describe."""
    actions = actions or ("BatchReceiveMessage", "BatchDeleteMessage", "DescribeJobs", "DescribeJob")
    return sum(calls.get(action, 0) for action in actions)
