# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import PokeReturnValue

from airflow_batch_events.events.outcome import JobWait
from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    ApiParameterError,
    ApiServerError,
    CredentialsError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.protocol.apis.request import Request
from airflow_batch_events.sensors.batch import BatchJobSensor

JOB = "job-00000001"
RUNNING = {"JobId": JOB, "JobState": "RUNNING"}
SUCCEEDED = {"JobId": JOB, "JobState": "SUCCEED"}
OUTAGE = ApiServerError("DescribeJobs", "InternalError", "oops")
REFUSAL = ApiParameterError("DescribeJobs", "InvalidParameter.JobIdMalformed", "JobId malformed")

Answer = dict[str, Any] | Exception


class ScriptedHook(BatchHook):
    """
    A hook whose API answers as a function says; time passes only in ``sleep``.

    :param answer: Makes the fields of ``Response``, or the error, from a call's action and ids.
    """

    def __init__(self, answer: Callable[[str, list[str]], Answer]) -> None:
        super().__init__()
        self.calls: list[list[str]] = []
        self.slept: list[float] = []
        self._answer = answer

    def send(self, request: Request[Any]) -> Any:
        ids = request.params.get("JobIds", [])
        self.calls.append(ids)
        answer = self._answer(request.action, ids)
        if isinstance(answer, Exception):
            raise answer
        try:
            return request.parse(answer)
        except ValueError as error:
            raise TransportError(f"the answer is not understood: {error}") from error

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture(autouse=True)
def passing_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedHook], None]:
    """Let the clock of a hook's waits follow what they sleep."""

    def follow(hook: ScriptedHook) -> None:
        monkeypatch.setattr("airflow_batch_events.hooks.batch.time.monotonic", lambda: sum(hook.slept))

    return follow


def job_set(*entries: Any, count: Any = None) -> dict[str, Any]:
    return {"JobSet": list(entries), "TotalCount": len(entries) if count is None else count}


def in_turn(*answers: Answer) -> Callable[[str, list[str]], Answer]:
    """Give one answer after the other, the last one again and again."""
    left = list(answers)
    return lambda action, ids: left.pop(0) if len(left) > 1 else left[0]


def api(bad: set[str], state: str = "SUCCEED") -> Callable[[str, list[str]], Answer]:
    """Know every job, and refuse each call with a bad id."""
    return lambda action, ids: (
        REFUSAL if bad & set(ids) else job_set(*({"JobId": job_id, "JobState": state} for job_id in ids))
    )


@pytest.mark.parametrize(
    "odd",
    [
        job_set({"JobId": JOB, "JobState": None}),
        {"JobSet": None, "TotalCount": 1},
        job_set(count=1),
        {},
        job_set({"JobId": "job-0ther000", "JobState": "RUNNING"}),
        OUTAGE,
    ],
    ids=["state null", "set null", "empty set with a count", "nothing", "another job", "outage"],
)
def test_what_cannot_be_read_ends_no_blocking_wait(odd: Answer, passing_time: Callable[[ScriptedHook], None]) -> None:
    hook = ScriptedHook(in_turn(*[odd] * 50, job_set(SUCCEEDED)))
    passing_time(hook)
    (outcome,) = hook.wait_for_jobs([JOB], grace=3, sleep=hook.sleep)
    assert outcome.state == "SUCCEED"


def test_one_refusal_ends_no_blocking_wait(passing_time: Callable[[ScriptedHook], None]) -> None:
    hook = ScriptedHook(in_turn(REFUSAL, REFUSAL, job_set(RUNNING), REFUSAL, job_set(SUCCEEDED)))
    passing_time(hook)
    (outcome,) = hook.wait_for_jobs([JOB], sleep=hook.sleep)
    assert outcome.state == "SUCCEED"


def test_a_refusal_that_is_confirmed_ends_a_blocking_wait_soon(passing_time: Callable[[ScriptedHook], None]) -> None:
    hook = ScriptedHook(api({"../etc"}))
    passing_time(hook)
    (outcome,) = hook.wait_for_jobs(["../etc"], sleep=hook.sleep)
    assert outcome.state == "REFUSED"
    assert 3 <= sum(hook.slept) <= 10


def test_one_bad_id_among_a_hundred_costs_few_calls(
    passing_time: Callable[[ScriptedHook], None],
) -> None:
    hook = ScriptedHook(api({"../etc"}))
    passing_time(hook)
    ids = [f"job-{number:08d}" for number in range(99)]
    outcomes = hook.wait_for_jobs([*ids, "../etc"], sleep=hook.sleep)
    assert {outcome.state for outcome in outcomes[:-1]} == {"SUCCEED"}
    assert outcomes[-1].state == "REFUSED"
    assert len(hook.calls) <= 15 + 2
    assert hook.calls[-1] == ["../etc"]


def test_a_job_that_fails_its_calls_costs_no_other_an_answer() -> None:
    ids = [f"job-{number:08d}" for number in range(150)]
    hook = ScriptedHook(lambda action, asked: OUTAGE if ids[0] in asked else api(set())(action, asked))
    waits = [JobWait(job_id, None) for job_id in ids]
    with pytest.raises(ApiServerError):
        hook.poll(waits, 0.0)
    assert [wait.is_done for wait in waits] == [False] + [True] * 149


def test_a_state_that_the_answer_does_not_tell_is_not_none() -> None:
    assert ScriptedHook(in_turn(job_set())).get_job_state(JOB) is None
    with pytest.raises(TransportError, match="does not tell"):
        ScriptedHook(in_turn(job_set(count=1))).get_job_state(JOB)


@pytest.mark.parametrize("odd", [{"JobId": "job-0ther000", "JobState": "FAILED"}, {"JobId": JOB, "JobState": None}, {}])
def test_a_submitted_job_that_an_answer_lacks_is_not_gone(odd: Answer) -> None:
    with pytest.raises(TransportError):
        ScriptedHook(in_turn(odd)).get_lasting_job_state(JOB)


def test_a_submitted_job_is_gone_only_after_its_grace(passing_time: Callable[[ScriptedHook], None]) -> None:
    missing = ApiNotFoundError("DescribeJob", "ResourceNotFound.Job", "no such job")
    hook = ScriptedHook(in_turn(missing, missing, RUNNING))
    passing_time(hook)
    assert hook.get_lasting_job_state(JOB, sleep=hook.sleep) == "RUNNING"
    hook = ScriptedHook(in_turn(missing))
    passing_time(hook)
    assert hook.get_lasting_job_state(JOB, sleep=hook.sleep) is None
    assert sum(hook.slept) >= 60


def test_an_outage_after_a_retry_does_not_fail_the_retry(
    passing_time: Callable[[ScriptedHook], None],
) -> None:
    hook = ScriptedHook(in_turn({}, OUTAGE, job_set({"JobId": JOB, "JobState": "FAILED"}), job_set(RUNNING)))
    passing_time(hook)
    hook.retry_jobs([JOB], sleep=hook.sleep)
    assert len(hook.calls) == 4


def test_ending_a_job_is_bounded_when_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unbounded call: a service that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        extra = {"region": "ap-guangzhou", "batch_endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        connection = {"conn_type": "tencentcloud", "login": "AKIDsilent", "password": "x", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(connection))
        began = time.perf_counter()
        ending = BatchHook("silent").end_job(JOB, bound=0.5)
    assert time.perf_counter() - began < 5
    assert "may still run" in ending.report


@pytest.mark.parametrize(
    "spoiled", [job_set(), {"JobSet": []}, CredentialsError("refused once")], ids=["no job", "no count", "keys"]
)
def test_a_retry_does_not_take_an_unread_job_for_running(
    spoiled: Any, passing_time: Callable[[ScriptedHook], None]
) -> None:
    """ "Cannot be read" taken for a fact: the next look may still show the job as failed, and end its wait."""
    hook = ScriptedHook(in_turn({}, spoiled, job_set({"JobId": JOB, "JobState": "FAILED"}), job_set(RUNNING)))
    passing_time(hook)
    hook.retry_jobs([JOB], sleep=hook.sleep)
    assert len(hook.calls) == 4


def test_a_poke_in_an_outage_is_not_done_and_the_next_one_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = ScriptedHook(in_turn(OUTAGE, TransportError("cut"), job_set(count=1), job_set(RUNNING), job_set(SUCCEEDED)))
    monkeypatch.setattr(BatchJobSensor, "hook", hook)
    sensor = BatchJobSensor(task_id="t", job_id=JOB, deferrable=False)
    context: Any = {"ti": None}
    pokes = [sensor.poke(context) for _ in range(4)]
    assert not any(poke.is_done for poke in pokes)
    monkeypatch.setattr(BatchJobSensor, "log_end", lambda self, outcomes: None)
    monkeypatch.setattr(BatchJobSensor, "count_ends", lambda self, context, outcomes: None)
    last = sensor.poke(context)
    assert isinstance(last, PokeReturnValue)
    assert last.is_done


def test_refused_keys_fail_only_the_first_poke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = CredentialsError("no such key")
    monkeypatch.setattr(BatchJobSensor, "hook", ScriptedHook(in_turn(refused)))
    with pytest.raises(CredentialsError):
        BatchJobSensor(task_id="t", job_id=JOB, deferrable=False).poke({"ti": None})  # type: ignore[typeddict-item]
    monkeypatch.setattr(BatchJobSensor, "hook", ScriptedHook(in_turn(job_set(RUNNING), refused)))
    sensor = BatchJobSensor(task_id="t", job_id=JOB, deferrable=False)
    assert not sensor.poke({"ti": None}).is_done  # type: ignore[typeddict-item]
    assert not sensor.poke({"ti": None}).is_done  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("answers", "state"),
    [((REFUSAL, job_set(SUCCEEDED)), "SUCCEED"), ((REFUSAL,), "REFUSED"), ((job_set(),), "NOT_FOUND")],
    ids=["refused once", "refused", "missing"],
)
def test_a_poke_without_memory_confirms_a_bad_answer_itself(
    answers: tuple[Answer, ...], state: str, passing_time: Callable[[ScriptedHook], None]
) -> None:
    hook = ScriptedHook(in_turn(*answers))
    passing_time(hook)
    wait = JobWait(JOB, None)
    hook.poll_at_once([wait], sleep=hook.sleep, confirm=True)
    assert wait.outcome is not None
    assert wait.outcome.state == state
    assert sum(hook.slept) <= 70


def test_states_without_a_count_do_not_say_that_a_job_is_gone() -> None:
    uncounted = {"JobSet": [RUNNING]}
    assert ScriptedHook(in_turn(uncounted)).get_job_states([JOB, "job-missing1"]) == {JOB: "RUNNING"}
    with pytest.raises(TransportError, match="does not tell the state of job job-missing1"):
        ScriptedHook(in_turn({"JobSet": []})).get_job_state("job-missing1")


def test_an_answer_that_contradicts_itself_is_an_error() -> None:
    with pytest.raises(TransportError, match="contradicts itself"):
        ScriptedHook(in_turn(job_set(RUNNING, count=2))).get_job_states([JOB, "job-missing1"])
