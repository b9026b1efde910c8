# SPDX-License-Identifier: Apache-2.0
"""
Submit scripted jobs to an emulator in another process, and print how long they take and how much memory it needs.

``PYTHONPATH=tests python tests/emulator/measure_jobs.py [JOBS]``; the goal is 10,000 jobs, submitted and finished,
their events published, with less than 300 MB.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.batch_cloud import JOB_EVENTS, job, task
from helpers.signed_client import SignedClient

GOAL_MB = 300
CONNECTIONS = 16


def memory_mb(pid: int, field: str) -> float:
    """Return ``VmRSS`` (now) or ``VmHWM`` (at its peak) of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


async def measure(client: SignedClient, jobs: int) -> tuple[float, float, int]:
    """Return the seconds until all are submitted, until all have succeeded, and how many events came."""
    for action, params in (
        ("CreateCmqTopic", {"TopicName": "t"}),
        ("CreateCmqQueue", {"QueueName": "q"}),
        ("CreateCmqSubscribe", {"TopicName": "t", "SubscriptionName": "s", "Protocol": "queue", "Endpoint": "q"}),
    ):
        await client.api(action, params, service="tdmq")
    described = {"Placement": {"Zone": "ap-guangzhou-6"}, "Job": job(task("scripted: duration=1"), events=JOB_EVENTS)}
    left = iter(range(jobs))

    async def submit() -> None:
        for _ in left:
            assert "JobId" in await client.api("SubmitJob", described)

    began = time.monotonic()
    await asyncio.gather(*(submit() for _ in range(CONNECTIONS)))
    submitted = time.monotonic() - began
    succeeded = {"Filters": [{"Name": "job-state", "Values": ["SUCCEED"]}], "Limit": 1}
    while (await client.api("DescribeJobs", succeeded))["TotalCount"] < jobs:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    queue = await client.api("DescribeCmqQueueDetail", {"QueueName": "q"}, service="tdmq")
    return submitted, time.monotonic() - began, queue["QueueDescribe"]["ActiveMsgNum"]


async def measure_at(at: dict[str, str], jobs: int) -> tuple[float, float, int]:
    """Measure the emulator that its ready file describes."""
    async with SignedClient(at["endpoint"], at["secret_id"], at["secret_key"], time.time) as client:
        return await measure(client, jobs)


def main(jobs: int) -> int:
    """Print the figures; return 1 when the memory is over the goal."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "emulator.json"
        command = [sys.executable, "-m", "airflow_batch_events.cli.main", "emulate", "--runner", "scripted"]
        options = ["--ready-file", str(ready), "--jobs-quota", str(jobs)]
        with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as emulator:
            try:
                while not ready.exists():
                    assert emulator.poll() is None
                    time.sleep(0.05)
                submitted, finished, events = asyncio.run(measure_at(json.loads(ready.read_text()), jobs))
                peak = memory_mb(emulator.pid, "VmHWM")
            finally:
                emulator.terminate()
    print(f"{jobs} scripted jobs: submitted in {submitted:.1f} s, finished in {finished:.1f} s, {events} events queued")
    print(f"memory of the emulator at its peak: {peak:.0f} MB (goal: under {GOAL_MB})")
    return int(peak >= GOAL_MB)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
