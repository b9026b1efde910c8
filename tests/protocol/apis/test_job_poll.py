# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from airflow_batch_events.exceptions import ApiParameterError, ApiServerError
from airflow_batch_events.protocol.apis.batch_answers import JobStates
from airflow_batch_events.protocol.apis.id_batches import IdBatches
from airflow_batch_events.protocol.apis.job_poll import poll_jobs, run, run_blocking

REFUSAL = ApiParameterError("DescribeJobs", "InvalidParameter.JobIdMalformed", "JobId malformed")
OUTAGE = ApiServerError("DescribeJobs", "InternalError", "oops")


@dataclass
class Listener:
    """Keeps what it is told, and goes on after a failure as it is told to."""

    goes_on: bool = True
    states: dict[str, str | None] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def on_poll(self, job_id: str, state: str | None) -> None:
        self.states[job_id] = state

    def on_refusal(self, job_id: str, error: ApiParameterError) -> None:
        self.refused.append(job_id)

    def on_answer(self, batches: IdBatches, ids: list[str], unread: Sequence[str]) -> bool:
        self.unread += unread
        return self.goes_on

    def on_error(self, batches: IdBatches, ids: list[str], error: Exception) -> bool:
        if isinstance(error, OSError):
            raise error
        self.errors.append(error)
        return self.goes_on


class Api:
    """Knows every job but the missing one, refuses a bad id, and leaves out what it cannot tell."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[list[str]] = []
        self.error = error

    def describe(self, ids: list[str]) -> JobStates:
        self.calls.append(ids)
        if self.error is not None:
            raise self.error
        if "bad" in ids:
            raise REFUSAL
        states = {job_id: "RUNNING" for job_id in ids if job_id not in ("missing", "untold")}
        return JobStates(states, is_complete="untold" not in ids)


def poll_blocking(api: Api, ids: list[str], listener: Listener) -> IdBatches:
    batches = IdBatches(ids)
    run_blocking(poll_jobs(batches, listener), api.describe)
    return batches


def poll_in_loop(api: Api, ids: list[str], listener: Listener) -> IdBatches:
    batches = IdBatches(ids)
    paced: list[list[str]] = []

    async def describe(asked: list[str]) -> JobStates:
        return api.describe(asked)

    async def keep_pace(asked: list[str]) -> None:
        paced.append(asked)

    asyncio.run(run(poll_jobs(batches, listener), describe, keep_pace))
    assert paced == api.calls
    return batches


both = pytest.mark.parametrize("poll", [poll_blocking, poll_in_loop], ids=["blocking", "in a loop"])


@both
def test_each_job_is_told_its_state(poll):
    api, listener = Api(), Listener()
    assert poll(api, ["a", "missing"], listener).is_answered
    assert listener.states == {"a": "RUNNING", "missing": None}
    assert api.calls == [["a", "missing"]]


@both
def test_what_an_answer_does_not_tell_is_no_fact(poll):
    listener = Listener()
    poll(Api(), ["a", "missing", "untold"], listener)
    assert listener.states == {"a": "RUNNING"}
    assert listener.unread == ["missing", "untold"]


@both
def test_a_refusal_is_put_down_to_the_id_that_is_to_blame(poll):
    listener = Listener()
    poll(Api(), ["a", "b", "bad", "c"], listener)
    assert listener.refused == ["bad"]
    assert listener.states == dict.fromkeys("abc", "RUNNING")


@both
@pytest.mark.parametrize(("goes_on", "calls"), [(True, 3), (False, 1)])
def test_the_listener_says_whether_to_go_on_after_a_failure(poll, goes_on, calls):
    api, listener = Api(OUTAGE), Listener(goes_on)
    assert not poll(api, [f"job-{number}" for number in range(250)], listener).is_answered
    assert listener.errors == [OUTAGE] * calls
    assert len(api.calls) == calls


@both
def test_what_the_listener_cannot_take_ends_the_poll(poll):
    api = Api(OSError("not foreseen"))
    with pytest.raises(OSError, match="not foreseen"):
        poll(api, ["a"], Listener())


@both
def test_without_ids_there_is_no_call(poll):
    api = Api()
    poll(api, [], Listener())
    assert api.calls == []
