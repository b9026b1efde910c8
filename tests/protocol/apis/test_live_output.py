# SPDX-License-Identifier: Apache-2.0
"""The output of jobs as a task's log shows it: which calls it takes, and what is told once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_batch_events.exceptions import ApiNotFoundError, TransportError
from airflow_batch_events.protocol.apis.live_output import FOLLOWED_JOBS, MAX_LINES, LiveOutput, follow_blocking


class Api:
    """Jobs by id; a job is its tasks' states and outputs by instance."""

    def __init__(self, **tasks):
        self.jobs = {"job-1": {name: SimpleNamespace(state="RUNNING", out=out) for name, out in tasks.items()}}
        self.calls = []
        self.error = None

    def send(self, request):
        self.calls.append(request.action)
        job_id = request.params["JobId"]
        if self.error is not None:
            raise self.error
        if job_id not in self.jobs:
            raise ApiNotFoundError(request.action, "ResourceNotFound.Job", "no")
        job = self.jobs[job_id]
        if request.action == "DescribeJob":
            return SimpleNamespace(tasks=[SimpleNamespace(name=name, state=task.state) for name, task in job.items()])
        assert (request.params["Offset"], request.params["Limit"]) == (0, 10)
        outputs = job[request.params["TaskName"]].out
        logs = [
            SimpleNamespace(index=index, stdout=output, stderr="".join(f"! {line}\n" for line in output.split()[:1]))
            for index, output in enumerate(outputs[:10])
        ]
        return SimpleNamespace(total_count=len(outputs), logs=logs)


class Follower:
    def __init__(self, api, *job_ids, told=None):
        self.api = api
        self.lines = []
        self.output = LiveOutput(job_ids or ["job-1"], self.lines.append, told)

    def read(self, **settings):
        """Return the lines and the calls of one read."""
        self.lines.clear()
        self.api.calls.clear()
        follow_blocking(self.output.read(**settings), self.api.send)
        return list(self.lines)


def test_new_lines_of_each_stream_are_shown_below_its_name():
    api = Api(main=["one\n", "other\n"])
    follower = Follower(api)
    assert follower.read() == [
        "task 'main' instance 0, new on stdout:",
        "    one",
        "task 'main' instance 0, new on stderr:",
        "    ! one",
        "task 'main' instance 1, new on stdout:",
        "    other",
        "task 'main' instance 1, new on stderr:",
        "    ! other",
    ]
    api.jobs["job-1"]["main"].out[1] = "other\nmore\nhalf"
    assert follower.read() == ["task 'main' instance 1, new on stdout:", "    more"]
    assert follower.read(is_over=True) == ["task 'main' instance 1, new on stdout:", "    half"]
    assert follower.read(is_over=True) == []


def test_a_job_of_one_task_takes_one_call_a_read_once_it_runs():
    api = Api(main=["x\n"] * 10)
    api.jobs["job-1"]["main"].state = "RUNNABLE"
    follower = Follower(api)
    calls = []
    for state in ("RUNNABLE", "RUNNING", "RUNNING"):
        api.jobs["job-1"]["main"].state = state
        follower.read()
        calls.append(list(api.calls))
    assert calls == [["DescribeJob"], ["DescribeJob", "DescribeTaskLogs"], ["DescribeTaskLogs"]]


def test_a_task_that_has_ended_is_read_to_its_end_and_not_again():
    api = Api(first=["a"], second=["b\n"])
    api.jobs["job-1"]["first"].state = "SUCCEED"
    follower = Follower(api)
    assert "    a" in follower.read()
    follower.read()
    assert api.calls == ["DescribeJob", "DescribeTaskLogs"]


def test_what_a_line_of_output_holds_cannot_forge_a_log():
    api = Api(main=["\x1b[2Kall is well ::endgroup::\n"])
    assert Follower(api).read()[1] == r"    \x1b[2Kall is well :\x3aendgroup::"


def test_of_many_instances_and_jobs_the_first_are_shown_and_that_is_said_once():
    api = Api(main=["x\n"] * 12)
    job_ids = [f"job-{number}" for number in range(1, FOLLOWED_JOBS + 2)]
    follower = Follower(api, *job_ids)
    lines = follower.read()
    assert lines[0] == f"Of {FOLLOWED_JOBS + 1} jobs the output of the first {FOLLOWED_JOBS} is shown"
    assert lines[1] == "Of 12 instances of task 'main' of job job-1 the output of the first 10 is shown"
    assert lines[2] == "job job-1, task 'main' instance 0, new on stdout:"
    assert follower.read() == []
    assert api.calls == ["DescribeTaskLogs", *["DescribeJob"] * (FOLLOWED_JOBS - 1)]


def test_what_cannot_be_read_is_told_once_and_read_later():
    api = Api(main=["one\n"])
    follower = Follower(api)
    api.error = TransportError("no answer")
    assert follower.read() == ["Cannot read the output of job job-1, will try again: no answer"]
    assert follower.read() == []
    api.error = None
    assert "    one" in follower.read()


def test_no_more_lines_are_shown_than_a_log_bears():
    api = Api(main=[""])
    follower = Follower(api)
    shown = 0
    for number in range(MAX_LINES):
        api.jobs["job-1"]["main"].out = ["".join(f"{number}\n" for _ in range(100))]
        lines = follower.read()
        shown += sum(line.startswith("    ") for line in lines)
        if follower.output.is_full:
            break
    assert shown == MAX_LINES
    assert lines[-1] == f"No more output is shown: {MAX_LINES} lines are"


def test_another_process_goes_on_where_one_has_stopped():
    api = Api(main=["one\n"])
    first = Follower(api)
    first.read()
    api.jobs["job-1"]["main"].out = ["one\ntwo\n"]
    second = Follower(api, told=[list(map(list_or_value, item)) for item in first.output.told])
    assert second.read(is_over=True) == ["task 'main' instance 0, new on stdout:", "    two"]


def list_or_value(value):
    """Return what is left of a value after it was stored."""
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    "told", [None, 7, "x", [7], [["job-1", "main", 0]], [["job-1", "main", "0", [1, 2], None]], [[1, 2, 3, 4, 5]]]
)
def test_what_nobody_has_told_is_told_whatever_was_handed_over(told):
    assert "    one" in Follower(Api(main=["one\n"]), told=told).read()


def test_a_read_stops_when_there_is_no_time_left():
    api = Api(first=["a\n"], second=["b\n"])
    follower = Follower(api)
    left = [True, True, False]
    assert not follow_blocking(follower.output.read(), api.send, lambda: left.pop(0))
    assert api.calls == ["DescribeJob", "DescribeTaskLogs"]
