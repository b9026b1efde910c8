# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import random
import re

import pytest
from support.many_cloud import ManyCloud, Task, descriptions

from airflow_batch_events.dispatch.deadline import Deadline
from airflow_batch_events.dispatch.many import engine as module
from airflow_batch_events.events.many.items import Item, pack_items
from airflow_batch_events.events.many.result import outcomes_of, state_of
from airflow_batch_events.exceptions import ApiCredentialsError, ApiParameterError, TransportError


def states(task: Task) -> list[str]:
    return [state_of(item) for item in task.run.items]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_two_thousand_jobs_run_within_the_limits_of_the_account(run):
    async def scenario():
        cloud = ManyCloud(per_second=200.0)
        task = Task(cloud, descriptions(2_000), max_active=900, on_finish_action="delete_succeeded")
        assert await task.finish()
        assert set(states(task)) == {"SUCCEED"}
        assert cloud.submitted == dict.fromkeys(range(2_000), 1)
        assert cloud.most <= 900
        assert cloud.states == {}, "all are deleted"
        assert now() < 15, "the API takes 200 a second, and as many at once"
        assert cloud.calls["SubmitJob"] < 2_300
        assert len(cloud.describes) < 200

    run(scenario())


def test_the_rate_is_found_out_where_there_is_no_limit(run):
    async def scenario():
        cloud = ManyCloud(quota=20_000)
        task = Task(cloud, descriptions(10_000), max_active=5_000)
        assert await task.finish()
        assert now() < 20
        assert cloud.calls["SubmitJob"] == 10_000

    run(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_cut_off_five_times_no_job_is_lost_or_doubled(run, seed):
    async def scenario():
        rng = random.Random(seed)
        cloud = ManyCloud(per_second=200.0, seed=seed)
        bad = {f"j{n}": "FAILED" for n in rng.sample(range(1_000), 20)}
        task = Task(cloud, descriptions(1_000, **bad), max_active=400, on_finish_action="delete_succeeded")
        for _ in range(5):
            if await task.finish(cut_after=rng.uniform(0.05, 2.5)):
                break
        while not await task.finish(cut_after=60):
            pass
        assert states(task) == ["FAILED" if f"j{n}" in bad else "SUCCEED" for n in range(1_000)]
        assert cloud.submitted == dict.fromkeys(range(1_000), 1)
        assert len({item.job_id for item in task.run.items}) == 1_000
        assert len(cloud.states) == 20, "the failed ones are kept"

    run(scenario())


def test_too_many_failures_end_the_rest(run):
    async def scenario():
        cloud = ManyCloud(seconds=30.0)
        bad = {f"j{n}": "FAILED" for n in range(3)}
        task = Task(cloud, descriptions(100, **bad), max_active=20, max_failures=1, on_failure="cancel_rest")
        assert await task.finish()
        found = states(task)
        assert found.count("NOT_SUBMITTED") > 50
        assert {"SUCCEED", "FAILED", "NOT_SUBMITTED"} >= set(found)
        assert cloud.ended, "those that ran were ended"
        assert task.run.stopped is not None

    run(scenario())


def test_failures_end_nothing_by_default(run):
    async def scenario():
        cloud = ManyCloud()
        task = Task(cloud, descriptions(10, j3="FAILED"))
        assert await task.finish()
        assert states(task) == ["SUCCEED"] * 3 + ["FAILED"] + ["SUCCEED"] * 6
        failed = outcomes_of(task.run.items)[3]
        assert (failed["job_id"], failed["state"]) == (task.run.items[3].job_id, "FAILED")

    run(scenario())


@pytest.mark.parametrize("ends", [True, False])
def test_the_deadline_ends_the_run_and_its_jobs_if_so_wanted(run, ends):
    async def scenario():
        cloud = ManyCloud()
        never = {f"j{n}": "never" for n in range(10, 30)}
        task = Task(cloud, descriptions(30, **never), max_active=15)
        assert await task.finish(Deadline(60.0), ends_on_timeout=ends)
        found = states(task)
        assert found[:10] == ["SUCCEED"] * 10
        assert (found.count("TIMEOUT"), found.count("NOT_SUBMITTED")) == (15, 5)
        assert len(cloud.ended) == (15 if ends else 0)
        assert now() < 70

    run(scenario())


def test_a_full_account_is_waited_for_while_own_jobs_run(run):
    async def scenario():
        cloud = ManyCloud(quota=50)
        task = Task(cloud, descriptions(200), max_active=100, on_finish_action="delete_succeeded")
        assert await task.finish()
        assert set(states(task)) == {"SUCCEED"}
        assert any("no room" in line for line in task.lines)

    run(scenario())


def test_an_account_that_stays_full_fails_the_run_at_last(run):
    async def scenario():
        cloud = ManyCloud(quota=0)
        task = Task(cloud, descriptions(3))
        with pytest.raises(module.ApiQuotaError):
            await task.finish()
        assert module.GIVE_UP_AFTER < now() < module.GIVE_UP_AFTER + 60

    run(scenario())


def test_an_outage_is_sat_out(run):
    async def scenario():
        cloud = ManyCloud()
        cloud.submit_error = TransportError("cut")
        asyncio.get_running_loop().call_later(60, setattr, cloud, "submit_error", None)
        task = Task(cloud, descriptions(50))
        assert await task.finish()
        assert set(states(task)) == {"SUCCEED"}
        assert set(cloud.submitted.values()) == {1}

    run(scenario())


def test_keys_that_are_refused_at_first_fail_the_run_at_once(run):
    async def scenario():
        cloud = ManyCloud()
        cloud.submit_error = ApiCredentialsError("SubmitJob", "AuthFailure", "no")
        with pytest.raises(ApiCredentialsError):
            await Task(cloud, descriptions(50)).finish()
        assert now() < 5

    run(scenario())


def test_a_description_that_is_refused_costs_the_others_nothing(run):
    async def scenario():
        cloud = ManyCloud()
        submit = cloud.submit

        async def refuse_one(job, token):
            if job["n"] == 4:
                raise ApiParameterError("SubmitJob", "InvalidParameterValue", "bad image")
            return await submit(job, token)

        cloud.submit = refuse_one
        task = Task(cloud, descriptions(10))
        assert await task.finish()
        assert states(task).count("SUCCEED") == 9
        assert "bad image" in outcomes_of(task.run.items)[4]["reason"]

    run(scenario())


def test_nothing_is_deleted_while_nothing_can_be_stored(run):
    async def scenario():
        cloud = ManyCloud()
        task = Task(cloud, descriptions(20), on_finish_action="delete")
        task.store_error = RuntimeError("no supervisor")
        asyncio.get_running_loop().call_later(30, setattr, task, "store_error", None)
        work = asyncio.ensure_future(task.finish())
        await asyncio.sleep(29)
        assert cloud.calls["DeleteJob"] == 0
        assert await work
        assert len(cloud.deleted) == 20

    run(scenario())


def test_a_killed_task_ends_all_its_jobs_also_those_under_way(run):
    async def scenario():
        cloud = ManyCloud(seconds=1000.0, per_second=20.0)
        task = Task(cloud, descriptions(100))
        async with task.engine() as engine:
            work = asyncio.ensure_future(engine.finish())
            while not (task.run.submitting and len(cloud.states) > 10):  # noqa: ASYNC110 - the cloud tells nobody
                await asyncio.sleep(0.01)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            assert task.run.submitting, "some calls were under way"
            await engine.end_all(cloud.api)
        assert sorted(cloud.ended) == sorted(cloud.states)
        assert set(cloud.submitted.values()) == {1}

    run(scenario())


def test_a_line_is_said_at_each_tenth(run):
    async def scenario():
        task = Task(ManyCloud(), descriptions(100))
        assert await task.finish()
        assert 3 <= len(task.lines) <= 14
        assert sum(int(count) for count in re.findall(r"(?:event|api) (\d+)", task.lines[-1])) == 100
        assert task.lines[-1].startswith("100 of 100 submitted, 0 running, 100 ended, 0 of them failed")

    run(scenario())


def test_jobs_of_an_earlier_try_of_which_nothing_is_noted_are_found(run):
    async def scenario():
        cloud = ManyCloud()
        task = Task(cloud, descriptions(20, j3="FAILED", j5="FAILED"))
        assert await task.finish()
        task.stored.clear()
        again = Task(cloud, descriptions(20, j3="FAILED"))
        again.stored[0] = pack_items([Item(earlier=1) for _ in range(20)])
        assert await again.finish()
        assert states(again).count("FAILED") == 1
        assert cloud.submitted == {n: 2 if n in (3, 5) else 1 for n in range(20)}

    run(scenario())
