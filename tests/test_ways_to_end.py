# SPDX-License-Identifier: Apache-2.0
"""
Two ways to end that differ: there are none. The same jobs and settings give the same XComs, types and errors, whether
the task pokes, is rescheduled, blocks its worker, is deferred and ends where nothing is lost, is resumed on a worker
whatever has happened, or begins and ends in the triggerer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.xcom import XCom
from airflow.triggers.base import TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent
from support.airflow_names import AirflowRescheduleException, TaskDeferred
from support.emulator_helpers import PLACEMENT, announced_job, first_fired

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.airflow_compat.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_batch_events.events.outcome import JobWait
from airflow_batch_events.exceptions import BatchJobFailedError, BatchJobNotFoundError, BatchJobsFailedError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.sensors.batch import BatchJobSensor
from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger
from airflow_batch_events.waiting.task_result import BATCH_OUTCOME_XCOM
from tencent_batch_emulator.faults.rules import parse_fault
from tencent_batch_emulator.testing import RunningEmulator

TOPIC, QUEUE = "events", "waits"
MISSING = "job-n0tthere"
NOT_COMPARED = ("event_name", "event_time", "source", "queued_seconds", "running_seconds")
"""What is known of an event depends on whether one was received; how the job has ended does not."""

OUTAGE = "http_500 action=DescribeJobs duration=3"

Make = Callable[[], BaseOperator]


class LazySequence(Sequence[str]):
    """What Airflow gives for the output of a mapped task: neither a list nor a tuple."""

    def __init__(self, values: Sequence[str]) -> None:
        self._values = values

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)


class Attempt:
    """One try of a task: its XComs, and the class of the error that has ended it."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.xcoms: dict[str, Any] = {}
        self.error: str | None = None
        self.began = datetime.now(timezone.utc)
        self._store: dict[str, Any] = {}
        # Of another run, the token would bring back the job of an attempt before.
        self._run_id = uuid4().hex

    def context(self) -> Any:
        ti = SimpleNamespace(dag_id="d", task_id="t", run_id=self._run_id, map_index=-1, try_number=1, max_tries=0)
        ti.xcom_push = self._push
        ti.get_first_reschedule_date = lambda context: self.began
        store = SimpleNamespace(get=self._store.get, set=self._store.__setitem__, pop=self._store.pop)
        return {"ti": ti, "task_instance": ti, "task_state_store": store, "outlet_events": {}}

    def on_worker(self) -> None:
        """Execute the task as often as it asks for, and resume it if it defers."""
        while True:
            try:
                self._store_value(self.make().execute(self.context()))
            except AirflowRescheduleException:
                time.sleep(0.1)
                continue
            except TaskDeferred as deferral:
                self.resume(deferral, asyncio.run(fire(deferral.trigger.serialize()[1], self)))
            except Exception as error:  # noqa: BLE001 - any error ends a task
                self.error = type(error).__name__
            return

    def resume(self, deferral: Any, event: TriggerEvent) -> None:
        """End the task as the event says, or as a worker does with it."""
        if isinstance(event, TaskSkippedEvent):
            self.error = AirflowSkipException.__name__
        elif isinstance(event, TaskFailedEvent):
            self.error = "failed in the triggerer"
        elif not isinstance(event, TaskSuccessEvent):
            try:
                task = self.make()
                kwargs = {"event": event.payload}
                self._store_value(task.resume_execution("execute_complete", kwargs, self.context()))
            except Exception as error:  # noqa: BLE001 - any error ends a task
                self.error = type(error).__name__

    def begins_here(self) -> None:
        """Begin the task as the scheduler does, without a worker."""
        arguments = self.make().start_trigger_args
        self.resume(None, asyncio.run(fire(arguments.trigger_kwargs, self)))

    def _push(self, *, key: str, value: Any) -> None:
        if key == BATCH_OUTCOME_XCOM:
            self.xcoms[key] = value

    def _store_value(self, value: Any) -> None:
        # As Airflow's task runner does.
        task = self.make()
        if task.multiple_outputs and not isinstance(value, Mapping):
            raise TypeError("Returned output was type ... expected dictionary for multiple_outputs")
        self.xcoms |= dict(value) if task.multiple_outputs else {}
        self.xcoms["return_value"] = value


async def fire(kwargs: Mapping[str, Any], attempt: Attempt) -> TriggerEvent:
    """Run a trigger in a triggerer, which stores the XComs that it pushes."""
    if "jobs" in kwargs:
        # It notes what becomes of its jobs with the supervisor, which tests/triggers/test_many_jobs.py plays.
        return await first_fired(BatchJobsTrigger(**{**kwargs, "hold": None}), 60)
    trigger = BatchJobTrigger(**{**kwargs, "hold": None, "grace": 0.0})
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)  # type: ignore[assignment]

    async def aset(*, key: str, value: Any, **_: Any) -> None:
        if "link" not in key.lower():
            attempt.xcoms[key] = value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(XCom, "aset", aset, raising=False)
        return await first_fired(trigger, 60)


def sensor(job_id: Any, **settings: Any) -> Make:
    limits = {"poke_interval": 0.2, "timeout": 30.0, **settings}
    return lambda: BatchJobSensor(task_id="t", job_id=job_id, queue_name=QUEUE, **limits)


SENSOR_WAYS: dict[str, Callable[[Any, dict[str, Any]], Attempt]] = {}


def sensor_way(name: str, *, begins_here: bool = False, **how: Any) -> None:
    """Add a way for a sensor to run with the parameters ``how``."""

    def run(job_id: Any, settings: dict[str, Any]) -> Attempt:
        attempt = Attempt(sensor(job_id, **{**settings, **how}))
        attempt.begins_here() if begins_here else attempt.on_worker()
        return attempt

    SENSOR_WAYS[name] = run


sensor_way("poke")
sensor_way("reschedule", mode="reschedule")
sensor_way("deferred", deferrable=True)
sensor_way("resumed on a worker", deferrable=True, end_from_trigger=False)
sensor_way("ends in the triggerer", deferrable=True, end_from_trigger=True)
if abilities.HAS_START_FROM_TRIGGER:
    sensor_way("begins in the triggerer", begins_here=True, start_from_trigger=True)
    sensor_way("begins and ends in the triggerer", begins_here=True, start_from_trigger=True, end_from_trigger=True)

GOOD, BAD, ENDLESS = "outcome=succeed duration=0.5", "outcome=failed duration=0.5", "outcome=hang"
SKIPS = "outcome=failed duration=0.5 exit_code=99"
SKIPPED, FAILED, ERROR = AirflowSkipException.__name__, AirflowFailException.__name__, BatchJobFailedError.__name__
ANY_ERROR = "failed in the triggerer"

FACTS: dict[str, Collection[str]] = {
    BatchJobFailedError.__name__: ("exit_code", "timeout"),
    BatchJobNotFoundError.__name__: ("unknown",),
    AirflowSensorTimeout.__name__: ("timeout",),
    AirflowSkipException.__name__: ("timeout", "exit_code"),
    AirflowFailException.__name__: ("exit_code",),
    "BatchJobTimeoutError": ("timeout",),
}
"""The causes that the outcome tells, by the error that ends the task."""

# Name: what the jobs do, in which form the ids are given, the task's settings, the state or the states, the error.
SENSOR_CASES: dict[str, tuple[list[str], Callable[[list[str]], Any], dict[str, Any], Any, str | None]] = {
    "one id": ([GOOD], lambda ids: ids[0], {}, "SUCCEED", None),
    "a list of one": ([GOOD], list, {}, ["SUCCEED"], None),
    "a list": ([GOOD, GOOD], list, {}, ["SUCCEED", "SUCCEED"], None),
    "a lazy sequence": ([GOOD, GOOD], LazySequence, {}, ["SUCCEED", "SUCCEED"], None),
    "no job": ([], list, {}, [], None),
    "failed": ([BAD], lambda ids: ids[0], {}, None, BatchJobFailedError.__name__),
    "one of two failed": ([GOOD, BAD], list, {}, None, BatchJobFailedError.__name__),
    "failed, soft_fail": ([BAD], lambda ids: ids[0], {"soft_fail": True}, None, AirflowSkipException.__name__),
    "failed, a value": ([BAD], lambda ids: ids[0], {"raise_on_failure": False}, "FAILED", None),
    "failed, values": ([BAD, GOOD], list, {"raise_on_failure": False}, ["FAILED", "SUCCEED"], None),
    "an exit code that skips": ([SKIPS], lambda ids: ids[0], {"skip_on_exit_code": 99}, None, SKIPPED),
    "an exit code that fails": ([SKIPS], lambda ids: ids[0], {"fail_on_exit_code": range(99, 101)}, None, FAILED),
    "an exit code that is not named": ([SKIPS], lambda ids: ids[0], {"skip_on_exit_code": [98]}, None, ERROR),
    "an exit code that fails, soft_fail": (
        [SKIPS],
        lambda ids: ids[0],
        {"fail_on_exit_code": 99, "soft_fail": True},
        None,
        SKIPPED,
    ),
    "all jobs end with exit codes that skip": ([SKIPS, GOOD, SKIPS], list, {"skip_on_exit_code": 99}, None, SKIPPED),
    "one of the exit codes does not skip": ([SKIPS, BAD], list, {"skip_on_exit_code": 99}, None, ERROR),
    "one of the exit codes fails": (
        [SKIPS, BAD],
        list,
        {"skip_on_exit_code": 99, "fail_on_exit_code": 1},
        None,
        FAILED,
    ),
    "not found": ([], lambda ids: MISSING, {}, None, BatchJobNotFoundError.__name__),
    "not found, a value": ([], lambda ids: MISSING, {"raise_on_failure": False}, None, BatchJobNotFoundError.__name__),
    "time is over": ([ENDLESS], lambda ids: ids[0], {"timeout": 1.0}, None, AirflowSensorTimeout.__name__),
    "time is over, soft_fail": (
        [ENDLESS],
        lambda ids: ids[0],
        {"timeout": 1.0, "soft_fail": True},
        None,
        AirflowSkipException.__name__,
    ),
    "time is over, never_fail": (
        [ENDLESS],
        lambda ids: ids[0],
        {"timeout": 1.0, "never_fail": True},
        None,
        AirflowSkipException.__name__,
    ),
    "one has failed when the time is over": (
        [BAD, ENDLESS],
        list,
        {"timeout": 5.0},
        None,
        BatchJobFailedError.__name__,
    ),
    "multiple_outputs": ([GOOD], lambda ids: ids[0], {"multiple_outputs": True}, "SUCCEED", None),
    "multiple_outputs of a list": ([GOOD], list, {"multiple_outputs": True}, None, TypeError.__name__),
}


def submit(script: str) -> str:
    return BatchHook().submit_job(announced_job(f"scripted: {script}", TOPIC), PLACEMENT)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that the API does not know is missing at once."""
    monkeypatch.setattr("airflow_batch_events.sensors.batch.JobWait", partial(JobWait, grace=0.0))


def compared(value: Any) -> Any:
    if isinstance(value, list):
        return [compared(item) for item in value]
    return {name: item for name, item in value.items() if name not in NOT_COMPARED}


def check_facts(pushed: Any, job_ids: list[str], causes: Collection[str]) -> None:
    """A task that does not succeed has pushed what it would have returned, with why its job failed."""
    outcomes = pushed if isinstance(pushed, list) else [pushed]
    assert [outcome["job_id"] for outcome in outcomes] == (job_ids or [MISSING])
    failures = [outcome["failure"] for outcome in outcomes if outcome["failure"] is not None]
    assert failures
    assert {failure["cause"] for failure in failures} <= set(causes)
    for failure in failures:
        if failure["cause"] == "exit_code":
            assert (failure["task_name"], failure["instance"]) == ("main", 0)
            assert failure["exit_code"] in (1, 99)


def check_end(
    attempt: Attempt,
    job_ids: list[str],
    states: Any,
    error: str | None,
    *,
    is_multiple: bool,
    logged: str,
    instances: int | None = None,
) -> None:
    if attempt.error == ANY_ERROR and error is not None:
        # Airflow hands on no exception from there; the log names it.
        assert f"{error}: " in logged
    else:
        assert attempt.error == error
    if error is not None:
        pushed = attempt.xcoms.pop(BATCH_OUTCOME_XCOM, None)
        assert attempt.xcoms == {}
        if error != TypeError.__name__:
            check_facts(pushed, job_ids, FACTS[error])
        return
    expected: Any = [
        {
            "job_id": job_id,
            "state": state,
            "succeeded": state == "SUCCEED",
            "event_vars": {},
            "reason": None,
            "failure": None,
            "instances": instances,
        }
        for job_id, state in zip(job_ids, [states] if isinstance(states, str) else states, strict=True)
    ]
    result = attempt.xcoms.pop("return_value")
    assert compared(result) == (expected[0] if isinstance(states, str) else expected)
    assert attempt.xcoms == (result if is_multiple else {})


@pytest.mark.parametrize("case", SENSOR_CASES)
@pytest.mark.parametrize("way", SENSOR_WAYS)
@pytest.mark.usefixtures("cloud")
def test_a_sensor_ends_in_the_same_way_wherever_it_ends(
    way: str, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts, form, settings, states, error = SENSOR_CASES[case]
    job_ids = [submit(script) for script in scripts]

    attempt = SENSOR_WAYS[way](form(job_ids), settings)

    is_multiple = bool(settings.get("multiple_outputs"))
    check_end(attempt, job_ids, states, error, is_multiple=is_multiple, logged=capsys.readouterr().out)


@pytest.mark.parametrize("way", SENSOR_WAYS)
def test_never_fail_skips_when_keys_are_refused(cloud: RunningEmulator, way: str) -> None:
    job_id = submit(ENDLESS)
    cloud.add_fault(parse_fault("error code=AuthFailure.SecretIdNotFound action=DescribeJobs"))

    attempt = SENSOR_WAYS[way](job_id, {"never_fail": True, "timeout": 5.0})

    assert attempt.error == AirflowSkipException.__name__


@pytest.mark.parametrize("way", SENSOR_WAYS)
def test_a_sensor_outlives_an_outage_of_the_api(cloud: RunningEmulator, way: str) -> None:
    job_id = submit("outcome=succeed duration=1")
    cloud.add_fault(parse_fault(OUTAGE))

    attempt = SENSOR_WAYS[way](job_id, {})

    assert attempt.error is None
    assert attempt.xcoms["return_value"]["state"] == "SUCCEED"


OPERATOR_WAYS: dict[str, dict[str, Any]] = {
    "blocking": {},
    "deferred": {"deferrable": True},
    "resumed on a worker": {"deferrable": True, "end_from_trigger": False},
    "ends in the triggerer": {"end_from_trigger": True},
}

OPERATOR_CASES: dict[str, tuple[str, dict[str, Any], str | None, str | None]] = {
    "succeeded": (GOOD, {}, "SUCCEED", None),
    "multiple_outputs": (GOOD, {"multiple_outputs": True}, "SUCCEED", None),
    "failed": (BAD, {}, None, BatchJobFailedError.__name__),
    "an exit code that skips": (SKIPS, {"skip_on_exit_code": [99]}, None, SKIPPED),
    "an exit code that fails": (SKIPS, {"fail_on_exit_code": [99]}, None, FAILED),
    "an exit code that is not named": (SKIPS, {"skip_on_exit_code": [9], "fail_on_exit_code": [8]}, None, ERROR),
    "time is over": (ENDLESS, {"execution_timeout": timedelta(seconds=4)}, None, "BatchJobTimeoutError"),
}


def operator(script: str, **settings: Any) -> Make:
    return lambda: BatchSubmitJobOperator(
        task_id="t",
        job=announced_job(f"scripted: {script}", TOPIC),
        placement=PLACEMENT,
        queue_name=QUEUE,
        poll_interval=0.2,
        **settings,
    )


@pytest.mark.parametrize("case", OPERATOR_CASES)
@pytest.mark.parametrize("way", OPERATOR_WAYS)
@pytest.mark.usefixtures("cloud")
def test_an_operator_ends_in_the_same_way_wherever_it_ends(
    way: str, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script, settings, state, error = OPERATOR_CASES[case]
    attempt = Attempt(operator(script, **settings, **OPERATOR_WAYS[way]))

    attempt.on_worker()

    (told,) = attempt.xcoms.values() if not settings.get("multiple_outputs") else [attempt.xcoms["return_value"]]
    job_ids = [told["job_id"]]
    is_multiple = bool(settings.get("multiple_outputs"))
    logged = capsys.readouterr().out
    check_end(attempt, job_ids, state, error, is_multiple=is_multiple, logged=logged, instances=1)


@pytest.mark.parametrize("way", OPERATOR_WAYS)
def test_an_operator_outlives_an_outage_of_the_api(cloud: RunningEmulator, way: str) -> None:
    cloud.add_fault(parse_fault(OUTAGE))
    attempt = Attempt(operator("outcome=succeed duration=1", **OPERATOR_WAYS[way]))

    attempt.on_worker()

    assert attempt.error is None
    assert attempt.xcoms["return_value"]["state"] == "SUCCEED"


# Name: what the jobs do, the task's settings, the states of its outcomes, the error.
MANY_CASES: dict[str, tuple[list[str], dict[str, Any], list[str] | None, str | None]] = {
    "all succeeded": ([GOOD, GOOD], {}, ["SUCCEED", "SUCCEED"], None),
    "no job": ([], {}, [], None),
    "one failed": ([GOOD, BAD], {}, None, BatchJobsFailedError.__name__),
    "one failed, and may": ([GOOD, BAD], {"max_failures": 1}, ["SUCCEED", "FAILED"], None),
    "one failed, and half may": ([BAD, GOOD], {"max_failures": 0.5}, ["FAILED", "SUCCEED"], None),
    "one failed, and the rest is ended": ([BAD, ENDLESS], {"fail_fast": True}, None, BatchJobsFailedError.__name__),
    "time is over": ([GOOD, ENDLESS], {"execution_timeout": timedelta(seconds=4)}, None, BatchJobsFailedError.__name__),
    "deleted": ([GOOD, GOOD], {"on_finish_action": "delete_succeeded"}, ["SUCCEED", "SUCCEED"], None),
}


def many(scripts: Sequence[str], **settings: Any) -> Make:
    jobs = [announced_job(f"scripted: {script}", TOPIC) for script in scripts]
    return lambda: BatchSubmitJobsOperator(
        task_id="t", jobs=jobs, placement=PLACEMENT, queue_name=QUEUE, poll_interval=0.2, **settings
    )


@pytest.mark.parametrize("case", MANY_CASES)
@pytest.mark.usefixtures("cloud")
def test_many_jobs_end_as_their_settings_say(case: str) -> None:
    scripts, settings, states, error = MANY_CASES[case]
    attempt, summed_up = (Attempt(many(scripts, **settings, **more)) for more in ({}, {"result": "summary"}))

    attempt.on_worker()
    summed_up.on_worker()

    assert (attempt.error, summed_up.error) == (error, error)
    if states is None:
        # A task that fails pushes what it would have returned.
        assert attempt.xcoms.keys() == summed_up.xcoms.keys() == {"batch_outcome"}
        outcomes, summary = attempt.xcoms["batch_outcome"], summed_up.xcoms["batch_outcome"]
        assert (len(outcomes), summary["total"]) == (len(scripts), len(scripts))
        return
    outcomes, summary = attempt.xcoms["return_value"], summed_up.xcoms["return_value"]
    assert [outcome["state"] for outcome in outcomes] == states
    assert (summary["total"], summary["succeeded"]) == (len(states), states.count("SUCCEED"))
    assert [one["index"] for one in summary["failed"]] == [n for n, state in enumerate(states) if state == "FAILED"]


def test_many_jobs_outlive_an_outage_of_the_api(cloud: RunningEmulator) -> None:
    cloud.add_fault(parse_fault(OUTAGE))
    cloud.add_fault(parse_fault("http_500 action=SubmitJob duration=2"))
    attempt = Attempt(many([GOOD, GOOD]))

    attempt.on_worker()

    assert attempt.error is None
    assert [outcome["state"] for outcome in attempt.xcoms["return_value"]] == ["SUCCEED", "SUCCEED"]
