# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.diagnosis import FailedInstance, diagnose
from airflow_batch_events.events.outcomes.durations import JobTimes
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.text import printable


def test_the_summary_names_the_instance_and_its_last_words():
    instance = FailedInstance("train", 3, "FAILED", 2, "command failed", stderr="loading\nValueError: no data\n")
    diagnosis = diagnose("job-1", "FAILED", None, [instance], failed_count=4)
    assert diagnosis.summary == (
        "Batch job job-1 ended FAILED: task 'train' instance 3: exit code 2: command failed (ValueError: no data); "
        "4 instances failed"
    )
    assert diagnosis.resolution == "Read the command's output above, fix the command, then run the task again"


def test_the_detail_shows_the_ends_of_both_outputs():
    instance = FailedInstance("a", 0, "FAILED", 1, stdout="out\n", stderr="".join(f"line {n}\n" for n in range(99)))
    detail = diagnose("job-1", "FAILED", None, [instance], failed_count=3).detail
    assert detail[:4] == ("task 'a' instance 0: exit code 1", "  end of stdout:", "    out", "  end of stderr:")
    assert "    line 98" in detail
    assert "    line 10" not in detail
    assert detail[-1] == "... and 2 more failed instances"
    assert "more failed" not in diagnose("job-1", "FAILED", None, [instance], failed_count=1).detail[-1]


def test_the_facts_of_a_failure_are_those_of_the_first_instance():
    instance = FailedInstance("train", 3, "FAILED", 2, "command failed", stdout="out\n", stderr="err\n")
    times = JobTimes(instances=4)
    diagnosis = diagnose("job-1", "FAILED", None, [instance], times=times)
    assert diagnosis.failure == Failure("job-1", "FAILED", "exit_code", "train", 3, 2, "out", "err")
    assert diagnosis.times is times


def test_the_facts_of_a_failure_without_instances_are_those_of_the_job():
    assert diagnose("job-1", "FAILED", None, []).failure == Failure("job-1", "FAILED", "unknown")
    long = diagnose("j" * 300, "s" * 300, None, [FailedInstance("t" * 300, 0, "FAILED")]).failure
    assert (len(long.job_id), len(long.state), len(long.task_name or "")) == (200, 200, 200)


@pytest.mark.parametrize(
    ("code", "kept"), [(0, 0), (2**31 - 1, 2**31 - 1), (-(2**31) + 1, -(2**31) + 1), (2**31, None)]
)
def test_an_exit_code_that_cannot_be_one_is_no_fact(code, kept):
    assert diagnose("job-1", "FAILED", None, [FailedInstance("a", 0, "FAILED", code)]).failure.exit_code == kept


def test_what_failed_by_itself_comes_before_what_failed_because_of_it():
    because = FailedInstance("report", 0, "FAILED", reason="dependence is not met")
    itself = FailedInstance("train", 0, "FAILED", 2)
    diagnosis = diagnose("job-1", "FAILED", None, [because, itself])
    assert diagnosis.failure.task_name == "train"
    assert diagnosis.summary.endswith("task 'train' instance 0: exit code 2; 2 instances failed")


def failed(code, **fields):
    return FailedInstance("a", 0, "FAILED", code, **fields)


@pytest.mark.parametrize(
    ("instances", "count", "codes"),
    [
        ([failed(2), failed(3)], 2, {2, 3}),
        ([failed(2), failed(3)], None, {2, 3}),
        ([failed(2)], 2, {2, None}),
        ([], 1, {None}),
        ([], None, {None}),
        ([failed(2), failed(None, reason="dependence is not met")], 2, {2}),
        ([failed(None, reason="dependence is not met")], 1, {None}),
    ],
)
def test_the_exit_codes_are_those_of_what_failed_by_itself(instances, count, codes):
    assert diagnose("job-1", "FAILED", None, instances, failed_count=count).exit_codes == codes


def test_further_instances_count_by_their_exit_codes_only():
    diagnosis = diagnose("job-1", "FAILED", None, [failed(2)], others=[failed(9)])
    assert diagnosis.exit_codes == {2, 9}
    assert diagnosis.summary.endswith("; 2 instances failed")
    assert diagnosis.detail[-1] == "... and 1 more failed instances"


def test_one_failed_instance_is_not_counted():
    assert diagnose("job-1", "FAILED", None, [failed(2)]).summary == (
        "Batch job job-1 ended FAILED: task 'a' instance 0: exit code 2"
    )


def test_a_job_that_does_not_begin_is_told_by_what_it_waits_for():
    waiting = [FailedInstance("a", number, "RUNNABLE") for number in range(2)]
    assert diagnose("job-1", "NOT_STARTED", None, waiting).summary == (
        "Batch job job-1 has not begun to run: task 'a' instance 0 is RUNNABLE: RUNNABLE, the API gives no reason; "
        "2 instances wait"
    )


@pytest.mark.parametrize(
    ("reason", "trouble", "words"),
    [
        ("quota", None, ": quota"),
        ("quota", "DescribeJob: no answer", ": quota (DescribeJob: no answer)"),
        (None, "DescribeJob: no answer", ": no details (DescribeJob: no answer)"),
        (None, None, ""),
    ],
)
def test_what_could_not_be_read_is_said(reason, trouble, words):
    diagnosis = diagnose("job-1", "FAILED", reason, [], trouble=trouble)
    assert diagnosis.summary == f"Batch job job-1 ended FAILED{words}"


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
    assert diagnose("job-1", "FAILED_INTERRUPTED", None, []).resolution == (
        "Its instances are kept for inspection and still cost money: look at them, then end the job with "
        "BatchTerminateJobOperator or in the console"
    )


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
    assert (
        len(diagnose("job-1", "FAILED", "r" * 1_000_000, []).summary) == len("Batch job job-1 ended FAILED: ") + 1_000
    )


def test_without_instances_the_cause_is_what_the_job_s_reason_says():
    diagnosis = diagnose("job-1", "FAILED", "terminated by user", [])
    assert diagnosis.failure.cause == "terminated"
    assert diagnosis.detail == ()
    assert diagnose("job-1", "FAILED_INTERRUPTED", None, []).failure.cause == "interrupted"
    waiting = [FailedInstance("a", 0, "FAILED_INTERRUPTED")]
    assert diagnose("job-1", "FAILED_INTERRUPTED", None, waiting).failure.cause == "interrupted"


def test_the_output_tells_a_cause_that_the_reason_does_not():
    instance = FailedInstance("a", 0, "FAILED", 1, stderr="MemoryError\n")
    assert diagnose("job-1", "FAILED", None, [instance]).failure.cause == "out_of_memory"
