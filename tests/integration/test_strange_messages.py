# SPDX-License-Identifier: Apache-2.0
"""
Thousands of strange messages in a queue that all kinds of triggers read: none ends the triggerer or costs a wait.

Every twentieth message is a good one, which an asset watcher must fire, exactly once, because nothing is restarted.
``CHAOS=long`` sends ten times as many.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from airflow.models.asset import AssetEvent
from integration.dags.strange_messages import CONN_ID, EVENTS, GOOD, MESSAGES, QUEUE
from sqlalchemy import create_engine, select
from support.emulator_helpers import PLACEMENT, announced_job
from support.odd_bodies import as_received, as_sent, body_of, good_event, odd_bodies
from support.spoiling_proxy import Call, Reply, start_proxy

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.stack import AirflowStack
from devtools.airflow_stack.topology import TRIGGERER
from devtools.emulator_process import CloudAddress, EmulatorProcess, provision
from devtools.waits import wait_until, wait_while_progress

IS_LONG = os.environ.get("CHAOS") == "long"
ODD = 20_000 if IS_LONG else 2_000
STANDSTILL = 180
"""Seconds without a further good event, and without a change of a task or a run, after which something is broken."""

TOPIC = "strange-events"
DAG_ID = "strange_messages"
LINK = "_link_BatchJobLink"
WAITS = 50
RESUMED = 8
"""Waits among those that end on a worker."""

DAGS = Path(__file__).with_name("dags")
GATES = 5
EVERY = 20


@dataclass(frozen=True)
class Jobs:
    """
    Jobs that end when their gate opens.

    :param states: How each of them will have ended, by id.
    """

    states: dict[str, str]
    folder: Path

    def open(self, number: int) -> None:
        (self.folder / str(number)).touch()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudAddress]:
    """An emulator with the topic and the queue."""
    with EmulatorProcess(tmp_path_factory.mktemp("emulator"), "--max-parallel", str(WAITS), "--no-delays") as address:
        provision(address, TOPIC, QUEUE)
        yield address


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., AirflowStack], cloud: CloudAddress) -> Iterator[AirflowStack]:
    """An Airflow of its own: what this test sends could end it, and its watcher runs from the beginning."""
    env = {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False"}
    with (
        start_proxy(cloud.endpoint, with_surrogates) as endpoint,
        make_stack(
            dags={"tests": DAGS}, connections={CONN_ID: replace(cloud, endpoint=endpoint).connection()}, env=env
        ) as running,
    ):
        yield running


def with_surrogates(call: Call) -> Reply | None:
    """Let messages hold what no request could have brought."""
    return call.answered(body=as_received(call.body)) if call.action == "BatchReceiveMessage" else None


@pytest.fixture
def jobs(cloud: CloudAddress, tmp_path: Path) -> Jobs:
    states = {}
    with SdkClient(cloud.access()) as client:
        for number in range(WAITS):
            gate = tmp_path / str(number % GATES)
            # Every third job fails, so that a wrong result would be noticed.
            command = f"while [ ! -e {gate} ]; do sleep 1; done; exit {number % 3 // 2}"
            job_id = client.send(batch.submit_job(announced_job(command, TOPIC), PLACEMENT))
            states[job_id] = "FAILED" if number % 3 == 2 else "SUCCEED"
    return Jobs(states, tmp_path)


def test_no_message_costs_a_wait(stack: AirflowStack, cloud: CloudAddress, jobs: Jobs) -> None:
    job_ids = list(jobs.states)
    resumed, ended_there = job_ids[:RESUMED], job_ids[RESUMED:]
    stack.api.wait_for_dag(DAG_ID)
    run_id = stack.api.trigger(DAG_ID, {"jobs": ended_there, "others": resumed})
    for task_id, count in (("wait_and_resume", RESUMED), ("wait", WAITS - RESUMED), ("events", 1), ("message", 1)):
        stack.api.wait_for_states(DAG_ID, run_id, task_id, {"deferred"}, count=count)
    wait_until_begun(stack, run_id, WAITS - RESUMED)
    processes = triggerer_processes(stack)

    good = asyncio.run(send(cloud, job_ids, jobs))

    def state() -> str | None:
        assert triggerer_processes(stack) >= processes, "the triggerer or its runner has ended"
        states = stack.api.run_state(DAG_ID, run_id)
        return states if states in ("success", "failed") else None

    def progress() -> object:
        # When all events have been fired, the runs that they started still keep the scheduler from the last tasks.
        return len(good & set(fired(stack))), stack.api.states(DAG_ID, run_id), stack.api.run_states()

    def unfinished() -> str:
        waiting = {label: state for label, state in stack.api.states(DAG_ID, run_id).items() if state != "success"}
        runs = Counter(stack.api.run_states().values())
        told = f"{missing(stack, good)}; still waiting: {waiting}; runs: {dict(runs)}"
        return f"nothing has happened for {STANDSTILL} s: {told}"

    def all_fired() -> bool | None:
        assert triggerer_processes(stack) >= processes, "the triggerer or its runner has ended"
        return good <= set(fired(stack)) or None

    ended = wait_while_progress(state, progress, standstill=STANDSTILL, failure=unfinished, interval=2)
    assert ended == "success", unfinished()
    wait_while_progress(all_fired, progress, standstill=STANDSTILL, failure=unfinished, interval=2)

    assert triggerer_processes(stack) >= processes
    counts = fired(stack)
    assert {job_id: counts[job_id] for job_id in good if counts[job_id] != 1} == {}
    assert set(job_ids) <= set(counts)
    outcomes = {}
    for task_id, ids in (("wait", ended_there), ("wait_and_resume", resumed)):
        for index, job_id in enumerate(ids):
            outcomes[job_id] = stack.api.xcom(DAG_ID, run_id, task_id, map_index=index)
    assert {job_id: outcome["state"] for job_id, outcome in outcomes.items()} == jobs.states
    assert all(outcome["job_id"] == job_id for job_id, outcome in outcomes.items())
    events = stack.api.xcom(DAG_ID, run_id, "events")
    assert len({event["job_id"] for event in events} & good) == len(events) == EVENTS
    for index in range(MESSAGES):
        message = stack.api.xcom(DAG_ID, run_id, "message", map_index=index)
        assert all(isinstance(message[field], str) for field in ("message_id", "body"))
    assert [run for run, state in stack.api.run_states().items() if state == "failed"] == []


def wait_until_begun(stack: AirflowStack, run_id: str, waits: int) -> None:
    """
    Wait until the waits run in the triggerer: each of them writes its link.

    Airflow 3.3's triggerer stands still when many triggers are handed to its runner while that one logs much:
    each of the two processes then waits for the other one to read.
    """

    def poll() -> bool | None:
        links = (stack.api.xcom(DAG_ID, run_id, "wait", key=LINK, map_index=index) for index in range(waits))
        return all(links) or None

    wait_until(poll, failure=lambda: "not all waits have begun in the triggerer")


def triggerer_processes(stack: AirflowStack) -> set[int]:
    """Return the ids of the triggerer's supervisor and of the runner that it has started."""
    stack.check_alive()
    return {process.pid for process in stack.component(TRIGGERER).members()}


async def send(cloud: CloudAddress, job_ids: list[str], jobs: Jobs) -> set[str]:
    """Send the odd messages and the good ones, and open the gates one after the other; return the good ones' ids."""
    bodies = odd_bodies(1, job_ids)
    good: set[str] = set()
    async with CmqClient(cloud.access()) as client:
        for number in range(ODD // EVERY):
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            job_id = f"job-600d{number:04x}"
            good.add(job_id)
            about = {"JobId": job_id, "JobName": GOOD, "TaskName": "main", "TaskState": "SUCCEED"}
            odd = [as_sent(body) for body in itertools.islice(bodies, EVERY)]
            await client.send_batch(QUEUE, [*odd, body_of(good_event("TASK_SUCCEED", about, time=now))])
            jobs.open(number * GATES * EVERY // ODD)
    return good


def fired(stack: AirflowStack) -> Counter[str]:
    """Count the asset events about each job that are in Airflow's database."""
    engine = create_engine(stack.database)
    try:
        with engine.connect() as connection:
            found = connection.scalars(select(AssetEvent.extra))
            return Counter(extra.get("payload", {}).get("job_id") for extra in found)
    finally:
        engine.dispose()


def missing(stack: AirflowStack, good: set[str]) -> str:
    return f"{len(good - set(fired(stack)))} of {len(good)} good events were not fired"
