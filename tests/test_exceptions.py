# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the clients: the drawn tree is true, and they survive a process boundary."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from airflow_batch_events import exceptions
from airflow_batch_events.events.outcomes.failure import Failure
from airflow_batch_events.exceptions import (
    ApiError,
    ApiThrottledError,
    BatchJobsFailedError,
    CmqError,
    CmqQueueNotFoundError,
    JobError,
)
from airflow_batch_events.text import printable

CLASSES = {
    name: kind for name, kind in vars(exceptions).items() if inspect.isclass(kind) and issubclass(kind, Exception)
}


def drawn_parents() -> dict[str, str | None]:
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        drawn = re.match(r"    ((?:[│├└─ ]{4})*)(\w+Error)\b", line)
        if drawn:
            depth = len(drawn[1]) // 4
            branch[depth:] = [drawn[2]]
            parents[drawn[2]] = branch[depth - 1] if depth else None
    return parents


def test_the_tree_shows_every_class_below_its_base() -> None:
    parents = drawn_parents()
    assert set(parents) == set(CLASSES)
    for name, parent in parents.items():
        assert CLASSES[name].__bases__[0].__name__ == (parent or "Exception")


@pytest.mark.parametrize(
    "error",
    [
        ApiThrottledError("SubmitJob", "RequestLimitExceeded", "slow down", "r-1"),
        CmqQueueNotFoundError("SendMessage", 4440, 10100, "queue is not existed", "jobs", None),
    ],
)
def test_an_error_of_the_cloud_survives_a_process_boundary(error: ApiError | CmqError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


COPIES = [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy]


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES.values() if issubclass(kind, JobError) and kind is not BatchJobsFailedError]
)
@pytest.mark.parametrize("copied", COPIES)
def test_the_facts_of_a_failure_survive_a_process_boundary(kind: type[JobError], copied: Any) -> None:
    facts = Failure("job-1", "FAILED", "exit_code", "main", 3, 2, "out", "err").to_dict()
    error = kind("what happened", **facts)
    again = copied(error)
    assert (type(again), str(again), vars(again)) == (kind, "what happened", facts)
    assert vars(kind("what happened")) == {**dict.fromkeys(facts), "cause": "unknown", "stdout": "", "stderr": ""}


@pytest.mark.parametrize("copied", COPIES)
def test_the_failures_of_many_jobs_survive_a_process_boundary(copied: Any) -> None:
    failed = {"index": 7, "job_id": "job-1", "state": "FAILED", "cause": "signal", "exit_code": 137, "reason": "killed"}
    error = BatchJobsFailedError("what happened", summary={"causes": {"signal": 1}, "failed": [failed]})
    again = copied(error)
    assert (type(again), str(again), vars(again)) == (BatchJobsFailedError, "what happened", vars(error))
    assert (again.causes, again.failures, again.job_id, again.cause) == ({"signal": 1}, [failed], "job-1", "signal")


HOSTILE = "\x1b]52;c;ZXZpbA==\x07\r\n2026-01-01 [info] all is well \u202e::group::\ud800"


@pytest.mark.parametrize("kind", [kind for kind in CLASSES.values() if not issubclass(kind, (ApiError, CmqError))])
def test_the_text_of_an_error_is_one_printable_line(kind) -> None:
    text = str(kind(f"job {HOSTILE} has failed"))
    assert text == printable(text)
    assert text.startswith(r"job \x1b]52;c;ZXZpbA==\x07\r\n2026")
    assert len(str(kind("x" * 1_000_000))) < 10_000


@pytest.mark.parametrize(
    "error",
    [
        ApiError("SubmitJob", HOSTILE, HOSTILE, HOSTILE),
        CmqError("SendMessage", 4000, None, HOSTILE, HOSTILE, HOSTILE),
        ApiError("SubmitJob", "A" * 10_000, "B" * 1_000_000, "C" * 10_000),
        CmqError("SendMessage", 4440, 10100, "B" * 1_000_000, "D" * 10_000, "C" * 10_000),
    ],
    ids=["hostile, API", "hostile, CMQ", "long, API", "long, CMQ"],
)
def test_what_answers_in_the_clouds_place_is_shown_as_one_line(error: ApiError | CmqError) -> None:
    text = str(error)
    assert text == printable(text)
    assert len(text) < 4_000
    assert (error.message, error.request_id) == (printable(error.message), printable(error.request_id))
    assert str(pickle.loads(pickle.dumps(error))) == text
