# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.events.outcome import JobWait, Outcome, WaitDecision
from airflow_batch_events.events.outcomes.failure import Failure

JOB = "job-12345678"
START = 1_767_225_600.0


def event(name="JOB_SUCCEED", at=START + 10, **batch):
    time = pendulum.from_timestamp(at) if at is not None else None
    return BatchEvent(name, time, "ap-guangzhou", {"JobId": JOB, **batch}, {"k": "v"})


def wait(**kwargs):
    return JobWait(JOB, START, **kwargs)


@pytest.mark.parametrize(
    ("name", "state", "succeeded"),
    [
        ("JOB_SUCCEED", "SUCCEED", True),
        ("JOB_FAILED", "FAILED", False),
        ("JOB_FAILED_INTERRUPTED", "FAILED_INTERRUPTED", False),
    ],
)
def test_an_event_that_settles_the_job_ends_the_wait_at_once(name, state, succeeded):
    job = wait()
    assert job.on_event(event(name), START + 11) is WaitDecision.DONE
    assert job.outcome == Outcome(
        JOB, state, succeeded, name, "2026-01-01T00:00:10Z", {"k": "v"}, reason=None, source="event"
    )


def test_progress_does_not_end_the_wait():
    job = wait()
    assert job.on_event(event("JOB_RUNNING"), START + 11) is WaitDecision.WAIT
    assert job.on_event(event("TASK_FAILED"), START + 11) is WaitDecision.WAIT
    assert job.on_event(event("JOB_TELEPORTED"), START + 11) is WaitDecision.WAIT
    assert not job.is_done


def test_an_event_from_before_the_last_poll_is_not_believed():
    job = wait()
    job.on_poll("RUNNING", START + 20)
    assert job.on_event(event("JOB_FAILED", at=START + 19), START + 21) is WaitDecision.POLL_SOON
    assert not job.is_done


def test_an_event_from_before_the_wait_began_is_not_believed():
    job = wait()
    assert job.on_event(event("JOB_FAILED", at=START - 100), START + 1) is WaitDecision.POLL_SOON


def test_without_the_cloud_s_time_events_need_a_poll_first():
    job = JobWait(JOB, None)
    assert job.on_event(event(), START + 11) is WaitDecision.POLL_SOON
    job.on_poll("RUNNING", START + 5)
    assert job.on_event(event(), START + 11) is WaitDecision.DONE


@pytest.mark.parametrize(
    "doubtful",
    [event(at=None), event(at=START + 10_000), event(at=START + 14), event(JobState="FAILED"), event(JobState=7)],
    ids=[
        "without a time",
        "from the future",
        "seconds from the future",
        "contradicting itself",
        "with a state of the wrong type",
    ],
)
def test_a_doubtful_event_only_makes_the_next_poll_immediate(doubtful):
    job = wait()
    assert job.on_event(doubtful, START + 11) is WaitDecision.POLL_SOON
    assert not job.is_done


def test_a_poll_that_sees_the_job_settled_ends_the_wait():
    job = wait()
    assert job.on_poll("FAILED", START + 5) is WaitDecision.DONE
    assert job.outcome == Outcome(JOB, "FAILED", False, source="api")


def test_a_poll_after_a_doubtful_event_keeps_its_parameters():
    job = wait()
    job.on_event(event(at=START - 1), START + 1)
    job.on_poll("SUCCEED", START + 2)
    assert job.outcome is not None
    assert (job.outcome.source, job.outcome.event_name, job.outcome.event_vars) == ("api", "JOB_SUCCEED", {"k": "v"})


def test_a_state_that_is_in_no_list_is_an_active_one():
    job = wait()
    assert job.on_poll("DAYDREAMING", START + 5) is WaitDecision.WAIT
    assert job.last_state == "DAYDREAMING"


def test_an_unknown_job_is_not_visible_yet_for_the_grace_period():
    job = wait(grace=60)
    assert job.on_poll(None, START + 1) is WaitDecision.WAIT
    assert job.is_missing
    assert job.on_poll(None, START + 60) is WaitDecision.WAIT
    assert job.on_poll(None, START + 61) is WaitDecision.DONE
    assert job.outcome is not None
    why = "the API has not known the job for 60 s: the id is wrong, or the job was deleted"
    failure = Failure(JOB, "NOT_FOUND", "unknown")
    assert job.outcome == Outcome(JOB, "NOT_FOUND", False, reason=why, source="api", failure=failure)


def test_a_job_that_becomes_visible_in_time_is_waited_for():
    job = wait(grace=60)
    job.on_poll(None, START + 1)
    assert job.on_poll("PENDING", START + 50) is WaitDecision.WAIT
    assert job.on_poll(None, START + 100) is WaitDecision.WAIT


def test_a_job_that_vanishes_is_reported_as_deleted():
    job = wait(grace=10)
    job.on_poll("RUNNING", START + 1)
    job.on_poll(None, START + 20)
    job.on_poll(None, START + 30)
    assert job.outcome is not None
    assert job.outcome.reason == "the API has not known the job for 10 s: the job was deleted"
    assert job.outcome.failure == Failure(JOB, "NOT_FOUND", "deleted")


def test_a_deleted_job_ended_as_the_last_event_about_it_said():
    job = wait(grace=10)
    job.on_event(event("JOB_FAILED", at=START - 50), START + 1)
    job.on_event(event("JOB_SUCCEED", at=START - 5), START + 1)
    job.on_event(event("JOB_FAILED", at=START - 50), START + 1)
    job.on_poll(None, START + 2)
    job.on_poll(None, START + 12)
    assert job.outcome is not None
    assert (job.outcome.state, job.outcome.source) == ("SUCCEED", "event")


def test_an_event_is_believed_although_a_poll_has_missed_the_job():
    job = wait()
    job.on_poll(None, START + 20)
    assert job.on_event(event(at=START + 10), START + 21) is WaitDecision.DONE


def test_the_deadline_ends_the_wait_and_says_what_was_last_seen():
    job = wait()
    job.on_poll("STARTING", START + 1)
    job.on_deadline()
    assert job.outcome is not None
    assert job.outcome == Outcome(
        JOB,
        "TIMEOUT",
        False,
        reason="the deadline passed before the job ended; last seen STARTING",
        source="deadline",
        failure=Failure(JOB, "TIMEOUT", "timeout"),
    )


def test_a_job_not_begun_by_its_start_deadline_ends_the_wait():
    job = wait()
    job.on_poll("RUNNABLE", START + 1)
    assert job.on_start_deadline() is WaitDecision.DONE
    assert job.outcome is not None
    assert job.outcome.state == "NOT_STARTED"
    assert job.outcome.failure == Failure(JOB, "NOT_STARTED", "unknown")
    assert "last seen RUNNABLE" in (job.outcome.reason or "")
    assert job.on_start_deadline() is WaitDecision.DONE


@pytest.mark.parametrize(
    "begin", [lambda job: job.on_poll("RUNNING", 1), lambda job: job.on_event(event("JOB_RUNNING"), START + 10)]
)
def test_a_job_that_has_begun_outlives_its_start_deadline(begin):
    job = wait()
    begin(job)
    assert job.on_start_deadline() is WaitDecision.WAIT
    assert not job.is_done


@pytest.mark.parametrize(
    "doubtful",
    [event("JOB_RUNNING", at=START + 10_000), event("JOB_RUNNING", at=START - 50), event("JOB_RUNNING", at=None)],
    ids=["from the future", "old", "without a time"],
)
def test_a_doubtful_start_does_not_meet_the_deadline(doubtful):
    job = wait()
    job.on_event(doubtful, START + 11)
    assert job.on_start_deadline() is WaitDecision.DONE


def test_a_refused_id_ends_the_wait_once_confirmed():
    job = wait()
    for seconds in (0, 2):
        assert job.on_refusal("InvalidParameter.JobIdMalformed: no", START + seconds) is WaitDecision.WAIT
        assert job.is_refused
    assert job.on_refusal("InvalidParameter.JobIdMalformed: no", START + 4) is WaitDecision.DONE
    assert job.outcome is not None
    assert (job.outcome.state, job.outcome.reason) == ("REFUSED", "InvalidParameter.JobIdMalformed: no")


def test_refusals_in_one_moment_do_not_confirm_one_another():
    job = wait()
    for _ in range(10):
        assert job.on_refusal("InvalidParameter", START) is WaitDecision.WAIT


@pytest.mark.parametrize("state", ["RUNNING", None], ids=["it runs", "it is not visible"])
def test_a_good_answer_takes_a_refusal_back(state):
    job = wait(grace=3600)
    for minute in range(10):
        assert job.on_refusal("gateway hiccup", START + 60 * minute) is WaitDecision.WAIT
        assert job.on_refusal("gateway hiccup", START + 60 * minute + 1) is WaitDecision.WAIT
        job.on_poll(state, START + 60 * minute + 2)
        assert not job.is_refused


@pytest.mark.parametrize(
    ("region", "expected"),
    [("ap-guangzhou", WaitDecision.DONE), (None, WaitDecision.DONE), ("ap-shanghai", WaitDecision.POLL_SOON)],
    ids=["its own", "not said", "another"],
)
def test_an_event_of_another_region_only_causes_a_poll(region, expected):
    assert wait(region=region).on_event(event(), START + 11) is expected


@pytest.mark.parametrize("doubtful", [{"region": "ap-shanghai"}, {}], ids=["of another region", "from the future"])
def test_an_impossible_event_does_not_end_a_deleted_job(doubtful):
    job = wait(grace=10, **doubtful)
    job.on_event(event(at=START + 5 if doubtful else START + 10_000), START + 6)
    job.on_poll(None, START + 20)
    job.on_poll(None, START + 30)
    assert job.outcome is not None
    assert job.outcome.state == "NOT_FOUND"


def test_an_event_from_before_an_active_poll_is_not_believed():
    job = wait(grace=10)
    job.on_event(event("JOB_FAILED", at=START - 5), START + 1)
    job.on_poll("RUNNING", START + 2)
    job.on_poll(None, START + 20)
    job.on_poll(None, START + 30)
    assert job.outcome is not None
    assert job.outcome.state == "NOT_FOUND"


def test_a_clock_jump_makes_earlier_dates_incomparable():
    job = wait(grace=60)
    job.on_poll(None, START + 5)
    job.on_clock_jump()
    assert job.on_poll(None, START + 86_400) is WaitDecision.WAIT
    assert job.on_event(event("JOB_FAILED", at=START + 86_300), START + 86_400) is WaitDecision.POLL_SOON
    job.on_poll("RUNNING", START + 86_401)
    assert job.on_event(event(at=START + 86_500), START + 86_501) is WaitDecision.DONE


def test_an_answer_that_comes_late_turns_nothing_back():
    job = wait(grace=10)
    job.on_event(event(at=START + 15), START + 16)
    assert job.is_done
    job = wait(grace=10)
    job.on_poll("RUNNING", START + 20)
    job.on_poll("RUNNING", START + 5)
    assert job.on_event(event("JOB_FAILED", at=START + 10), START + 21) is WaitDecision.POLL_SOON
    job.on_poll(None, START + 30)
    job.on_poll(None, START + 40)
    assert job.outcome is not None
    assert job.outcome.state == "NOT_FOUND"


def test_an_event_without_a_time_is_shown_without_one():
    job = wait()
    job.on_event(event(at=None), START + 1)
    job.on_poll("SUCCEED", START + 2)
    assert job.outcome is not None
    assert (job.outcome.event_name, job.outcome.event_time) == ("JOB_SUCCEED", None)


def test_the_event_of_another_end_is_not_shown():
    job = wait()
    job.on_event(event("JOB_FAILED", at=START - 5), START + 1)
    job.on_poll("SUCCEED", START + 2)
    assert job.outcome == Outcome(JOB, "SUCCEED", True, source="api")


def test_an_event_of_the_very_moment_of_the_last_poll_is_not_believed():
    job = wait()
    job.on_poll("RUNNING", START + 10)
    assert job.on_event(event(at=START + 10), START + 11) is WaitDecision.POLL_SOON


def test_each_answer_counts_as_a_poll():
    job = wait()
    job.on_poll("RUNNING", START + 1)
    job.on_refusal("no", START + 2)
    job.on_refusal("no", START + 3)
    job.on_poll("RUNNING", START + 4)
    assert job.polls == 4


# A job's true history: runs that fail and are retried, then one that ends it. Facts about it arrive in any order, any
# number of times; looks tell the truth of their moment.
runs = st.lists(st.integers(3, 60), min_size=1, max_size=4)


@given(runs=runs, ending=st.sampled_from(["SUCCEED", "FAILED", "FAILED_INTERRUPTED"]), data=st.data())
def test_a_wait_ends_with_a_state_that_was_true(runs, ending, data):
    history = []  # (time, state), increasing
    now = int(START)
    for position, length in enumerate(runs):
        history.append((now, "RUNNING"))
        now += length
        is_last = position == len(runs) - 1
        history.append((now, ending if is_last else "FAILED"))
        now += data.draw(st.integers(2, 20))
    end = now

    def state_at(moment):
        return [state for since, state in history if since <= moment][-1]

    settled = [(time, state) for time, state in history if state != "RUNNING"]
    moments = sorted(data.draw(st.lists(st.floats(START + 0.001, end), min_size=1, max_size=25)))
    began = moments[0]
    job = JobWait(JOB, data.draw(st.sampled_from([began, None])))
    for moment in moments:
        past = [fact for fact in settled if fact[0] <= moment]
        if past and data.draw(st.booleans()):
            time, state = data.draw(st.sampled_from(past))
            job.on_event(event(f"JOB_{state}", at=time), moment)
        else:
            job.on_poll(state_at(moment), moment)
        if job.outcome is not None:
            true_since_it_began = [state for since, state in settled if since > began] + [state_at(began)]
            assert job.outcome.state in true_since_it_began
            return
    job.on_poll(state_at(end), end)
    assert job.outcome is not None
    assert job.outcome.state == ending
