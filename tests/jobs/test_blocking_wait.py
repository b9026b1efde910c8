# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_batch_events.events.outcome import JobWait
from airflow_batch_events.exceptions import ApiParameterError, ApiServerError, TransportError
from airflow_batch_events.jobs.blocking_wait import JobPollingMixin, state_in
from airflow_batch_events.protocol.apis.batch_answers import JobStates

OUTAGE = ApiServerError("DescribeJobs", "InternalError", "oops")
REFUSAL = ApiParameterError("DescribeJobs", "InvalidParameter.JobIdMalformed", "JobId malformed")

Answer = Callable[[list[str]], JobStates]


class Polling(JobPollingMixin):
    """A hook whose API answers as a function says."""

    log = logging.getLogger("task")

    def __init__(self, answer: Answer) -> None:
        self.calls: list[list[str]] = []
        self._answer = answer

    def send(self, request: Any) -> Any:
        ids = request.params["JobIds"]
        self.calls.append(ids)
        return self._answer(ids)


def states(ids: list[str], state: str = "SUCCEED") -> JobStates:
    return JobStates(dict.fromkeys(ids, state), is_complete=True)


def fails_with(bad: str, error: Exception) -> Answer:
    def answer(ids: list[str]) -> JobStates:
        if bad in ids:
            raise error
        return states(ids)

    return answer


def test_a_poll_ends_the_waits_whose_jobs_have_settled():
    hook = Polling(states)
    waits = [JobWait(job_id, None) for job_id in "abc"]
    hook.poll(waits, 0.0)
    hook.poll(waits, 1.0)
    assert [wait.is_done for wait in waits] == [True] * 3
    assert hook.calls == [["a", "b", "c"]]


@pytest.mark.parametrize("error", [OUTAGE, TransportError("cut")], ids=["server", "transport"])
def test_a_job_that_makes_calls_fail_costs_the_others_nothing(error):
    hook = Polling(fails_with("b", error))
    waits = [JobWait(job_id, None) for job_id in "abcd"]
    with pytest.raises(type(error)):
        hook.poll(waits, 0.0)
    assert [wait.is_done for wait in waits] == [True, False, True, True]


def test_an_outage_costs_few_calls():
    def down(ids: list[str]) -> JobStates:
        raise OUTAGE

    hook = Polling(down)
    with pytest.raises(ApiServerError):
        hook.poll([JobWait(f"job-{number}", None) for number in range(100)], 0.0)
    assert len(hook.calls) <= 20


def test_a_refused_id_is_asked_for_alone_the_next_time():
    hook = Polling(fails_with("b", REFUSAL))
    waits = [JobWait(job_id, None) for job_id in "ab"]
    hook.poll(waits, 0.0)
    assert [wait.is_refused for wait in waits] == [False, True]
    for at in (2.0, 4.0):
        hook.poll(waits, at)
    assert hook.calls[-2:] == [["b"], ["b"]]
    assert waits[1].outcome is not None
    assert waits[1].outcome.state == "REFUSED"


def test_what_an_answer_does_not_tell_ends_nothing(caplog):
    hook = Polling(lambda ids: JobStates({"a": "SUCCEED"}, is_complete=False))
    waits = [JobWait(job_id, None, grace=0.0) for job_id in "ab"]
    hook.poll(waits, 0.0)
    assert [wait.is_done for wait in waits] == [True, False]
    assert "does not tell the state of 1 of 2 jobs" in caplog.text


def test_an_outage_ends_no_wait_and_no_poke(caplog):
    def down(ids: list[str]) -> JobStates:
        raise OUTAGE

    hook = Polling(down)
    wait = JobWait("a", None)
    hook.poll_at_once([wait], sleep=lambda seconds: None)
    assert not wait.is_done
    assert "Cannot poll 1 Batch jobs, will try again" in caplog.text


def test_a_wait_ends_by_its_timeout_with_what_is_known():
    hook = Polling(lambda ids: states(ids, "RUNNING"))
    (outcome,) = hook.wait_for_jobs(["a"], timeout=0.0, sleep=lambda seconds: None)
    assert (outcome.state, outcome.source) == ("TIMEOUT", "deadline")
    assert "last seen RUNNING" in (outcome.reason or "")


def test_states_of_many_jobs_are_read_a_hundred_at_a_time():
    hook = Polling(lambda ids: states(ids, "RUNNING"))
    ids = [f"job-{number}" for number in range(250)]
    assert hook.get_job_states(ids) == dict.fromkeys(ids, "RUNNING")
    assert [len(call) for call in hook.calls] == [100, 100, 50]


def test_the_state_of_one_job_is_told_or_unknown_or_an_error():
    assert state_in(states(["a"], "RUNNING"), "a") == "RUNNING"
    assert state_in(JobStates({}, is_complete=True), "a") is None
    with pytest.raises(TransportError, match="does not tell the state of job a"):
        state_in(JobStates({}, is_complete=False), "a")
