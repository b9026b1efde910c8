# SPDX-License-Identifier: Apache-2.0
"""
Events start DAG runs: none is missing, although the triggerer is killed while they come, and none is left in its queue.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator

import psutil
import pytest
from support.emulator_helpers import PLACEMENT, announced_job

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic, describe_queue
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import TRIGGERER
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import wait_until, wait_while_progress

TOPIC = "batch-events"
QUEUES = ("airflow-batch-watch", "airflow-batch-watch-nightly")
COUNTED = "airflow-batch-count"
ENDED_DAG = "batch_on_job_end"
FAILED_DAG = "batch_on_nightly_failure"
CALLED = (FAILED_DAG, "call_somebody")
STANDSTILL = 300
"""Seconds without a further job that is covered after which something is broken."""

NOT_STORED = 20
"""Seconds after which a trigger that trusts the time alone would have let a message be deleted."""

# The long form is what the documentation's figures come from.
JOBS, KILLS = (500, 5) if os.environ.get("WATCH") == "long" else (60, 2)


@pytest.fixture(autouse=True)
def topic_and_queue(emulator: CloudAddress) -> Iterator[None]:
    provision(emulator, TOPIC, *QUEUES, COUNTED)
    yield
    with SdkClient(emulator.access()) as client:
        for queue_name in (*QUEUES, COUNTED):
            client.send(delete_queue(queue_name))
        client.send(delete_topic(TOPIC))


def watch(airflow: AirflowApi) -> None:
    """Let the watchers of both queues run, which they do when their DAGs do."""
    for dag_id in (ENDED_DAG, FAILED_DAG):
        airflow.wait_for_dag(dag_id)
        airflow.unpause(dag_id)


def is_nightly_failure(number: int) -> bool:
    """Every third job fails, and half of them are nightly ones."""
    return number % 2 == 1 and number % 3 == 2


def submit(client: SdkClient, number: int) -> tuple[str, str]:
    """Submit a job that ends at once; every third fails, and half of them are nightly ones."""
    name = f"{'nightly' if number % 2 else 'daily'}-{number}"
    job = announced_job(f"exit {number % 3 // 2}", TOPIC, name=name)
    return client.send(batch.submit_job(job, PLACEMENT)), name


def noted(airflow: AirflowApi, dag_id: str, task_id: str) -> list[str]:
    """Return what the runs of a watching DAG have noted so far."""
    notes: list[str] = []
    for (run_dag_id, run_id), state in airflow.run_states().items():
        if (run_dag_id, state) == (dag_id, "success"):
            notes += airflow.xcom(dag_id, run_id, task_id)
    return notes


def ended(airflow: AirflowApi) -> list[str]:
    """Return the jobs whose end has started a run, once for each event."""
    return [note.split()[0] for note in noted(airflow, ENDED_DAG, "note")]


def wait_until_covered(airflow: AirflowApi, client: SdkClient, job_id: str) -> None:
    """Wait until the end of a job has started a run, with further jobs that end: see the test of many."""

    def is_covered() -> bool | None:
        if job_id in ended(airflow):
            return True
        submit(client, 0)
        time.sleep(2)
        return None

    wait_until(is_covered, failure=lambda: f"the end of {job_id} has started no run")


def left(client: SdkClient, *queue_names: str) -> int:
    """Count the messages that are in queues, hidden ones too."""
    queues = [client.send(describe_queue(queue_name)) for queue_name in queue_names or QUEUES]
    return sum((queue.active_msg_num or 0) + (queue.inactive_msg_num or 0) for queue in queues)


def wait_until_settled(client: SdkClient) -> None:
    """Wait until no message is left, which is also after those that come early have come twice."""
    wait_until(lambda: left(client) == 0 or None, failure=lambda: f"{left(client)} messages are left", interval=1)


def test_a_killed_triggerer_loses_no_event(airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress) -> None:
    watch(airflow)
    jobs: dict[str, str] = {}
    with SdkClient(emulator.access()) as client:
        for number in range(JOBS):
            job_id, name = submit(client, number)
            jobs[job_id] = name
            if number % (JOBS // KILLS) == JOBS // KILLS // 2:
                stack.kill(TRIGGERER)
                stack.start(TRIGGERER)
            time.sleep(0.05)

        # Airflow 3.3 gives an event that it stores between the queueing and the creation of a run to the run after that
        # one: the last events of a burst wait for one more event.
        def is_covered() -> bool | None:
            job_id, name = submit(
                client, next(number for number in itertools.count(JOBS) if is_nightly_failure(number))
            )
            late[job_id] = name
            time.sleep(2)
            return (set(jobs) <= set(ended(airflow)) and failed <= set(noted(airflow, *CALLED))) or None

        def covered() -> tuple[int, int]:
            return len(set(jobs) & set(ended(airflow))), len(failed & set(noted(airflow, *CALLED)))

        def missing() -> str:
            return f"not covered: {sorted(set(jobs) - set(ended(airflow)))} {failed - set(noted(airflow, *CALLED))}"

        failed = {name for number, name in enumerate(jobs.values()) if is_nightly_failure(number)}
        late: dict[str, str] = {}
        began = time.monotonic()
        wait_while_progress(is_covered, covered, standstill=STANDSTILL, failure=missing)
        took = time.monotonic() - began
        wait_until_settled(client)

        notes = ended(airflow)
        # A job that an earlier test has left may end now, and has the same topic.
        for stranger in set(notes) - jobs.keys() - late.keys():
            assert not client.send(batch.describe_job(stranger)).name.startswith(("nightly-", "daily-"))

    told = f"{len(set(notes) & set(jobs))} covered, {len(set(jobs) - set(notes))} missing"
    repeated = len(notes) - len(set(notes))
    print(f"{JOBS} jobs, {KILLS} kills: {told}, {repeated} repeated; {took:.0f} s after the last")
    assert set(noted(airflow, *CALLED)) <= failed | set(late.values())


def test_an_event_that_is_not_stored_comes_again(
    airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress
) -> None:
    watch(airflow)
    with SdkClient(emulator.access()) as client:
        wait_until_covered(airflow, client, submit(client, 0)[0])
        wait_until_settled(client)
        # The process that stores events stands still, and the one that runs the triggers goes on.
        psutil.Process(stack.component(TRIGGERER).pid).suspend()
        job_id, _ = submit(client, 2)
        wait_until(lambda: left(client) or None, failure=lambda: "the job has published nothing")
        time.sleep(NOT_STORED)
        assert left(client)
        stack.kill(TRIGGERER)
        assert job_id not in ended(airflow)
        stack.start(TRIGGERER)
        wait_until_covered(airflow, client, job_id)


def test_a_counted_event_that_is_not_stored_comes_again(
    airflow: AirflowApi, stack: AirflowStack, emulator: CloudAddress
) -> None:
    airflow.wait_for_dag("event_wait")
    airflow.unpause("event_wait")
    run_id = airflow.trigger("event_wait")
    airflow.wait_for_states("event_wait", run_id, "wait", {"deferred"})
    with SdkClient(emulator.access()) as client:
        jobs = [submit(client, 0)[0]]
        wait_until(lambda: hidden(client) or None, failure=lambda: "nobody has received the first event")
        # The process that stores events stands still, and the one that runs the triggers goes on.
        psutil.Process(stack.component(TRIGGERER).pid).suspend()
        jobs.append(submit(client, 0)[0])
        wait_until(lambda: left(client, COUNTED) == 2 or None, failure=lambda: "the job has published nothing")
        time.sleep(NOT_STORED)
        assert left(client, COUNTED) == 2
        stack.kill(TRIGGERER)
        stack.start(TRIGGERER)
        assert airflow.wait_for_run("event_wait", run_id) == "success"
        wait_until(lambda: left(client, COUNTED) == 0 or None, failure=lambda: "what was counted is left")
    events = airflow.xcom("event_wait", run_id, "wait")
    assert sorted(event["job_id"] for event in events) == sorted(jobs)


def hidden(client: SdkClient) -> int:
    """Count the messages that a triggerer has received and not deleted."""
    return client.send(describe_queue(COUNTED)).inactive_msg_num or 0
