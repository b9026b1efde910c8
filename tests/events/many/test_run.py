# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_batch_events.events.many import items as items_module
from airflow_batch_events.events.many.facts import JobFacts
from airflow_batch_events.events.many.items import CHUNK, Item, unpack_items
from airflow_batch_events.events.many.result import state_of
from airflow_batch_events.events.many.rules import RunRules
from airflow_batch_events.events.many.run import MAX_READ, JobsRun


class Cloud:
    """Jobs by token, as the API has them; what a process knows of them is lost when it is cut off."""

    def __init__(self) -> None:
        self.by_token: dict[tuple[int, int], str] = {}
        self.jobs: dict[str, str] = {}
        self.made = 0

    def submit(self, token: tuple[int, int]) -> str:
        if token not in self.by_token:
            self.made += 1
            self.by_token[token] = f"job-{self.made}"
            self.jobs[f"job-{self.made}"] = "RUNNING"
        return self.by_token[token]


class Process:
    """One process that runs jobs: takes any step that is possible, until it is cut off."""

    def __init__(self, cloud: Cloud, stored: dict[int, str], total: int, rules: RunRules) -> None:
        self.cloud, self.stored, self.rules = cloud, stored, rules
        items: list[Item] = []
        for chunk in range(items_module.chunks_of(total)):
            count = min(CHUNK, total - chunk * CHUNK)
            items += unpack_items(stored[chunk], count) if chunk in stored else [Item() for _ in range(count)]
        self.run = JobsRun(items, rules)
        self.calls: list[int] = []

    def steps(self, bad: set[int]) -> list[Any]:
        run, cloud = self.run, self.cloud

        def begin() -> None:
            index = run.take_next()
            assert index is not None
            self.calls.append(index)

        def answer() -> None:
            index = self.calls.pop(0)
            run.on_submitted(index, cloud.submit((index, run.items[index].number)))

        def lose() -> None:
            # The API has taken the call, and its answer is lost.
            index = self.calls.pop(0)
            cloud.submit((index, run.items[index].number))
            run.put_back_unsure(index)

        def end() -> None:
            job_id = next(iter(run.running_ids))
            index = next(index for index, item in enumerate(run.items) if item.job_id == job_id)
            state = cloud.jobs.get(job_id, "NOT_FOUND")
            if state == "RUNNING":
                state = cloud.jobs[job_id] = "FAILED" if index in bad else "SUCCEED"
            run.on_outcome(job_id, state)

        def save() -> None:
            for one in run.take_unsaved():
                self.stored[one.chunk] = one.text
                run.on_saved(one)

        def fail_to_save() -> None:
            for one in run.take_unsaved():
                run.on_unsaved(one)

        def read() -> None:
            index = run.take_unread()
            assert index is not None
            job_id = run.items[index].job_id
            if job_id not in cloud.jobs:
                # A process has deleted it that was cut off before it has noted that.
                assert self.rules.on_finish_action == "delete"
            run.on_read(index, JobFacts("exit_code", "main", 0, 1) if index % 3 else None)

        def delete() -> None:
            index = run.take_deletable()
            assert index is not None
            item = run.items[index]
            saved = unpack_items(self.stored[index // CHUNK], len(run.items[:CHUNK]))[index % CHUNK]
            assert saved.state == item.state, "an outcome is stored before its job is deleted"
            assert item.state in self.rules.deleted_states
            assert saved.facts == item.facts, "so are its facts"
            assert item.job_id is not None
            cloud.jobs.pop(item.job_id, None)
            run.on_deleted(index)

        possible = [save, fail_to_save]
        possible += [begin] if run.may_submit else []
        possible += [answer, lose] if self.calls else []
        possible += [end] if run.running_ids else []
        possible += [read] if run._unread else []
        possible += [delete] if run._to_delete else []
        return possible


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    total=st.integers(1, 25),
    max_active=st.integers(1, 10),
    action=st.sampled_from(["keep", "delete_succeeded", "delete"]),
    on_failure=st.sampled_from(["continue", "cancel_rest"]),
    max_failures=st.integers(0, 5),
    share_bad=st.floats(0, 1),
)
def test_whatever_is_cut_off_no_job_is_lost_or_doubled(
    seed, total, max_active, action, on_failure, max_failures, share_bad
):
    rng = random.Random(seed)
    rules = RunRules(max_active, max_failures, on_failure, action)
    bad = {index for index in range(total) if rng.random() < share_bad}
    cloud, stored = Cloud(), dict[int, str]()
    process = Process(cloud, stored, total, rules)
    for _ in range(20_000):
        if process.run.is_over and not process.run.deletions_left and not process.run.readings_left:
            break
        if rng.random() < 0.02:
            process = Process(cloud, stored, total, rules)
        rng.choice(process.steps(bad))()
        run = process.run
        assert len(run.running_ids) + len(run.submitting) + run.deletions_left <= max_active
    run = process.run
    assert run.is_over
    assert not run.submitting
    assert len(cloud.by_token) == cloud.made <= total, "each job is submitted once"
    states = [state_of(item) for item in run.items]
    counts = run.counts
    assert counts.ended == sum(item.state is not None for item in run.items)
    if run.stopped is None:
        assert states == ["FAILED" if index in bad else "SUCCEED" for index in range(total)]
    else:
        assert on_failure == "cancel_rest"
        assert counts.failed > max_failures
        assert set(states) <= {"FAILED", "SUCCEED", "NOT_SUBMITTED"}
    kept = {item.job_id for item in run.items if item.state is not None and item.state not in rules.deleted_states}
    # What the run was not to submit any more may have been submitted right before a process was cut off.
    left = {cloud.by_token.get((index, 1)) for index, item in enumerate(run.items) if state_of(item) == "NOT_SUBMITTED"}
    assert kept == set(cloud.jobs) - left


def test_a_job_that_may_be_an_earlier_try_s_is_submitted_anew_when_it_has_failed():
    run = JobsRun([Item(earlier=2), Item(3)], RunRules())
    assert (run.take_next(), run.take_next()) == (0, 1)
    for number in (1, 2):
        assert run.on_submitted(0, f"job-{number}")
        run.on_outcome(f"job-{number}", "FAILED")
        assert run.items[0] == Item(number + 1, earlier=2)
        assert run.take_next() == 0
    run.on_submitted(0, "job-3")
    run.on_outcome("job-3", "FAILED")
    assert run.items[0].state == "FAILED"


def test_two_jobs_with_one_id_are_an_error_of_the_second():
    run = JobsRun([Item(), Item()], RunRules())
    run.take_next()
    run.take_next()
    assert run.on_submitted(0, "job-1")
    assert not run.on_submitted(1, "job-1")
    assert run.items[1].state == "REFUSED"
    assert run.running_ids == ["job-1"]


def test_outcomes_of_jobs_that_nobody_waits_for_change_nothing():
    run = JobsRun([Item(1, "job-1", "SUCCEED")], RunRules())
    run.on_outcome("job-1", "FAILED")
    run.on_outcome("job-2", "FAILED")
    assert run.counts.failed == 0
    assert run.is_over


def test_a_job_that_cannot_be_deleted_is_kept():
    run = JobsRun([Item(1, "job-1", "SUCCEED")], RunRules(on_finish_action="delete"))
    index = run.take_deletable()
    assert index == 0
    run.put_back_deletable(0)
    assert run.take_deletable() == 0
    run.keep(0)
    assert run.deletions_left == 0


def test_a_job_that_the_api_never_takes_has_ended():
    run = JobsRun([Item(), Item()], RunRules())
    run.take_next()
    run.on_refused(0, "InvalidParameter: no such image")
    assert (run.items[0].state, run.items[0].reason) == ("REFUSED", "InvalidParameter: no such image")
    assert run.counts.failed == 1
    assert run.submitting == []
    assert run.take_next() == 1


def test_a_job_that_was_not_submitted_comes_next_again():
    run = JobsRun([Item(), Item()], RunRules())
    assert run.take_next() == 0
    run.put_back(0)
    assert run.submitting == []
    assert (run.take_next(), run.take_next()) == (0, 1)


def test_a_job_that_may_have_been_submitted_is_asked_for_although_the_run_was_stopped():
    run = JobsRun([Item(), Item()], RunRules())
    run.take_next()
    run.put_back_unsure(0)
    run.stop("enough")
    for _ in range(2):
        assert run.submitting == [0]
        assert run.take_next() == 0
        run.put_back(0)
    run.take_next()
    run.on_submitted(0, "job-1")
    run.on_outcome("job-1", "SUCCEED")
    assert run.is_over


def test_a_job_that_is_asked_for_again_to_be_deleted_is_one_deletion():
    run = JobsRun([Item(1, "job-1", "SUCCEED")], RunRules(on_finish_action="delete"))
    run.take_deletable()
    run.put_back_deletable(0)
    assert run.deletions_left == 1


def fail_all(run: JobsRun, count: int, **how: Any) -> None:
    for number in range(count):
        index = run.take_next()
        assert index is not None
        run.on_submitted(index, f"job-{number}")
    for number in range(count):
        run.on_outcome(f"job-{number}", "FAILED", **how)


def test_those_that_fail_first_are_read_and_no_more_than_a_hundred():
    run = JobsRun([Item() for _ in range(MAX_READ + 20)], RunRules())
    fail_all(run, MAX_READ + 20)
    assert run.is_over
    assert run.readings_left == MAX_READ
    taken = [run.take_unread() for _ in range(MAX_READ)]
    assert (taken, run.take_unread()) == (list(range(MAX_READ)), None)
    run.put_back_unread(7)
    assert (run.take_unread(), run.readings_left) == (7, MAX_READ)


def test_what_was_read_before_counts_and_what_the_task_itself_has_ended_does_not():
    read = [Item(1, f"job-{number}", "FAILED", facts=JobFacts("exit_code")) for number in range(30)]
    ended = [Item(1, f"job-{number}", "FAILED", facts=JobFacts("terminated")) for number in range(30, 50)]
    unread = [Item(1, f"job-{number}", "FAILED") for number in range(50, 50 + MAX_READ)]
    assert JobsRun([*read, *ended, *unread], RunRules()).readings_left == MAX_READ - 30


def test_a_job_that_is_asked_for_again_to_be_read_is_one_reading():
    run = JobsRun([Item(1, "job-1", "FAILED")], RunRules())
    run.take_unread()
    run.put_back_unread(0)
    assert run.readings_left == 1


def test_what_was_read_of_a_job_is_noted_and_not_read_again():
    run = JobsRun([Item()], RunRules())
    fail_all(run, 1)
    facts = JobFacts("signal", "main", 4, 137, (137,))
    run.on_read(0, facts, "killed")
    (save,) = run.take_unsaved()
    again = JobsRun(unpack_items(save.text, 1), RunRules())
    assert again.items[0] == Item(1, "job-0", "FAILED", "killed", facts=facts)
    assert again.readings_left == 0


def test_a_failed_job_is_deleted_only_after_it_was_read():
    run = JobsRun([Item()], RunRules(on_finish_action="delete"))
    fail_all(run, 1)
    for save in run.take_unsaved():
        run.on_saved(save)
    assert (run.take_deletable(), run.deletions_left) == (None, 1)
    assert run.take_unread() == 0
    run.on_read(0, None)
    for save in run.take_unsaved():
        run.on_saved(save)
    assert run.take_deletable() == 0


def test_what_the_task_itself_has_ended_is_not_read():
    run = JobsRun([Item()], RunRules())
    fail_all(run, 1, was_ended=True)
    assert run.readings_left == 0
    assert run.items[0].facts == JobFacts("terminated")


def test_a_job_is_deleted_once_its_outcome_is_stored():
    gone = [Item(1, f"job-{number}", "SUCCEED", is_deleted=True) for number in range(CHUNK)]
    run = JobsRun([*gone, Item(), Item()], RunRules(on_finish_action="delete"))
    assert run.take_next() == CHUNK
    run.on_submitted(CHUNK, "job-new")
    run.on_outcome("job-new", "SUCCEED")
    assert run.take_deletable() is None
    (save,) = run.take_unsaved()
    assert (save.chunk, save.ended) == (1, (CHUNK,))
    run.on_saved(save)
    assert run.take_deletable() == CHUNK
    assert run.deletions_left == 1
    run.on_deleted(CHUNK)
    assert run.deletions_left == 0
    assert run.items[CHUNK].is_deleted
    assert run.counts.succeeded == CHUNK + 1


def test_why_a_job_has_ended_is_noted_as_far_as_it_fits():
    run = JobsRun([Item(1, "job-1"), Item(1, "job-2"), Item(1, "job-3")], RunRules())
    run.on_outcome("job-1", "FAILED", "no data")
    run.on_outcome("job-2", "FAILED", "x" * 1_000)
    run.on_outcome("job-3", "FAILED")
    assert [item.reason and len(item.reason) for item in run.items] == [len("no data"), 300, None]


def test_why_a_job_has_failed_is_noted_as_far_as_it_fits_when_it_was_read():
    run = JobsRun([Item(1, "job-1", "FAILED", "no data"), Item(1, "job-2", "FAILED", "no data")], RunRules())
    run.on_read(0, JobFacts("exit_code"))
    run.on_read(1, JobFacts("exit_code"), "x" * 1_000)
    assert [item.reason for item in run.items] == ["no data", "x" * 297 + "..."]


@pytest.mark.parametrize(
    ("on_failure", "stopped"), [("continue", None), ("cancel_rest", "2 jobs have failed, and 1 may")]
)
def test_too_many_failures_stop_a_run_that_is_to_cancel_the_rest(on_failure, stopped):
    run = JobsRun([Item(1, "job-1"), Item(1, "job-2"), Item()], RunRules(max_failures=1, on_failure=on_failure))
    run.on_outcome("job-1", "FAILED")
    assert run.stopped is None
    run.on_outcome("job-2", "FAILED")
    assert run.stopped == stopped
    assert run.may_submit is (stopped is None)


def test_a_chunk_that_is_stored_lets_only_its_own_jobs_be_deleted():
    items = [Item(1, f"job-{number}") for number in range(CHUNK + 1)]
    run = JobsRun(items, RunRules(on_finish_action="delete"))
    run.on_outcome("job-0", "SUCCEED")
    run.on_outcome(f"job-{CHUNK}", "SUCCEED")
    first, second = run.take_unsaved()
    run.on_saved(second)
    run.on_unsaved(first)
    assert (run.take_deletable(), run.take_deletable()) == (CHUNK, None)


def test_a_second_job_with_one_id_says_whose_it_is():
    run = JobsRun([Item(), Item()], RunRules())
    run.take_next()
    run.take_next()
    run.on_submitted(0, "job-1")
    run.on_submitted(1, "job-1")
    assert run.items[1].reason == "the API has answered with the job of number 0"


def test_a_job_that_may_have_been_submitted_counts_as_not_submitted():
    run = JobsRun([Item()], RunRules())
    run.take_next()
    run.put_back_unsure(0)
    assert run.counts.submitted == 0


def test_a_job_that_is_submitted_anew_is_stored_with_its_number():
    run = JobsRun([Item(1, f"job-{n}", "SUCCEED") for n in range(CHUNK)] + [Item(1, "job-x", earlier=9)], RunRules())
    run.on_outcome("job-x", "FAILED")
    (save,) = run.take_unsaved()
    assert save.chunk == 1
    assert unpack_items(save.text, 1) == [Item(2, earlier=9)]
