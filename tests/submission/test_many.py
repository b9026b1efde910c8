# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import msgspec
import pytest

from airflow_batch_events.events.many.items import Item
from airflow_batch_events.exceptions import SubmissionRecordError
from airflow_batch_events.limits import MAX_CLIENT_TOKEN
from airflow_batch_events.submission.many import (
    JobsSubmission,
    handover_name,
    job_token,
    read_jobs_record,
    renew,
    token_seed,
)


def test_no_two_jobs_of_any_task_have_one_token():
    seeds = {token_seed("d", "t", "r", index, generation) for index in (-1, 0, None) for generation in (1, 2)}
    tokens = {job_token(seed, index, number) for seed in seeds for index in range(20) for number in (1, 2)}
    assert len(tokens) == 6 * 20 * 2
    assert {len(token) for token in tokens} == {MAX_CLIENT_TOKEN}


def test_tokens_stay_what_they_are():
    # Under another token a job that runs is submitted a second time, under another name its notes are not found.
    seed = token_seed("dag", "task", "run", -1, 1)
    assert seed == "bf45fee8f69c78e72dced90d3803046c8f1cbe429eaeff51879cc3676b367103"
    assert job_token(seed, 0, 1) == "bc94922e1cb43ee56582047b8e21fed3fe6d45754b893acf636062dc72713f8d"
    assert handover_name(seed, 1) == "tencent_batch_jobs_72eef624f60428face260ce8_1"
    assert handover_name(seed, 2) == "tencent_batch_jobs_72eef624f60428face260ce8_2"


def test_a_record_comes_back_as_it_was():
    record = JobsSubmission("d" * 64, 7, generation=2, waits=3, waited_under=1)
    assert read_jobs_record({**msgspec.to_builtins(record), "of_tomorrow": 1}) == record


@pytest.mark.parametrize(
    "data", ["x", {"digest": "d"}, {"digest": "d", "total": 0}, {"digest": "d", "total": 1, "version": 2}]
)
def test_a_record_that_cannot_be_understood_is_an_error(data):
    with pytest.raises(SubmissionRecordError, match="Nothing was submitted"):
        read_jobs_record(data)


DONE = Item(1, "job-1", "SUCCEED", is_deleted=True)


@pytest.mark.parametrize(
    ("item", "renewed"),
    [
        (DONE, DONE),
        (Item(1, "job-1", "FAILED"), Item(2)),
        (Item(1, None, "REFUSED", "why"), Item(2)),
        (Item(1, "job-1", "NOT_FOUND"), Item(2)),
        (Item(1, "job-1", "TIMEOUT"), Item(2)),
        (Item(2, "job-1"), Item(2, "job-1", earlier=2)),
        (Item(2), Item(2)),
    ],
)
def test_a_later_try_submits_only_what_has_failed_or_is_missing(item, renewed):
    assert renew([item], is_noted=True, waits=1, were_ended=True) == [renewed]


def test_a_job_that_was_not_ended_is_found_again():
    (renewed,) = renew([Item(1, "job-1", "TIMEOUT")], is_noted=True, waits=1, were_ended=False)
    assert renewed == Item(1, "job-1", earlier=1)


def test_of_a_try_without_notes_every_job_may_have_been_submitted():
    assert renew([Item(), DONE], is_noted=False, waits=3, were_ended=True) == [Item(earlier=3), DONE]


def test_a_failed_job_is_submitted_anew_whatever_is_noted():
    failed = Item(1, "job-1", "FAILED")
    assert renew([failed], is_noted=False, waits=3, were_ended=True) == [Item(2, earlier=3)]
