# SPDX-License-Identifier: Apache-2.0
"""What a job has written: of the instances that there are, and none hides another."""

from __future__ import annotations

from time import monotonic, sleep

import pytest

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import ApiNotFoundError, TransportError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.jobs.output import explain, read_output
from airflow_batch_events.text import printable

ENV = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}


@pytest.fixture
def hook(cloud):
    return BatchHook()


def task(name="main", script="stdout='what it printed'", instances=1):
    application = {"DeliveryForm": "LOCAL", "Command": f"scripted: {script}"}
    return {"TaskName": name, "TaskInstanceNum": instances, "Application": application, "ComputeEnv": ENV}


def run_job(hook, *tasks):
    job_id = hook.submit_job({"JobName": "j", "Tasks": list(tasks)}, {"Zone": "ap-guangzhou-6"})
    ends = monotonic() + 20
    while hook.get_job_state(job_id) not in ("SUCCEED", "FAILED"):
        assert monotonic() < ends
        sleep(0.02)
    return job_id


def shown_instances(lines):
    return [line.removesuffix(", end of stdout:") for line in lines if line.startswith("task ")]


@pytest.mark.parametrize(("instances", "shown"), [(1, 1), (3, 3), (5, 5), (6, 5)])
def test_the_output_of_the_instances_that_there_are_is_shown(hook, instances, shown):
    lines = hook.read_output(run_job(hook, task(instances=instances)))
    assert shown_instances(lines) == [f"task 'main' instance {index}" for index in range(shown)]
    assert lines.count("    what it printed") == shown


def test_only_tasks_that_wrote_something_are_shown(hook):
    job_id = run_job(hook, task("first"), task("silent", "stdout=''"), task("third", instances=2))
    assert shown_instances(hook.read_output(job_id)) == [
        "task 'first' instance 0",
        "task 'third' instance 0",
        "task 'third' instance 1",
    ]


def test_output_is_shown_line_by_line_and_printable(hook):
    script = "stdout='one\r\x1b[2Ktwo\n::group::all is well\tquite\n배치 완료 ✅' stderr='\x1b]0;title\x07'"
    lines = hook.read_output(run_job(hook, task(script=script)))
    assert lines == [printable(line) for line in lines]
    assert lines == [
        "task 'main' instance 0, end of stdout:",
        "    one",
        r"    \x1b[2Ktwo",
        r"    :\x3agroup::all is well    quite",
        "    배치 완료 ✅",
        "task 'main' instance 0, end of stderr:",
        r"    \x1b]0;title\x07",
    ]


def test_long_output_is_cut_with_a_mark(hook):
    job_id = run_job(hook, task(script="stdout='" + "line\n" * 300 + "'"))
    lines = hook.read_output(job_id)
    assert (len(lines), lines[-1]) == (201, "...")


def refusing(hook, refuse, error):
    def send(request):
        if refuse(request):
            raise error
        return hook.send(request)

    return send


@pytest.mark.parametrize("error", [ApiNotFoundError("DescribeTaskLogs", "ResourceNotFound.TaskInstance", "no log")])
def test_one_instance_s_refusal_does_not_hide_the_others(hook, error):
    send = refusing(hook, lambda request: 1 in request.params.get("TaskInstanceIndexes", ()), error)
    lines = read_output(send, run_job(hook, task(instances=3)))
    assert shown_instances(lines) == ["task 'main' instance 0", "task 'main' instance 2"]


def test_a_refusal_of_one_task_does_not_hide_the_others(hook):
    error = ApiNotFoundError("DescribeTask", "ResourceNotFound.Task", "no such task")
    send = refusing(hook, lambda request: request.params.get("TaskName") == "first", error)
    lines = read_output(send, run_job(hook, task("first"), task("second")))
    assert shown_instances(lines) == ["task 'second' instance 0"]


def test_an_outage_ends_the_reading_and_keeps_what_was_read(hook):
    asked = []

    def is_away(request):
        asked.append(request.params.get("TaskName"))
        return asked[-1] == "second"

    job_id = run_job(hook, task("first"), task("second"), task("third"))
    lines = read_output(refusing(hook, is_away, TransportError("no answer")), job_id)
    assert shown_instances(lines) == ["task 'first' instance 0"]
    assert "third" not in asked


@pytest.mark.parametrize(
    "error", [TransportError("no answer"), ApiNotFoundError("DescribeTaskLogs", "ResourceNotFound.TaskInstance", "-")]
)
def test_a_failed_job_is_explained_without_its_output(hook, error):
    job_id = run_job(hook, task(script="outcome=failed exit_code=3 stderr='lost'"))
    send = refusing(hook, lambda request: request.action == "DescribeTaskLogs", error)
    diagnosis = explain(send, Outcome(job_id, "FAILED", succeeded=False))
    assert "task 'main' instance 0: exit code 3" in diagnosis.summary


def test_a_failed_job_s_output_is_printable_in_the_diagnosis(hook):
    script = "outcome=failed exit_code=3 stderr='boom\r\x1b[2Kall is well\u202e' stdout='\x9b31m::endgroup::'"
    diagnosis = hook.explain(Outcome(run_job(hook, task(script=script)), "FAILED", succeeded=False))
    for line in (str(diagnosis), *diagnosis.detail):
        assert line == printable(line)
    assert r"(\x1b[2Kall is well\u202e)" in diagnosis.summary
    assert "    boom" in diagnosis.detail
    assert r"    \x9b31m:\x3aendgroup::" in diagnosis.detail
