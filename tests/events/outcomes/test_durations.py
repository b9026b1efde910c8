# SPDX-License-Identifier: Apache-2.0
"""How long a job waited and ran: only what somebody has told."""

from __future__ import annotations

import pytest

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import JobWait, Outcome
from airflow_batch_events.events.outcomes.durations import JobTimes, instances_in, times_of
from airflow_batch_events.times import parse_time

JOB = "job-4yn0we13"
CREATED = 1_767_225_600.0


def clock(seconds: float) -> str:
    moment = parse_time("2026-01-01T00:00:00Z")
    assert moment is not None
    return str(moment.add(seconds=int(seconds)).to_iso8601_string())


def event(name: str, at: float, **batch: object) -> BatchEvent:
    return BatchEvent(name, parse_time(clock(at)), "ap-guangzhou", {"JobId": JOB, **batch})


def waited(*events: BatchEvent, began: float | None = CREATED, polled: str | None = None) -> Outcome:
    wait = JobWait(JOB, began)
    for one in events:
        wait.on_event(one, CREATED + 1000)
    if polled is not None:
        wait.on_poll(polled, CREATED + 1000)
    assert wait.outcome is not None
    return wait.outcome


def spans(outcome: Outcome) -> tuple[float | None, float | None]:
    return outcome.queued_seconds, outcome.running_seconds


RUNNING = event("JOB_RUNNING", 20, CreateTime=clock(0))
ENDED = event("JOB_SUCCEED", 51, CreateTime=clock(0), EndTime=clock(50))


def test_two_events_tell_both_durations() -> None:
    assert spans(waited(RUNNING, ENDED)) == (20.0, 30.0)


def test_the_first_instance_counts() -> None:
    late = event("TASK_INSTANCE_RUNNING", 40)
    assert spans(waited(late, RUNNING, late, ENDED)) == (20.0, 30.0)


def test_without_the_event_that_it_runs_nothing_is_made_up() -> None:
    assert spans(waited(ENDED)) == (None, None)
    assert spans(waited(polled="SUCCEED")) == (None, None)
    assert spans(waited(RUNNING, polled="SUCCEED")) == (20.0, None)


def test_an_event_without_times_in_its_body_tells_what_it_can() -> None:
    assert spans(waited(event("JOB_RUNNING", 20), event("JOB_SUCCEED", 51))) == (None, 31.0)
    odd = event("JOB_SUCCEED", 51, CreateTime={"a": 1}, EndTime="soon")
    assert spans(waited(event("JOB_RUNNING", 20, CreateTime=7), odd)) == (None, 31.0)


@pytest.mark.parametrize("began", [None, CREATED + 30])
def test_an_event_from_before_the_wait_may_be_of_another_run(began: float | None) -> None:
    assert spans(waited(RUNNING, began=began, polled="SUCCEED")) == (None, None)


def test_clocks_that_disagree_make_no_negative_duration() -> None:
    assert JobTimes(created=10.0, began=9.0, ended=8.0).queued_seconds == 0.0
    assert JobTimes(created=10.0, began=9.0, ended=8.0).running_seconds == 0.0


def test_answers_tell_what_events_have_not() -> None:
    times = times_of(parse_time(clock(0)), parse_time(clock(60)), [None, parse_time(clock(9)), parse_time(clock(8))], 2)
    bare = Outcome(JOB, "FAILED", succeeded=False)
    assert spans(bare.with_times(times)) == (8.0, 52.0)
    assert bare.with_times(times).instances == 2
    assert spans(waited(RUNNING, ENDED).with_times(times)) == (20.0, 30.0)
    assert bare.with_times(times_of(None, None, [], 0)) == bare


@pytest.mark.parametrize(
    ("job", "instances"),
    [
        ({"Tasks": [{}, {"TaskInstanceNum": 3}]}, 4),
        ({"Tasks": [{"TaskInstanceNum": "3"}]}, None),
        ({"Tasks": []}, None),
        ({"Tasks": "text"}, None),
        ({"Tasks": [None]}, None),
        ({}, None),
    ],
)
def test_a_description_tells_how_many_instances(job: dict[str, object], instances: int | None) -> None:
    assert instances_in(job) == instances
