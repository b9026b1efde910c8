# SPDX-License-Identifier: Apache-2.0
"""What is remembered of jobs, tasks and instances."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from helpers.batch_cloud import Cloud, job, task
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.batch.jobs.jobs import Job
from tencent_batch_emulator.services.batch.jobs.states import FINAL, NEXT
from tencent_batch_emulator.services.batch.schema import JobSpec, Placement
from tencent_batch_emulator.services.batch.vocabulary import State
from tencent_batch_emulator.services.tc3_schema import read


def remembered(*tasks: dict[str, Any], **settings: Any) -> Job:
    """Return a new job of these tasks; its clock is at 0."""
    return Job("job-12345678", 1, read(job(*tasks, **settings), JobSpec), Placement(zone="ap-guangzhou-6"), 0.0)


def lead(made: Job, index: int, *states: State, task: str = "main") -> None:
    """Lead one instance through states, a second each."""
    for second, state in enumerate(states, 1):
        made.tasks[task].instances[index].enter(state, second)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=40))
def test_counts_follow_the_instances(steps: list[tuple[int, int]]) -> None:
    made = remembered(task(TaskInstanceNum=3))
    main = made.tasks["main"]
    for index, choice in steps:
        instance = main.instances[index]
        if after := sorted(NEXT[instance.state]):
            instance.enter(after[choice % len(after)], 1.0)
        assert +main.counts == Counter(one.state for one in main.instances)
        assert made.is_final == all(one.state in FINAL for one in main.instances)


@given(st.sampled_from(State), st.sampled_from(State))
def test_no_state_is_left_out_on_the_way(before: State, after: State) -> None:
    main = remembered().tasks["main"]
    [instance] = main.instances
    instance.state = before
    main.counts = Counter([before])
    if after in NEXT[before]:
        instance.enter(after, 1.0)
        assert (instance.state, +main.counts) == (after, Counter([after]))
    else:
        with pytest.raises(RuntimeError, match="job-12345678/main/0"):
            instance.enter(after, 1.0)
        assert (instance.state, +main.counts) == (before, Counter([before]))


def test_an_instance_knows_when_it_was_what() -> None:
    made = remembered()
    lead(made, 0, State.RUNNABLE, State.STARTING, State.RUNNING, State.FAILED)
    [instance] = made.tasks["main"].instances
    assert (instance.created, instance.launched, instance.running, instance.ended) == (0.0, 2, 3, 4)
    instance.enter(State.SUBMITTED, 5.0)
    assert (instance.created, instance.launched, instance.running, instance.ended) == (5.0, None, None, None)


def test_a_dependence_that_is_named_twice_counts_once() -> None:
    pairs = [("a", "c"), ("b", "c"), ("a", "c")]
    made = remembered(
        *(task(name=name) for name in "abc"),
        Dependences=[{"StartTask": start, "EndTask": end} for start, end in pairs],
    )
    assert [one.name for one in made.tasks["c"].predecessors] == ["a", "b"]
    assert [one.name for one in made.tasks["a"].successors] == ["c"]
    assert made.tasks["a"].predecessors == made.tasks["c"].successors == ()


@pytest.mark.parametrize(("most", "busy", "full"), [(None, 99, False), (2, 1, False), (2, 2, True)])
def test_a_task_is_full_when_as_many_run_as_may(most: int | None, busy: int, full: bool) -> None:
    main = remembered(task(MaxConcurrentNum=most)).tasks["main"]
    main.busy = busy
    assert main.is_full is full


async def test_a_job_failed_for_the_reason_of_the_first(cloud: Cloud) -> None:
    job_id = await cloud.submit(
        job(
            task("scripted: outcome=failed exit_code=3 duration=9", "late"),
            task("scripted: outcome=failed exit_code=7 duration=2", "early"),
        )
    )
    cloud.clock.advance(5)
    assert (await cloud.call("DescribeJob", JobId=job_id))["StateReason"] == ""
    cloud.clock.advance(10)
    reason = (await cloud.call("DescribeJob", JobId=job_id))["StateReason"]
    assert reason.startswith("task early instance 0: ")
    assert "exit code 7" in reason


async def test_the_history_of_a_job_is_bounded(cloud: Cloud) -> None:
    job_id = await cloud.submit(job(task(TaskInstanceNum=150), events=["TASK_INSTANCE_SUCCEED"]))
    cloud.clock.advance(100)
    assert len(await cloud.events()) == 150
    assert len(cloud.page(job_id)["Events"]) == 100
