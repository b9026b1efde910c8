# SPDX-License-Identifier: Apache-2.0
"""A task that begins in the triggerer gets its link beside its wait, and its wait never waits for that."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from support.emulator_helpers import PLACEMENT, first_payload
from support.supervisor import Supervisor

from airflow_batch_events.airflow_compat.xcom import push_from_trigger
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.waiting.job_link import link_written
from devtools.waits import wait_until

LINK = "_link_BatchJobLink"

JOB = build_job("j", "scripted: outcome=succeed", image="img-eb30mz89", instance_type="S5.MEDIUM2")


class SlowSupervisor(Supervisor):
    """Answers one question after the other, as a triggerer's does, and stores what it is told once it may begin."""

    def __init__(self) -> None:
        super().__init__({})
        self.may_store = asyncio.Event()
        self._line = asyncio.Lock()

    async def asend(self, message: Any) -> Any:
        async with self._line:
            if message.type == "SetXCom":
                await self.may_store.wait()
            return await super().asend(message)

    @property
    def stored(self) -> list[str]:
        return [message["key"] for message in self.asked if message["type"] == "SetXCom"]


@pytest.fixture
def job_id(cloud: Any) -> str:
    """Submitted before there is a supervisor, which a hook outside a trigger would ask."""
    return BatchHook().submit_job(JOB, PLACEMENT)


@pytest.fixture
async def supervisor(monkeypatch: pytest.MonkeyPatch) -> SlowSupervisor:
    supervisor = SlowSupervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    return supervisor


def wait_of(task_id: str = "t") -> BatchJobTrigger:
    trigger = BatchJobTrigger("job-1", begins_here=True)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id=task_id, run_id="r", map_index=-1)
    return trigger


def written_link(task_id: str = "t") -> AbstractAsyncContextManager[None]:
    return link_written(wait_of(task_id), "tencentcloud_default", None, "job-1")


async def test_a_wait_polls_its_job_before_its_link_is_written(
    cloud: Any, job_id: str, supervisor: SlowSupervisor
) -> None:
    trigger = wait_of()
    trigger.job_id = job_id
    polls = cloud.count("DescribeJobs")
    waiting = asyncio.ensure_future(first_payload(trigger))

    def poll() -> bool | None:
        return cloud.count("DescribeJobs") > polls or None

    await asyncio.to_thread(wait_until, poll, failure=lambda: "the wait does not poll its job")

    assert supervisor.stored == []
    supervisor.may_store.set()
    payload = await waiting
    assert payload["outcomes"][0]["state"] == "SUCCEED"
    assert supervisor.stored == [LINK]


async def test_the_end_waits_for_the_link_and_nothing_before_it_does(cloud: Any, supervisor: SlowSupervisor) -> None:
    async with written_link():
        assert supervisor.stored == []
        asyncio.get_running_loop().call_later(0.05, supervisor.may_store.set)

    assert supervisor.stored == [LINK]


async def test_a_result_is_stored_after_one_link_and_not_after_all(cloud: Any, supervisor: SlowSupervisor) -> None:
    async def wait(number: int) -> None:
        async with written_link(f"t{number}"):
            pass

    waits = [asyncio.ensure_future(wait(number)) for number in range(20)]
    await asyncio.sleep(0.05)
    supervisor.may_store.set()
    await push_from_trigger(wait_of(), "return_value", 1)

    assert supervisor.stored.index("return_value") <= 2
    await asyncio.gather(*waits)
    assert supervisor.stored.count(LINK) == 20


async def test_a_wait_that_is_cancelled_does_not_wait_for_its_link(cloud: Any, supervisor: SlowSupervisor) -> None:
    async def wait() -> None:
        async with written_link():
            await asyncio.sleep(3600)

    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait([waiting], timeout=10)

    assert waiting.cancelled()
    assert supervisor.stored == []


async def test_a_task_without_its_link_goes_on(
    cloud: Any, supervisor: SlowSupervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor.may_store.set()
    supervisor.answers["SetXCom"] = RuntimeError("the database is away")

    async with written_link():
        pass

    assert "Cannot write the link to job job-1: RuntimeError: the database is away" in capsys.readouterr().out


async def test_an_error_of_the_wait_is_told_after_the_link_is_written(cloud: Any, supervisor: SlowSupervisor) -> None:
    supervisor.may_store.set()

    with pytest.raises(LookupError):
        async with written_link():
            raise LookupError

    assert supervisor.stored == [LINK]
