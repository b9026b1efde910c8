# SPDX-License-Identifier: Apache-2.0
"""What becomes known of failed jobs while the others run."""

from __future__ import annotations

import asyncio

from support.many_cloud import ManyCloud, Task, descriptions

from airflow_batch_events.dispatch.many.failure_reader import SHOWN
from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.result import summary_of
from airflow_batch_events.events.many.run import MAX_READ
from airflow_batch_events.exceptions import ApiThrottledError
from airflow_batch_events.limits import DESCRIBE_TASK_RATE

READ = JobFacts("exit_code", "main", 0, 2, (2,))


def failing(count: int) -> dict[str, str]:
    return {f"j{n}": "FAILED" for n in range(count)}


def test_failed_jobs_are_read_before_they_are_deleted(run):
    async def scenario():
        cloud = ManyCloud()
        task = Task(cloud, descriptions(40, **failing(10)), on_finish_action="delete")
        assert await task.finish()
        assert [item.facts for item in task.items()] == [READ] * 10 + [None] * 30
        assert cloud.states == {}, "all are deleted"
        assert summary_of(task.items())["causes"] == {"exit_code": 10}

    run(scenario())


def test_only_the_first_hundred_cost_calls(run):
    async def scenario():
        cloud = ManyCloud()
        task = Task(cloud, descriptions(300, **failing(300)), on_finish_action="delete")
        assert await task.finish()
        assert cloud.calls["DescribeJob"] == MAX_READ
        assert asyncio.get_running_loop().time() > MAX_READ / DESCRIBE_TASK_RATE - 1, "at the pace of the account"
        assert summary_of(task.items())["causes"] == {"unknown": 300 - MAX_READ, "exit_code": MAX_READ}
        assert cloud.states == {}, "all are deleted"

    run(scenario())


def test_the_log_names_the_first_and_shows_what_one_has_written(run):
    async def scenario():
        task = Task(ManyCloud(), descriptions(20, **failing(20)))
        assert await task.finish()
        assert len([line for line in task.lines if line.startswith("jobs[")]) == SHOWN
        assert [line.strip() for line in task.lines].count("no input") == 1

    run(scenario())


def test_what_cannot_be_read_costs_its_facts_alone(run):
    async def scenario():
        cloud = ManyCloud()
        cloud.read_error = RuntimeError("no thread")
        task = Task(cloud, descriptions(20, **failing(5)), on_finish_action="delete")
        assert await task.finish()
        assert summary_of(task.items())["causes"] == {"unknown": 5}
        assert cloud.states == {}

    run(scenario())


def test_a_call_that_is_turned_away_is_made_again(run):
    async def scenario():
        cloud = ManyCloud()
        cloud.read_error = ApiThrottledError("DescribeJob", "RequestLimitExceeded", "slow down")
        asyncio.get_running_loop().call_later(30, setattr, cloud, "read_error", None)
        task = Task(cloud, descriptions(3, **failing(3)))
        assert await task.finish()
        assert summary_of(task.items())["causes"] == {"exit_code": 3}

    run(scenario())


def test_jobs_that_the_task_has_ended_are_not_read(run):
    async def scenario():
        cloud = ManyCloud(seconds=30.0)
        task = Task(cloud, descriptions(20, j0="FAILED"), max_active=20, on_failure="cancel_rest")
        assert await task.finish()
        causes = summary_of(task.items())["causes"]
        assert causes["exit_code"] == 1
        assert causes["terminated"] == sum(item.state == "FAILED" for item in task.items()) - 1
        assert cloud.calls["DescribeJob"] == 1

    run(scenario())
