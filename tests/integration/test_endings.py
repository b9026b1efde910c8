# SPDX-License-Identifier: Apache-2.0
"""
On real Airflow: a job ends with the task that waits for it, and only then.

Each test's jobs bear its name, so that the emulator can say how many there were and what became of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.conftest import wait_until_begun

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import TRIGGERER
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until

TOPIC = "endings-events"
QUEUE = "endings-waits"
ENDED_BY_REQUEST = "FAILED"


class Waits:
    """
    Starts tasks that wait for jobs, and tells what became of the jobs.

    :param gate: The file that lets the jobs end well; its name is that of the jobs.
    """

    def __init__(self, airflow: AirflowApi, stack: AirflowStack, client: SdkClient, gate: Path) -> None:
        self.airflow = airflow
        self.gate = gate
        self._stack = stack
        self._client = client

    def start(self, way: str) -> str:
        """Start a run of ``ends_<way>``, and return its name when its task waits for a running job."""
        dag_id = f"ends_{way}"
        before = len(self.jobs())
        run_id = self.trigger(way)
        if way.startswith("deferred"):
            self._stack.wait_until_deferred(dag_id, run_id, "run")
            # Airflow tells nobody of a task that is marked before a triggerer has begun with its trigger.
            wait_until_begun(self.airflow, dag_id, run_id, "run")
        self.wait_for_jobs(*self.jobs()[:before], "RUNNING")
        return run_id

    def trigger(self, way: str) -> str:
        """Start a run of ``ends_<way>``, and return its name."""
        self.airflow.unpause(f"ends_{way}")
        return self.airflow.trigger(f"ends_{way}", {"gate": str(self.gate), "topic": TOPIC, "queue": QUEUE})

    def jobs(self) -> list[str]:
        """Return the states of the test's jobs, in the order in which they were submitted."""
        newest_first = self._client.send(batch.describe_jobs())
        return [view.state for view in reversed(newest_first) if view.name == self.gate.name]

    def wait_for_jobs(self, *states: str) -> None:
        """Wait until the test's jobs are those, in those states."""
        wait_until(
            lambda: True if self.jobs() == list(states) else None,
            failure=lambda: f"the jobs are {self.jobs()}, not {list(states)}",
        )

    def log(self, way: str, run_id: str, try_number: int = 1) -> str:
        return self.airflow.log(f"ends_{way}", run_id, "run", try_number=try_number)


@pytest.fixture
def waits(airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress, tmp_path: Path) -> Iterator[Waits]:
    provision(emulator, TOPIC, QUEUE)
    gate = tmp_path / tmp_path.name
    with SdkClient(emulator.access()) as client:
        yield Waits(airflow, stack, client, gate)
        gate.touch()


@pytest.mark.parametrize("way", ["deferred", "blocking"])
def test_marking_a_task_failed_ends_its_job(waits: Waits, way: str) -> None:
    run_id = waits.start(way)
    waits.airflow.mark(f"ends_{way}", run_id, "run", "failed")
    waits.wait_for_jobs(ENDED_BY_REQUEST)
    assert waits.airflow.states(f"ends_{way}", run_id) == {"run": "failed"}


def test_a_job_can_be_kept(waits: Waits) -> None:
    kept = waits.start("deferred_and_kept")
    ended = waits.start("deferred")
    waits.airflow.mark("ends_deferred_and_kept", kept, "run", "failed")
    waits.airflow.mark("ends_deferred", ended, "run", "failed")
    waits.wait_for_jobs("RUNNING", ENDED_BY_REQUEST)

    waits.airflow.clear("ends_deferred_and_kept", kept, "run")
    waits.gate.touch()
    assert waits.airflow.wait_for_run("ends_deferred_and_kept", kept) == "success"
    waits.wait_for_jobs("SUCCEED", ENDED_BY_REQUEST)


@pytest.mark.parametrize("way", ["deferred", "blocking"])
def test_clearing_a_task_replaces_its_job(waits: Waits, way: str) -> None:
    run_id = waits.start(way)
    waits.airflow.clear(f"ends_{way}", run_id, "run")
    waits.wait_for_jobs(ENDED_BY_REQUEST, "RUNNING")
    waits.gate.touch()
    assert waits.airflow.wait_for_run(f"ends_{way}", run_id) == "success"
    waits.wait_for_jobs(ENDED_BY_REQUEST, "SUCCEED")


@pytest.mark.parametrize("way", ["deferred_for_seconds", "blocking_for_seconds"])
def test_a_timeout_ends_the_job(waits: Waits, way: str) -> None:
    run_id = waits.trigger(way)
    assert waits.airflow.wait_for_run(f"ends_{way}", run_id) == "failed"
    waits.wait_for_jobs(ENDED_BY_REQUEST)
    log = waits.log(way, run_id)
    assert "BatchJobTimeoutError" in log
    assert "has ended: FAILED" in log


def test_a_job_outlives_its_triggerer(waits: Waits, stack: AirflowStack) -> None:
    run_id = waits.start("deferred")
    stack.stop(TRIGGERER, grace=15)
    stack.start(TRIGGERER)
    stack.kill(TRIGGERER)
    stack.start(TRIGGERER)
    waits.wait_for_jobs("RUNNING")
    waits.gate.touch()
    assert waits.airflow.wait_for_run("ends_deferred", run_id) == "success"
    waits.wait_for_jobs("SUCCEED")


def test_a_job_outlives_a_takeover(waits: Waits, stack: AirflowStack) -> None:
    run_id = waits.start("deferred")
    stack.start("triggerer-2")
    try:
        frozen = stack.component(TRIGGERER).members()
        for process in frozen:
            process.suspend()
        first = triggerer_of(waits.airflow, run_id)
        wait_until(
            lambda: True if triggerer_of(waits.airflow, run_id) not in (None, first) else None,
            failure=lambda: "the other triggerer does not take the wait over",
        )
        for process in frozen:
            process.resume()
        wait_until(
            lambda: True if "The wait goes on elsewhere" in waits.log("deferred", run_id) else None,
            failure=lambda: f"the first triggerer does not notice:\n{waits.log('deferred', run_id)}",
        )
        waits.wait_for_jobs("RUNNING")
        waits.gate.touch()
        assert waits.airflow.wait_for_run("ends_deferred", run_id) == "success"
        waits.wait_for_jobs("SUCCEED")
    finally:
        # The first one may have ended itself after so long a silence.
        stack.kill(TRIGGERER)
        stack.start(TRIGGERER)
        stack.stop("triggerer-2")


def triggerer_of(airflow: AirflowApi, run_id: str) -> int | None:
    """Return the number of the triggerer that has the wait of a run."""
    (task,) = airflow.task_instances("ends_deferred", run_id)
    return task["triggerer_job"]["id"] if task["triggerer_job"] else None
