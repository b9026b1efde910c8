# SPDX-License-Identifier: Apache-2.0
"""How a wait is stored, what it logs, and how a killed wait ends its jobs although Airflow goes on cancelling it."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest
import structlog.testing
from airflow.sdk.execution_time.comms import TaskStatesResult, XComResult
from support.airflow_names import encode_trigger
from support.supervisor import supervised

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.text import printable
from airflow_batch_events.triggers.batch import BatchJobTrigger
from tencent_batch_emulator.faults.rules import Fault


def test_a_trigger_is_made_again_from_what_it_serializes():
    trigger = BatchJobTrigger(["job-1"], "q", "c", "ap-beijing", 60.0, 30.0, 1_767_225_600.0, 1.0, 2.0, True)
    path, kwargs = trigger.serialize()
    assert path == "airflow_batch_events.triggers.batch.BatchJobTrigger"
    assert BatchJobTrigger(**kwargs).serialize() == (path, kwargs)
    assert set(kwargs) == set(inspect.signature(BatchJobTrigger).parameters)
    encode_trigger(trigger)


def test_the_event_is_the_last_thing_that_run_does():
    source = inspect.getsource(BatchJobTrigger.run).rstrip()
    assert source.splitlines()[-1].strip().startswith("yield ")
    assert source.count("yield") == 1


def test_an_event_is_one_log_line_whatever_its_names_hold():
    hostile = "\x1b[2K\r\n12:00:00 [info] all is well \u202e::endgroup::"
    event = BatchEvent(name=f"TASK_{hostile}", batch={"JobId": "job-1", "TaskName": hostile, "TaskInstanceIndex": 2})
    with structlog.testing.capture_logs() as logs:
        BatchJobTrigger(job_id="job-1")._progress_logger()(event)
    (line,) = [entry["event"] for entry in logs]
    assert line == printable(line)
    assert line.startswith(r"TASK_\x1b[2K\r\n12:00:00")
    assert line.endswith("/2")


TASK = "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance"

JOB = {
    "JobName": "j",
    "Tasks": [
        {
            "TaskName": "main",
            "Application": {"DeliveryForm": "LOCAL", "Command": "scripted: outcome=hang"},
            "ComputeEnv": {
                "EnvType": "MANAGED",
                "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"},
            },
        }
    ],
}


@pytest.fixture
def trigger(cloud, monkeypatch):
    """A wait for a job that hangs, of a task that a user has marked failed."""
    job_id = BatchHook().submit_job(JOB, {"Zone": "ap-guangzhou-6"})
    trigger = BatchJobTrigger(job_id, cancel_on_kill=True)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    set_state(monkeypatch, "failed")
    return trigger


def set_state(monkeypatch, state, job_id=None):
    """Say in which state the trigger's task is, in both ways in which it is asked for, and which job it waits for."""
    states = {"r": {"t": state}}
    monkeypatch.setattr(f"{TASK}.get_task_states", lambda **kwargs: states)
    if not abilities.HAS_TRIGGER_ON_KILL:
        pushed = XComResult(key="job_id", value=job_id)
        supervised(monkeypatch, GetTaskStates=TaskStatesResult(task_states=states), GetXCom=pushed)


async def kill_as_airflow_does(trigger: BatchJobTrigger) -> None:
    """Call ``on_kill`` in a task that is cancelled again and again until it has ended."""
    killed = asyncio.ensure_future(asyncio.wait_for(trigger.on_kill(), 30))
    while not killed.done():
        await asyncio.wait([killed], timeout=0.05)
        killed.cancel()


async def state_in_the_end(job_id: str) -> str | None:
    for _ in range(100):
        state = await asyncio.to_thread(BatchHook().get_job_state, job_id)
        if state == "FAILED":
            break
        await asyncio.sleep(0.1)
    return state


@pytest.mark.parametrize("slow", ["TerminateJob", "DescribeJobs"])
async def test_a_job_is_ended_though_on_kill_is_cancelled_meanwhile(cloud, trigger, slow):
    cloud.add_fault(Fault(effect="hang", action=slow, seconds=0.5, next=1))
    await kill_as_airflow_does(trigger)
    assert await state_in_the_end(trigger.job_id) == "FAILED"


async def test_a_job_runs_on_when_the_task_still_waits_somewhere_else(cloud, trigger, monkeypatch):
    set_state(monkeypatch, "deferred")
    before = cloud.count("TerminateJob")
    await kill_as_airflow_does(trigger)
    assert cloud.count("TerminateJob") == before


async def test_a_job_runs_on_when_the_trigger_has_fired(cloud, trigger):
    await asyncio.to_thread(BatchHook().end_job, trigger.job_id)
    async for _ in trigger.run():
        break
    before = cloud.count("TerminateJob")
    await kill_as_airflow_does(trigger)
    assert cloud.count("TerminateJob") == before


@pytest.mark.needs("!HAS_TRIGGER_ON_KILL")
@pytest.mark.parametrize(
    ("state", "waits_for", "ends"),
    [
        ("failed", "it", True),
        ("queued", "it", True),
        ("deferred", "it", False),
        ("deferred", "nothing", False),
        ("deferred", "another", True),
    ],
)
async def test_a_cancelled_wait_ends_a_job_that_no_task_wants(cloud, trigger, monkeypatch, state, waits_for, ends):
    job_ids = {"it": trigger.job_id, "nothing": None, "another": "job-00000000"}
    trigger.job_id = [trigger.job_id]
    set_state(monkeypatch, state, job_ids[waits_for])
    before = cloud.count("TerminateJob")
    wait = asyncio.ensure_future(anext(trigger.run()))
    await asyncio.sleep(0.5)
    while not wait.done():
        wait.cancel()
        await asyncio.wait([wait], timeout=0.05)
    assert wait.cancelled()
    assert cloud.count("TerminateJob") - before == int(ends)


@pytest.mark.needs("HAS_TRIGGER_ON_KILL")
async def test_the_supervisor_gets_ready_once_before_any_job_has_ended(cloud, trigger, monkeypatch):
    supervisor = supervised(monkeypatch)
    waits = [BatchJobTrigger(trigger.job_id, end={"push_result": True}) for _ in range(3)]
    for wait in waits:
        wait.task_instance = trigger.task_instance
    runs = [asyncio.ensure_future(anext(wait.run())) for wait in waits]
    for _ in range(600):
        if "GetTaskStates" in supervisor.answered:
            break
        await asyncio.sleep(0.05)
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    assert supervisor.answered.count("GetTaskStates") == 1
