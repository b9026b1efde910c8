# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow_batch_events.events.diagnosis import FailedInstance, diagnose
from airflow_batch_events.events.many.facts import MAX_EXIT_CODES, JobFacts, cause_of, facts_of, reason_of


def instance(index: int, exit_code: int | None = None, reason: str = "") -> FailedInstance:
    return FailedInstance("main", index, "FAILED", exit_code, reason, stdout="secret", stderr="no input")


def test_a_diagnosis_is_noted_without_the_output():
    found = diagnose("job-1", "FAILED", None, [instance(3, 2, "command failed")], 1)
    assert facts_of(found) == JobFacts("exit_code", "main", 3, 2, (2,))
    assert reason_of(found) == "task 'main' instance 3: exit code 2: command failed (no input)"


def test_a_job_of_which_nothing_could_be_read_has_no_facts():
    found = diagnose("job-1", "FAILED", None, [], trouble="no answer")
    assert facts_of(found) == JobFacts()
    assert reason_of(found) == "no details (no answer)"


def test_the_codes_of_all_instances_are_noted_within_bounds():
    found = diagnose("job-1", "FAILED", None, [instance(0)], others=[instance(n, n) for n in range(1, 50)])
    assert facts_of(found).exit_codes == tuple(range(1, MAX_EXIT_CODES + 1))


def test_what_was_read_tells_the_cause_before_the_state_does():
    assert cause_of("FAILED", JobFacts("signal")) == "signal"
    assert [cause_of(state, None) for state in ("FAILED", "TIMEOUT", "NOT_FOUND")] == ["unknown", "timeout", "deleted"]
