# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from airflow_batch_events.dispatch.job_terminator import GIVE_UP_AFTER, JobTerminator, TerminationApi, shared_terminator
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiParameterError,
    ApiRefusedError,
    ApiThrottledError,
    CredentialsError,
    TransportError,
)
from airflow_batch_events.protocol.apis.batch_answers import JobStates


@dataclass
class FakeApi:
    """Jobs that end two seconds after a request was taken, and an API with a rate limit; in the loop's time."""

    states: dict[str, str]
    per_second: float | None = None
    latency: float = 0.05
    error: Exception | None = None
    malformed: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    poll_errors: list[Exception] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    describes: int = 0
    opened: int = 0

    def __post_init__(self) -> None:
        self._tokens, self._since = self.per_second or 0.0, 0.0

    async def terminate(self, job_id: str) -> None:
        await asyncio.sleep(self.latency)
        self.asked[job_id] += 1
        if self.error is not None:
            raise self.error
        if job_id in self.malformed:
            raise ApiParameterError("TerminateJob", "InvalidParameter.JobIdMalformed", "JobId malformed")
        if self.per_second is not None and not self._admits(self.per_second):
            raise ApiThrottledError("TerminateJob", "RequestLimitExceeded", "slow down")
        if self.states[job_id] == "SUBMITTED":
            raise ApiRefusedError("TerminateJob", "UnsupportedOperation", "SUBMITTED; try again")
        self.taken[job_id] += 1
        asyncio.get_running_loop().call_later(2.0, self.states.update, {job_id: "FAILED"})

    def _admits(self, rate: float) -> bool:
        now = asyncio.get_running_loop().time()
        self._tokens, self._since = min(rate, self._tokens + (now - self._since) * rate), now
        admitted = self._tokens >= 1
        self._tokens -= admitted
        return admitted

    async def describe(self, job_ids: Sequence[str]) -> JobStates:
        self.describes += 1
        await asyncio.sleep(self.latency)
        if self.poll_errors:
            raise self.poll_errors.pop(0)
        if self.malformed & set(job_ids):
            raise ApiParameterError("DescribeJobs", "InvalidParameter.JobIdMalformed", "JobId malformed")
        readable = {job_id: self.states[job_id] for job_id in job_ids if job_id not in self.unreadable}
        return JobStates(readable, is_complete=len(readable) == len(job_ids))

    @asynccontextmanager
    async def open(self):
        self.opened += 1
        yield TerminationApi(self.terminate, self.describe)


def running_jobs(count: int) -> dict[str, str]:
    return {f"job-{number:08d}": "RUNNING" for number in range(count)}


@pytest.mark.parametrize(
    ("per_second", "seconds"), [(None, 20), (20, 70), (10, 130), (2, 700)], ids=["free", "20/s", "10/s", "2/s"]
)
def test_a_thousand_jobs_are_ended_at_the_api_s_pace(run, per_second, seconds):
    async def scenario():
        api = FakeApi(running_jobs(1_000), per_second)
        terminator = JobTerminator(api.open)
        reports = await asyncio.gather(*(terminator.end(job_id, bound=25.0) for job_id in api.states))
        assert asyncio.get_running_loop().time() <= 26
        await asyncio.wait_for(terminator.finish(), seconds)
        assert set(api.states.values()) == {"FAILED"}
        assert set(api.taken.values()) == {1}
        assert api.describes <= 2.0 * asyncio.get_running_loop().time() + 1
        if per_second is None:
            assert set(api.asked.values()) == {1}
            assert all("has ended: FAILED" in report for report in reports)
        else:
            late = [report for report in reports if "this process goes on with it" in report]
            assert len(late) <= 1_000 - 15 * per_second
            assert sum(api.asked.values()) <= 1_250, "a request that is turned away costs, too"

    run(scenario())


def test_a_submitted_job_is_asked_for_again_when_it_may_end(run):
    async def scenario():
        api = FakeApi({"job-1": "SUBMITTED"})
        asyncio.get_running_loop().call_later(10, api.states.update, {"job-1": "RUNNABLE"})
        terminator = JobTerminator(api.open)
        assert await terminator.end("job-1") == "job job-1 has ended: FAILED"
        assert api.asked["job-1"] == 2
        await terminator.finish()

    run(scenario())


def test_a_job_that_is_refused_is_given_up(run):
    async def scenario():
        error = ApiRefusedError("TerminateJob", "UnsupportedOperation.TerminateOperationWithEnvId", "not so")
        api = FakeApi({"job-1": "RUNNING"}, error=error)
        terminator = JobTerminator(api.open)
        assert "could not be ended and may still run" in await terminator.end("job-1")
        await terminator.finish()
        assert api.asked["job-1"] <= 6

    run(scenario())


def test_two_tasks_with_one_job_share_its_ending(run):
    async def scenario():
        api = FakeApi({"job-1": "RUNNING"})
        terminator = JobTerminator(api.open)
        reports = await asyncio.gather(terminator.end("job-1"), terminator.end("job-1"))
        assert reports == ["job job-1 has ended: FAILED"] * 2
        assert api.asked["job-1"] == 1
        await terminator.finish()

    run(scenario())


def test_a_refused_id_costs_the_others_nothing(run):
    async def scenario():
        api = FakeApi({**running_jobs(99), "../etc": "RUNNING"}, malformed={"../etc"})
        terminator = JobTerminator(api.open)
        reports = await asyncio.gather(*(terminator.end(job_id) for job_id in api.states))
        assert all("has ended: FAILED" in report for report in reports[:-1])
        assert "could not be ended and may still run" in reports[-1]
        assert 2 <= api.asked["../etc"] <= 4, "and a poll in between that is refused, too"
        await terminator.finish()

    run(scenario())


def test_an_unreadable_job_is_not_taken_for_deleted(run):
    async def scenario():
        api = FakeApi({"job-1": "RUNNING"}, unreadable={"job-1"})
        terminator = JobTerminator(api.open)
        assert "had not done so at the last poll" in await terminator.end("job-1", bound=10)
        api.unreadable.clear()
        assert await terminator.end("job-1") == "job job-1 has ended: FAILED"
        await terminator.finish()

    run(scenario())


def test_a_request_that_failed_is_made_again(run):
    async def scenario():
        api = FakeApi({"job-1": "RUNNING"}, unreadable={"job-1"}, error=TransportError("cut"))
        terminator = JobTerminator(api.open)
        asyncio.get_running_loop().call_later(5, setattr, api, "error", None)
        assert "was asked to end it" in await terminator.end("job-1")
        assert api.states["job-1"] == "FAILED"
        await terminator.finish()

    run(scenario())


def test_a_call_that_never_ends_is_given_up_and_made_again(run):
    async def scenario():
        api = FakeApi({"job-1": "RUNNING"}, latency=1e9)
        terminator = JobTerminator(api.open)
        asyncio.get_running_loop().call_later(5, setattr, api, "latency", 0.05)
        await terminator.end("job-1", bound=100)
        assert api.states["job-1"] == "FAILED"
        await terminator.finish()

    run(scenario())


def test_an_unforeseen_error_costs_the_other_jobs_nothing(run, caplog):
    async def scenario():
        api = FakeApi(running_jobs(20))
        right = api.terminate

        async def terminate(job_id):
            if job_id == "job-00000007":
                raise RuntimeError("nobody has foreseen it")
            await right(job_id)

        api.terminate = terminate
        terminator = JobTerminator(api.open)
        reports = await asyncio.gather(*(terminator.end(job_id) for job_id in api.states))
        assert len([report for report in reports if "has ended: FAILED" in report]) == 19
        assert "could not be ended and may still run" in reports[7]
        await terminator.finish()

    run(scenario())


def test_keys_that_are_refused_end_at_once_and_say_so(run):
    async def scenario():
        error = ApiCredentialsError("TerminateJob", "AuthFailure.SecretIdNotFound", "no such key")
        api = FakeApi({"job-1": "RUNNING"}, error=error)
        terminator = JobTerminator(api.open)
        report = await terminator.end("job-1", bound=2)
        assert "could not be ended and may still run" in report
        assert "no such key" in report
        await terminator.finish()

    run(scenario())


def test_a_missing_key_is_the_reason_that_every_task_reads(run):
    async def scenario():
        @asynccontextmanager
        async def open_api():
            raise CredentialsError("connection 'x' has no secret_key")
            yield

        terminator = JobTerminator(open_api)
        reports = await asyncio.gather(terminator.end("job-1"), terminator.end("job-2"))
        assert all("may still run: connection 'x' has no secret_key" in report for report in reports)
        await terminator.finish()

    run(scenario())


def test_jobs_that_are_given_up_are_named(run, caplog):
    async def scenario():
        api = FakeApi(running_jobs(3), error=TransportError("cut"))
        terminator = JobTerminator(api.open)
        await asyncio.gather(*(terminator.end(job_id) for job_id in api.states))
        await asyncio.wait_for(terminator.finish(), GIVE_UP_AFTER + 60)

    with caplog.at_level(logging.ERROR):
        run(scenario())
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "3 jobs were not ended and may still run" in line
    assert "job-00000002" in line


def test_what_is_left_when_the_process_stops_is_named(run, caplog):
    async def scenario():
        api = FakeApi(running_jobs(50), per_second=2)
        terminator = JobTerminator(api.open)
        waits = [asyncio.ensure_future(terminator.end(job_id)) for job_id in api.states]
        await asyncio.sleep(5)
        stop = asyncio.ensure_future(terminator.finish())
        await asyncio.sleep(0)
        stop.cancel()
        reports = await asyncio.gather(*waits)
        assert sum("may still run: the process stops" in report for report in reports) >= 30
        await asyncio.gather(stop, return_exceptions=True)

    with caplog.at_level(logging.ERROR):
        run(scenario())
    assert "were not ended and may still run (the process stops): job-" in caplog.text


def test_tasks_share_a_terminator_while_it_has_work(run):
    async def scenario():
        api = FakeApi(running_jobs(3))
        first = shared_terminator("key", api.open)
        await first.end("job-00000000")
        assert shared_terminator("key", api.open) is first
        await first.end("job-00000001")
        await asyncio.sleep(3)
        second = shared_terminator("key", api.open)
        assert second is not first
        await second.end("job-00000002")
        await asyncio.sleep(3)
        assert api.opened == 2

    run(scenario())


def test_metrics_that_fail_leave_no_job_running(run):
    """One bad item stops the others: what counts is nobody's affair but the backend's."""

    class Broken:
        def fail(self, *_: object, **__: object) -> None:
            raise OSError("statsd is gone")

        count = time = level = fail

    async def scenario():
        api = FakeApi(running_jobs(20))
        terminator = JobTerminator(api.open, Broken())
        reports = await asyncio.gather(*(terminator.end(job_id) for job_id in api.states))
        assert all("has ended: FAILED" in report for report in reports)
        await terminator.finish()

    run(scenario())


def test_a_request_that_raises_is_made_again(run, monkeypatch):
    async def scenario():
        api = FakeApi(running_jobs(1))
        terminator = JobTerminator(api.open)
        right, deaths = terminator._ask, iter(range(2))

        async def deadly(*args: object) -> None:
            if next(deaths, None) is not None:
                raise RuntimeError("nobody has foreseen it")
            await right(*args)

        monkeypatch.setattr(terminator, "_ask", deadly)
        assert "has ended: FAILED" in await terminator.end("job-00000000")
        await terminator.finish()

    run(scenario())


@pytest.mark.parametrize(
    "error", [TransportError("cut"), ApiThrottledError("DescribeJobs", "RequestLimitExceeded", "slow down")]
)
def test_a_poll_that_fails_is_made_again(run, error):
    async def scenario():
        api = FakeApi({"job-1": "RUNNING"}, poll_errors=[error] * 3)
        terminator = JobTerminator(api.open)
        assert await terminator.end("job-1") == "job job-1 has ended: FAILED"
        assert api.describes > 3
        await terminator.finish()

    run(scenario())


def test_an_api_that_cannot_be_opened_is_the_reason_that_a_task_reads(run, caplog):
    @asynccontextmanager
    async def broken():
        raise LookupError("no such module")
        yield

    async def scenario():
        report = await JobTerminator(broken).end("job-1")
        assert report == "job job-1 could not be ended and may still run: LookupError('no such module')"

    run(scenario())
    assert "The ending of jobs has failed" in caplog.text
