# SPDX-License-Identifier: Apache-2.0
"""The cause of a failure: one of a closed set, and none that the facts do not bear out."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.outcomes.failure import Cause, Failure, classify, signal_name, tail_of

CAUSES = {
    "exit_code",
    "signal",
    "out_of_memory",
    "timeout",
    "no_capacity",
    "bad_image",
    "dependence",
    "interrupted",
    "terminated",
    "deleted",
    "unknown",
}

CASES = [
    # What the API says: the exit code, the reason, the end of stderr; then the cause.
    (2, "command failed", "", "exit_code"),
    (1, "process terminated with exit code 1; timeout", "", "exit_code"),
    (1, "image cannot be used, ResourceInsufficient", "", "exit_code"),
    (255, "", "", "exit_code"),
    (137, "command failed", "Killed", "signal"),
    (-9, "", "", "signal"),
    (139, "the command was terminated by signal 11", "", "signal"),
    (137, "command failed; out of memory", "", "out_of_memory"),
    (137, "OOMKilled", "", "out_of_memory"),
    (137, "OOM", "", "out_of_memory"),
    (137, "", "kernel: Out of memory: Killed process 4242 (python)", "out_of_memory"),
    (134, "", "terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory"),
    (1, "", "Traceback (most recent call last):\nMemoryError", "out_of_memory"),
    (1, "", "numpy.core._exceptions._ArrayMemoryError: no\nnumpy.MemoryError: Unable to allocate", "out_of_memory"),
    (3, "", 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space', "out_of_memory"),
    (1, "", "MemoryError\nso we took less\nand less\nand less\nno such file", "exit_code"),
    (1, "", "see the guide on how to handle a MemoryError", "exit_code"),
    (None, "timeout; the command ran longer than its Timeout of 2 seconds", "", "timeout"),
    (None, "task timeout after 60 s", "", "timeout"),
    (143, "the command timed out", "", "timeout"),
    (None, "timeout waiting for a disk", "", "unknown"),
    (None, "CVM creation timed out", "", "unknown"),
    (None, "heartbeat lost; first heartbeat timeout", "", "interrupted"),
    (None, "compute node node-2bwng0f2 was lost", "", "interrupted"),
    (None, "the spot instance was reclaimed", "", "interrupted"),
    (None, "CVM creation failed; InternalError.CallCvm:ResourceInsufficient: no server is left", "", "no_capacity"),
    (None, "ResourcesSoldOut.SpecifiedInstanceType", "", "no_capacity"),
    (None, "insufficient balance", "", "unknown"),
    (None, "the account is overdue; sold out", "", "unknown"),
    (None, "InternalError.CallCvm:InvalidImageId.NotFound: no", "", "bad_image"),
    (None, "the image img-12345678 does not exist", "", "bad_image"),
    (None, "imagemagick is missing", "", "unknown"),
    (None, "create CVM failed: InternalError.CallCvm", "", "unknown"),
    (None, "dependence not met; PRE_TASK_SUCCEED cannot be met any more by a (FAILED)", "", "dependence"),
    (None, "it depends", "", "unknown"),
    (None, "independent of what was asked", "", "unknown"),
    (None, "terminated by user; the instance was terminated on request", "", "terminated"),
    (None, "terminated by user; the instance was terminated while RUNNABLE", "", "terminated"),
    (143, "terminated on request", "", "terminated"),
    (None, "terminated unexpectedly", "", "unknown"),
    (None, "compute environment deleted; env-ptoxdb1t was deleted", "", "deleted"),
    (None, "", "", "unknown"),
    (0, "", "", "unknown"),
    (-1, "", "", "unknown"),
]


def test_the_causes_are_a_closed_set():
    assert {cause.value for cause in Cause} == CAUSES


@pytest.mark.parametrize(("exit_code", "reason", "stderr", "cause"), CASES)
def test_the_cause_follows_from_the_facts(exit_code, reason, stderr, cause):
    assert classify("FAILED", exit_code, reason, stderr).cause == cause


def test_an_interrupted_instance_without_another_cause_is_interrupted():
    assert classify("FAILED_INTERRUPTED", None, "").cause is Cause.INTERRUPTED
    assert classify("FAILED_INTERRUPTED", 4, "command failed").cause is Cause.EXIT_CODE


@pytest.mark.parametrize(
    ("state", "exit_code", "advice"),
    [
        (
            "FAILED",
            137,
            "SIGKILL is what ends a command that needs more memory than there is: take a larger InstanceType, or make "
            "the command need less",
        ),
        ("FAILED", 139, "read the command's output above, fix the command, then run the task again"),
        ("FAILED", 2, "read the command's output above, fix the command, then run the task again"),
        ("FAILED_INTERRUPTED", None, "look at the job in the console, then run the task again"),
        ("FAILED", None, "look at the job in the console, then run the task again"),
    ],
)
def test_where_no_words_help_the_end_of_the_command_tells_what_to_do(state, exit_code, advice):
    assert classify(state, exit_code, "").advice == advice


@pytest.mark.parametrize(
    ("exit_code", "name"),
    [
        (129, "SIGHUP"),
        (137, "SIGKILL"),
        (-2, "SIGINT"),
        (-9, "SIGKILL"),
        (255, ""),
        (-255, ""),
        (128, ""),
        (1, ""),
        (0, ""),
        (-1, ""),
        (None, ""),
    ],
)
def test_a_signal_is_named_as_a_shell_or_a_process_reports_it(exit_code, name):
    assert signal_name(exit_code) == name


REASONS = st.text() | st.sampled_from([reason for _, reason, _, _ in CASES])
OUTPUTS = st.text() | st.sampled_from([stderr for _, _, stderr, _ in CASES])


@given(st.sampled_from(["FAILED", "FAILED_INTERRUPTED", "RUNNABLE", "x"]), st.integers(1, 128), REASONS, OUTPUTS)
def test_no_words_make_another_cause_of_an_ordinary_exit(state, exit_code, reason, stderr):
    assert classify(state, exit_code, reason, stderr).cause in (Cause.EXIT_CODE, Cause.OUT_OF_MEMORY)


@given(st.none() | st.integers(), REASONS, OUTPUTS)
def test_any_facts_have_one_cause_and_advice(exit_code, reason, stderr):
    found = classify("FAILED", exit_code, reason, stderr)
    assert isinstance(found.cause, Cause)
    assert found.advice
    assert found == classify("FAILED", exit_code, reason, stderr)


@given(st.text(alphabet="bcfgjkqvwxyz 0123456789;:\n"), st.none() | st.just(0))
def test_words_that_say_nothing_are_no_cause(reason, exit_code):
    assert classify("FAILED", exit_code, reason).cause is Cause.UNKNOWN


@given(st.integers(129, 192), REASONS)
def test_a_signal_is_never_taken_for_what_happens_before_a_command_runs(exit_code, reason):
    never = {Cause.NO_CAPACITY, Cause.BAD_IMAGE, Cause.DEPENDENCE, Cause.DELETED}
    assert classify("FAILED", exit_code, reason).cause not in never


@pytest.mark.parametrize("text", ["a: " * 100_000, "spot " * 100_000, "x" * 1_000_000, "timed " * 100_000])
def test_text_of_any_length_is_read_quickly(text):
    began = time.process_time()
    classify("FAILED", None, text, text)
    classify("FAILED", 137, text, text)
    assert time.process_time() - began < 1.0


def test_the_facts_go_through_json_and_come_back():
    failure = Failure("job-1", "FAILED", "exit_code", "main", 3, 2, "out", "err")
    assert Failure.from_dict(json.loads(json.dumps(failure.to_dict()))) == failure


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, None),
        ("text", None),
        ({}, Failure("", "")),
        ({"job_id": "job-1", "cause": "a later one", "exit_code": "2", "new": 1}, Failure("job-1", "", "a later one")),
        ({"instance": True, "exit_code": 1.0}, Failure("", "")),
    ],
)
def test_the_facts_of_another_version_are_read(data, expected):
    assert Failure.from_dict(data) == expected


@given(st.text())
def test_the_end_of_an_output_can_be_stored(text):
    tail = tail_of(text)
    assert "\0" not in tail
    tail.encode()
    assert len(tail) <= 2048


def test_the_facts_alone_are_the_same_whenever_they_are_read():
    read = Failure("job-1", "FAILED", "exit_code", "main", 0, 7, stdout="10:01 begun", stderr="10:02 failed")
    assert read.without_output() == Failure("job-1", "FAILED", "exit_code", "main", 0, 7)


def test_the_end_of_an_output_keeps_its_last_lines():
    assert tail_of("loading\nno data\n") == "loading\nno data"
    assert tail_of("x" * 3_000 + "\nend").endswith("\nend")
