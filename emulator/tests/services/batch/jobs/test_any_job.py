# SPDX-License-Identifier: Apache-2.0
"""Whatever a job looks like and however it goes, it ends, and its events tell the truth about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from helpers.batch_cloud import INSTANCE_EVENTS, JOB_EVENTS, TASK_EVENTS, Cloud, job, task
from hypothesis import given, settings
from hypothesis import strategies as st

ENDS = {"SUCCEED", "FAILED", "FAILED_INTERRUPTED"}
NAMES = ("a", "b", "c", "d")

Intervention = tuple[float, str, int, int]


@st.composite
def tasks(draw: st.DrawFn, name: str) -> dict[str, Any]:
    outcome = draw(st.sampled_from(["succeed", "failed", "hang"]))
    return task(
        f"scripted: outcome={outcome} duration={draw(st.integers(0, 20))} fail_first={draw(st.integers(0, 2))}",
        name,
        TaskInstanceNum=draw(st.integers(1, 4)),
        MaxConcurrentNum=draw(st.sampled_from([None, 1, 2])),
        MaxRetryCount=draw(st.integers(0, 2)),
        FailedAction=draw(st.sampled_from(["TERMINATE", "INTERRUPT", "FAST_INTERRUPT"])),
        Timeout=30,
        **draw(st.sampled_from([{}, {"ComputeEnv": {"EnvData": {"InstanceType": "NOCAPACITY"}}}])),
    )


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    names = NAMES[: draw(st.integers(1, 4))]
    pairs = [(start, end) for start in names for end in names if start < end]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return job(
        *(draw(tasks(name)) for name in names),
        Dependences=[{"StartTask": start, "EndTask": end} for start, end in chosen],
        TaskExecutionDependOn=draw(
            st.sampled_from(["PRE_TASK_SUCCEED", "PRE_TASK_AT_LEAST_PARTLY_SUCCEED", "PRE_TASK_FINISHED"])
        ),
        events=[*JOB_EVENTS, *TASK_EVENTS, *INSTANCE_EVENTS],
    )


async def live(
    described: dict[str, Any], max_parallel: int, interventions: list[Intervention]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    cloud = Cloud(max_parallel=max_parallel)
    job_id = await cloud.submit(described)
    for pause, action, name, index in interventions:
        cloud.clock.advance(pause)
        if action == "TerminateJob" and await cloud.state(job_id) != "SUBMITTED":
            await cloud.call("TerminateJob", JobId=job_id)
        elif action == "TerminateTaskInstance":
            chosen = described["Tasks"][name % len(described["Tasks"])]
            await cloud.call(
                "TerminateTaskInstance",
                JobId=job_id,
                TaskName=chosen["TaskName"],
                TaskInstanceIndex=index % chosen["TaskInstanceNum"],
            )
        elif action == "RetryJobs" and await cloud.state(job_id) == "FAILED":
            await cloud.call("RetryJobs", JobIds=[job_id])
    cloud.clock.advance(100_000)
    shown = await cloud.call("DescribeJob", JobId=job_id)
    events = await cloud.events()
    # When nothing is held any more, a second job finds every slot free again.
    await cloud.call("TerminateJob", JobId=job_id)
    cloud.clock.advance(10)
    after = await cloud.submit(job(task(TaskInstanceNum=max_parallel)))
    cloud.clock.advance(10)
    assert await cloud.state(after) == "SUCCEED"
    await cloud.call("DeleteJob", JobId=job_id)
    await cloud.service.close()
    return shown, events


interventions = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.15, 0.25, 0.35, 5.0, 40.0, 200.0]),
        st.sampled_from(["TerminateJob", "TerminateTaskInstance", "RetryJobs"]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=4,
)


@settings(max_examples=60)
@given(jobs(), st.integers(1, 3), interventions)
def test_every_job_ends_and_its_last_events_say_how(
    described: dict[str, Any], max_parallel: int, interventions: list[Intervention]
) -> None:
    shown, events = asyncio.run(live(described, max_parallel, interventions))
    assert shown["JobState"] in ENDS
    assert shown["EndTime"] is not None
    assert {one["TaskState"] for one in shown["TaskSet"]} <= ENDS
    assert sum(shown["TaskInstanceMetrics"].values()) == sum(one["TaskInstanceNum"] for one in described["Tasks"])
    assert [e["EventName"] for e in events if e["EventName"] in JOB_EVENTS][-1] == f"JOB_{shown['JobState']}"
    told = {e["Batch"]["TaskName"]: e["Batch"]["TaskState"] for e in events if e["EventName"] in TASK_EVENTS}
    assert told == {one["TaskName"]: one["TaskState"] for one in shown["TaskSet"]}


@settings(max_examples=40)
@given(jobs(), st.integers(1, 3))
def test_an_undisturbed_job_ends_once_within_its_retries(described: dict[str, Any], max_parallel: int) -> None:
    _, events = asyncio.run(live(described, max_parallel, []))
    names = Counter(event["EventName"] for event in events)
    assert sum(names[f"JOB_{state}"] for state in ENDS) == 1
    assert names["JOB_RUNNING"] <= 1
    allowed = sum(one["TaskInstanceNum"] * (one["MaxRetryCount"] + 1) for one in described["Tasks"])
    assert names["TASK_INSTANCE_RUNNING"] <= allowed
    ended = Counter(
        (event["Batch"]["TaskName"], event["Batch"]["TaskInstanceIndex"])
        for event in events
        if event["EventName"].startswith("TASK_INSTANCE_") and event["Batch"]["TaskInstanceState"] in ENDS
    )
    assert set(ended.values()) == {1}
    assert len(ended) == sum(one["TaskInstanceNum"] for one in described["Tasks"])
    times = [event["EventTime"] for event in events]
    assert times == sorted(times)
