# SPDX-License-Identifier: Apache-2.0
"""On real Airflow: many jobs in one task, while triggerers and workers are killed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until

DAG = "many_jobs"
TOPIC, QUEUE = "many-events", "many-waits"
JOBS = 200
LIMIT = 400


CAN_RETRY = abilities.HAS_STATE_STORE
"""Whether the task has retries although it deletes its jobs."""

FAIL_FIRST = [3, 50, 199] if CAN_RETRY else []


@pytest.fixture(autouse=True)
def topic_and_queue(emulator: CloudAddress) -> None:
    provision(emulator, TOPIC, QUEUE)


def ran(folder: Path) -> Counter[int]:
    """Return how often each job has run."""
    file = folder / "ran"
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


def begin(airflow: AirflowApi, folder: Path, **params: Any) -> str:
    airflow.unpause(DAG)
    return airflow.trigger(DAG, {"folder": str(folder), "topic": TOPIC, "queue": QUEUE, "jobs": JOBS, **params})


def wait_for_jobs(folder: Path, count: int) -> None:
    wait_until(
        lambda: len(ran(folder)) >= count or None,
        timeout=LIMIT,
        failure=lambda: f"only {len(ran(folder))} jobs have run",
    )


def jobs_left(emulator: CloudAddress, name: str) -> dict[str, str]:
    """Return the states of the jobs of that name that exist."""
    found: dict[str, str] = {}
    with SdkClient(emulator.access()) as client:
        offset = 0
        while page := client.send(batch.describe_jobs(offset=offset)):
            offset += len(page)
            found |= {job.name: job.state for job in page if job.name.startswith(f"{name}-")}
    return found


def test_no_job_is_lost_or_doubled_by_a_kill(
    airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress, tmp_path: Path
) -> None:
    run_id = begin(airflow, tmp_path, fail_first=FAIL_FIRST, worker_dies=CAN_RETRY)
    for count in (JOBS // 8, JOBS // 2):
        wait_for_jobs(tmp_path, count)
        stack.kill("triggerer")
        stack.start("triggerer")
    assert airflow.wait_for_run(DAG, run_id, timeout=LIMIT) == "success", airflow.log(DAG, run_id, "run")

    outcomes = airflow.xcom(DAG, run_id, "run")
    assert [outcome["state"] for outcome in outcomes] == ["SUCCEED"] * JOBS
    assert len({outcome["job_id"] for outcome in outcomes}) == JOBS
    assert ran(tmp_path) == {number: 1 + (number in FAIL_FIRST) for number in range(JOBS)}
    (task,) = [one for one in airflow.task_instances(DAG, run_id) if one["task_id"] == "run"]
    # The worker has died once, and three jobs have failed once.
    assert task["try_number"] == (2 if CAN_RETRY else 1)
    assert jobs_left(emulator, "many") == {f"many-{number}": "FAILED" for number in FAIL_FIRST}


def test_a_task_that_is_marked_ends_all_its_jobs(airflow: AirflowApi, emulator: CloudAddress, tmp_path: Path) -> None:
    run_id = begin(airflow, tmp_path, name="hung", jobs=30, hang=True)

    def states() -> dict[str, str]:
        return jobs_left(emulator, "hung")

    wait_until(lambda: len(states()) == 30 or None, timeout=LIMIT, failure=lambda: f"not submitted: {states()}")
    airflow.mark(DAG, run_id, "run", "failed")
    wait_until(
        lambda: list(states().values()) == ["FAILED"] * 30 or None,
        timeout=LIMIT,
        failure=lambda: f"not ended: {states()}",
    )
