# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.diagnosis import FailedInstance, diagnose
from airflow_batch_events.text import printable


def test_the_summary_names_the_instance_and_its_last_words():
    instance = FailedInstance("train", 3, "FAILED", 2, "command failed", stderr="loading\nValueError: no data\n")
    diagnosis = diagnose("job-1", "FAILED", None, [instance], failed_count=4)
    assert diagnosis.summary == (
        "Batch job job-1 ended FAILED: task 'train' instance 3: exit code 2: command failed (ValueError: no data); "
        "4 instances failed"
    )
    assert "fix the command" in diagnosis.resolution


def test_the_detail_shows_the_ends_of_both_outputs():
    instance = FailedInstance("a", 0, "FAILED", 1, stdout="out\n", stderr="".join(f"line {n}\n" for n in range(99)))
    detail = diagnose("job-1", "FAILED", None, [instance], failed_count=3).detail
    assert "    out" in detail
    assert "    line 98" in detail
    assert "    line 10" not in detail
    assert detail[-1] == "... and 2 more failed instances"


@pytest.mark.parametrize(
    ("code", "words"), [(137, "SIGKILL"), (-9, "SIGKILL"), (143, "SIGTERM"), (255, "exit code 255")]
)
def test_an_exit_by_signal_is_named(code, words):
    assert words in diagnose("job-1", "FAILED", None, [FailedInstance("a", 0, "FAILED", code)]).summary


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("task timeout after 60 s", "Timeout"),
        ("create CVM failed: InternalError.CallCvm", "instance type"),
        ("terminated by user", "submit it anew"),
        ("dependence is not met", "look at that task"),
        ("", "console"),
    ],
)
def test_the_advice_follows_from_the_reason(reason, advice):
    assert advice in diagnose("job-1", "FAILED", None, [FailedInstance("a", 0, "FAILED", reason=reason)]).resolution


def test_an_interrupted_job_says_that_it_still_costs_money():
    assert "still cost money" in str(diagnose("job-1", "FAILED_INTERRUPTED", None, []))


def test_a_job_without_details_is_explained_by_its_own_reason():
    assert diagnose("job-1", "FAILED", "quota", []).summary == "Batch job job-1 ended FAILED: quota"


HOSTILE = "\x1b]0;t\x07\r\n\x9b\u2028\u202e::group::\ud800"


def test_nothing_that_others_have_written_is_shown_as_it_is():
    instance = FailedInstance(HOSTILE, 0, HOSTILE, 2, HOSTILE, stdout=HOSTILE, stderr=HOSTILE)
    diagnosis = diagnose(HOSTILE, HOSTILE, HOSTILE, [instance])
    for line in (diagnosis.summary, str(diagnosis), *diagnosis.detail):
        assert line == printable(line)
    alone = diagnose("job-1", "FAILED", HOSTILE, [])
    assert alone.summary == "Batch job job-1 ended FAILED: " + printable(HOSTILE)


def test_reasons_and_lines_of_any_length_are_cut():
    instance = FailedInstance("a", 0, "FAILED", 2, "r" * 1_000_000, stderr="e" * 1_000_000)
    diagnosis = diagnose("job-1", "FAILED", None, [instance])
    assert all(len(line) < 5_000 for line in (str(diagnosis), *diagnosis.detail))
    assert "instance 0: exit code 2: rrr" in diagnosis.summary
