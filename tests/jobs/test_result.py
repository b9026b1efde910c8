# SPDX-License-Identifier: Apache-2.0
"""The value that a job leaves behind: read, refused, or not to be read, which are never the same."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from support.small_cos import running_cos

from airflow_batch_events.events.outcomes.job_result import MAX_RESULT
from airflow_batch_events.exceptions import ApiNotFoundError, BatchJobResultError, CosError, TransportError
from airflow_batch_events.jobs.result import PAUSES, read_result
from airflow_batch_events.protocol.credentials.access import CloudAccess

BUCKET = "results-1250000000"
PATH = f"cos://{BUCKET}/${{BATCH_JOB_ID}}.json"
ALL = range(len(PAUSES) + 1)


class Api:
    """A job with one task, whose output comes with a later read."""

    def __init__(self, *stdouts, error=None):
        self.stdouts = list(stdouts)
        self.error = error
        self.pauses = []

    def send(self, request):
        if request.action == "DescribeJob":
            return SimpleNamespace(tasks=[SimpleNamespace(name="main")])
        assert (request.action, request.params["TaskInstanceIndexes"]) == ("DescribeTaskLogs", [0])
        if self.error is not None:
            raise self.error
        stdout = self.stdouts.pop(0) if len(self.stdouts) > 1 else self.stdouts[0]
        return [SimpleNamespace(index=1, stdout="9"), SimpleNamespace(index=0, stdout=stdout)]

    def read(self):
        return read_result(self.send, lambda: None, "job-1", sleep=self.pauses.append)


def test_the_last_line_is_the_value():
    assert Api('step 1\n{"rows": 7}\n').read() == {"rows": 7}


def test_an_output_that_comes_late_is_waited_for():
    api = Api("", "\n", "7\n")
    assert api.read() == 7
    assert api.pauses == list(PAUSES[:2])


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        ("", "task 'main' instance 0 is no result: nothing stands there"),
        ("done\n", r"it is no JSON: Expecting value at character 1 \(it is 'done'\)"),
        ("\x1b[31m{\n", r"\(it is '.*x1b\[31m\{'\)"),
        ("1" * 3000, "longer than the 2048 bytes"),
    ],
)
def test_an_output_without_a_value_is_the_job_s_fault(stdout, why):
    with pytest.raises(BatchJobResultError, match=rf"Batch job job-1 succeeded, but the last line .*{why}") as failed:
        Api(stdout).read()
    assert (failed.value.job_id, failed.value.state) == ("job-1", "SUCCEED")


def test_what_is_gone_is_no_result_and_what_is_not_read_is_another_error():
    with pytest.raises(BatchJobResultError, match="cannot be read any more"):
        Api("1", error=ApiNotFoundError("DescribeTaskLogs", "ResourceNotFound.Job", "gone")).read()
    with pytest.raises(TransportError):
        Api("1", error=TransportError("no answer")).read()


@pytest.fixture
def cos():
    with running_cos() as cos:
        cos.objects[BUCKET, "other"] = b""
        yield cos


def from_cos(cos, content=None):
    (secret_id, secret_key), *_ = cos.secrets.items()
    access = CloudAccess(secret_id, secret_key, "ap-guangzhou", cos_endpoint=cos.endpoint)
    if content is not None:
        cos.objects[BUCKET, "job-1.json"] = content
    return read_result(Api("").send, lambda: access, "job-1", PATH)


def test_an_object_is_the_value(cos):
    value = {"각": ["a" * 3000, 1.5, None]}
    assert from_cos(cos, json.dumps(value).encode()) == value
    assert from_cos(cos, b" " * (MAX_RESULT - 1) + b"1") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such object"),
        (b"", "it is no JSON"),
        (b" " * MAX_RESULT + b"1", f"it has more than {MAX_RESULT} bytes"),
        (b"PK\x03\x04\xff", "it is no JSON"),
    ],
    ids=["missing", "empty", "large", "binary"],
)
def test_an_object_without_a_value_is_the_job_s_fault(cos, content, why):
    expected = rf"job-1 succeeded, but cos://{BUCKET}/job-1.json is no result: {why}"
    with pytest.raises(BatchJobResultError, match=expected):
        from_cos(cos, content)


def test_an_object_that_may_not_be_read_is_another_error(cos):
    cos.forbidden = True
    with pytest.raises(CosError, match="AccessDenied"):
        from_cos(cos, b"1")
