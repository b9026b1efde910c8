# SPDX-License-Identifier: Apache-2.0
"""What a task shows of its jobs' output, and the values that it returns in place of outcomes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import structlog.testing
from airflow.sdk import DAG
from support.emulator_helpers import PLACEMENT, address_of
from support.small_cos import running_cos
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import (
    BatchJobFailedError,
    BatchJobResultError,
    ConfigurationError,
    CosError,
    ParameterError,
    TransportError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.protocol import cos as cos_module
from airflow_batch_events.sensors.batch import BatchJobSensor
from tencent_batch_emulator.faults.rules import Fault

BUCKET = "results-1250000000"
WAYS = {"deferred": {"deferrable": True, "queue_name": "waits"}, "blocking": {"deferrable": False}}
EACH_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
numbers = itertools.count(1)


def job(script: str = "stdout=7", **task: Any) -> dict[str, Any]:
    env = {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}}
    application = {"DeliveryForm": "LOCAL", "Command": f"scripted: {script}"}
    return {"JobName": "j", "Tasks": [{"TaskName": "main", "Application": application, "ComputeEnv": env, **task}]}


def submit(**settings: Any) -> TaskRunner:
    # Each task is one of its own, because client tokens are remembered by the cloud.
    given = {"job": job(), "placement": PLACEMENT, "topic_name": "events", "poll_interval": 0.1, **settings}
    runner = TaskRunner(lambda: BatchSubmitJobOperator(task_id="t", **given))
    number = next(numbers)
    context = runner.context

    def in_own_run() -> Any:
        runner.ti.run_id = f"output-{number}"
        return context()

    runner.context = in_own_run  # type: ignore[method-assign]
    return runner


def sense(job_id: Any, **settings: Any) -> TaskRunner:
    given = {"poke_interval": 0.1, "timeout": 30, **settings}
    return TaskRunner(lambda: BatchJobSensor(task_id="t", job_id=job_id, **given))


def job_count(cloud: Any) -> int:
    return cloud.call(lambda emulator: len(emulator.batch.job_rows(limit=10_000)))


@EACH_WAY
def test_the_last_line_of_the_output_is_the_task_s_value(cloud: Any, way: dict[str, Any]) -> None:
    script = """stdout='step 1\n{"rows": 7, "parts": ["a", "b"]}\n'"""
    task = submit(job=job(script, TaskInstanceNum=3), result="stdout-json", **way)
    assert task.run() == {"rows": 7, "parts": ["a", "b"]}
    assert task.ti.xcoms["batch_outcome"]["state"] == "SUCCEED"


@pytest.mark.parametrize("way", [*WAYS.values(), {"mode": "reschedule"}], ids=[*WAYS, "reschedule"])
def test_a_sensor_returns_the_values_of_its_jobs_in_their_order(cloud: Any, way: dict[str, Any]) -> None:
    jobs = [BatchHook().submit_job(job(f"stdout={number}"), PLACEMENT) for number in (1, 2, 3)]
    assert sense(jobs, result="stdout-json", **way).run() == [1, 2, 3]
    assert sense(jobs[1], result="stdout-json", **way).run() == 2


@pytest.fixture
def cos(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A COS beside the emulated cloud, which takes the same key."""
    connection: dict[str, Any] = address_of(cloud).connection()
    with running_cos({connection["login"]: connection["password"]}) as cos:
        connection["extra"] = {**connection["extra"], "cos_endpoint": cos.endpoint}
        monkeypatch.setenv("AIRFLOW_CONN_TENCENTCLOUD_DEFAULT", json.dumps(connection))
        cos.objects[BUCKET, "shared.json"] = b'{"of": "all"}'
        yield cos


@EACH_WAY
def test_an_object_in_cos_is_the_task_s_value(cos: Any, way: dict[str, Any]) -> None:
    task = submit(result_path=f"cos://{BUCKET}/shared.json", **way)
    assert task.run() == {"of": "all"}


def test_each_job_of_a_list_has_an_object_of_its_own(cos: Any) -> None:
    jobs = [BatchHook().submit_job(job(), PLACEMENT) for _ in range(2)]
    for number, job_id in enumerate(jobs):
        cos.objects[BUCKET, f"{job_id}.json"] = str(number).encode()
    assert sense(jobs, result_path=f"cos://{BUCKET}/${{BATCH_JOB_ID}}.json").run() == [0, 1]
    with pytest.raises(ParameterError, match=r"2 jobs cannot share one result_path: put \$\{BATCH_JOB_ID\}"):
        sense(jobs, result_path=f"cos://{BUCKET}/shared.json").run()


def test_after_a_value_that_is_none_a_retry_runs_the_job_again(cloud: Any) -> None:
    task = submit(job=job("stdout=done"), result="stdout-json", on_finish_action="delete_succeeded")
    before = job_count(cloud)
    with pytest.raises(BatchJobResultError, match="is no result"):
        task.run()
    # The job is kept, so that somebody can look at it.
    assert job_count(cloud) == before + 1
    with pytest.raises(BatchJobResultError):
        task.run()
    assert job_count(cloud) == before + 2


def test_after_a_value_that_was_not_read_a_retry_reads_it(cos: Any, cloud: Any) -> None:
    task = submit(result_path=f"cos://{BUCKET}/shared.json", on_finish_action="delete_succeeded")
    cos.forbidden = True
    before = job_count(cloud)
    with pytest.raises(CosError):
        task.run()
    cos.forbidden = False
    assert task.run() == {"of": "all"}
    assert job_count(cloud) == before


def test_a_value_that_airflow_cannot_store_is_none(cloud: Any) -> None:
    with pytest.raises(BatchJobResultError, match="Airflow cannot store it, it has more than 32 levels"):
        submit(job=job("stdout=" + "[" * 40 + "]" * 40), result="stdout-json").run()


def test_a_failed_job_has_no_value(cloud: Any) -> None:
    with pytest.raises(BatchJobFailedError):
        submit(job=job("outcome=failed stdout=7"), result="stdout-json").run()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"result": "stdout"}, "result is 'stdout', must be 'stdout-json'"),
        ({"result": "stdout-json", "result_path": f"cos://{BUCKET}/a"}, "both set"),
        ({"result": "stdout-json", "wait_for_completion": False}, "without waiting"),
        ({"result": "stdout-json", "end_from_trigger": True}, "result need a worker"),
        ({"log_output": "sometimes"}, "log_output is 'sometimes'"),
    ],
)
def test_what_cannot_be_returned_is_refused_while_the_dag_is_parsed(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        submit(**settings).make()


def test_a_sensor_for_which_failure_is_a_value_has_no_result() -> None:
    with pytest.raises(ParameterError, match="a job that failed has no result"):
        sense("job-1", raise_on_failure=False, result="stdout-json").make()


@pytest.mark.parametrize("path", ["s3://bucket/a", "{{ nothing }}"])
def test_a_path_that_is_none_is_refused_before_the_job_is_submitted(cloud: Any, path: str) -> None:
    before = job_count(cloud)
    with pytest.raises(ParameterError, match="result_path"):
        submit(result_path=path).run()
    assert job_count(cloud) == before


def test_a_missing_client_is_noticed_before_the_job_is_submitted(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cos_module, "find_spec", lambda name: None)
    before = job_count(cloud)
    with pytest.raises(ConfigurationError, match="pip install"):
        submit(result_path=f"cos://{BUCKET}/a").run()
    assert job_count(cloud) == before


def test_results_of_too_many_jobs_are_refused() -> None:
    with pytest.raises(ParameterError, match="results of 101 jobs"):
        sense([f"job-{number}" for number in range(101)], result="stdout-json").run()


def test_a_task_with_a_result_ends_on_a_worker(cloud: Any) -> None:
    task = submit(result="stdout-json", **WAYS["deferred"])
    task.run()
    assert task.deferrals[0].trigger.end is None


def test_a_value_that_cannot_be_read_now_is_the_api_s_error(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: BatchHook, job_id: str, path: str | None = None) -> Any:
        raise TransportError("no answer")

    monkeypatch.setattr(BatchHook, "read_result", read)
    with pytest.raises(TransportError):
        submit(result="stdout-json").run()


def said(logs: Any) -> list[str]:
    """Return the lines that are shown of output, in a log that was captured."""
    lines = [str(line["event"]) % tuple(line.get("positional_args", ())) for line in logs]
    return [line for line in lines if line.startswith(("task ", "    "))]


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_READ", "READ_EVERY"):
        monkeypatch.setattr(f"airflow_batch_events.dispatch.loops.output_loop.{name}", 0.1)


LIVE_WAYS = {**WAYS, "poke": {"poke_interval": 0.1}}


@pytest.mark.usefixtures("_often")
@pytest.mark.parametrize("way", ["deferred", "blocking", "poke"])
def test_output_is_shown_while_the_task_waits_and_its_last_line_at_the_end(cloud: Any, way: str) -> None:
    script = "stdout='one\nlast, without an end' duration=1.5"
    with structlog.testing.capture_logs() as logs:
        if way == "poke":
            sense(BatchHook().submit_job(job(script), PLACEMENT), log_output="live", **LIVE_WAYS[way]).run()
        else:
            submit(job=job(script), log_output="live", **LIVE_WAYS[way]).run()
    header = "task 'main' instance 0, new on stdout:"
    assert said(logs) == [header, "    one", header, "    last, without an end"]


@pytest.mark.usefixtures("_often")
def test_what_cannot_be_shown_costs_a_wait_nothing(cloud: Any) -> None:
    cloud.add_fault(Fault(effect="error", action="DescribeTaskLogs", code="InternalError"))
    task = submit(job=job("stdout=one duration=1"), log_output="live", **WAYS["deferred"])
    assert task.run()["state"] == "SUCCEED"


def test_a_task_that_shows_output_ends_on_a_worker(cloud: Any) -> None:
    task = submit(log_output="live", **WAYS["deferred"])
    task.run()
    trigger = task.deferrals[0].trigger
    assert (trigger.live, trigger.end) == (True, None)
    with pytest.raises(ValueError, match="log_output need a worker"):
        submit(log_output="live", end_from_trigger=True).make()


@pytest.mark.needs("HAS_START_FROM_TRIGGER")
def test_a_wait_that_begins_in_the_triggerer_ends_on_a_worker_for_its_value() -> None:
    settings: dict[str, Any] = {"deferrable": True, "queue_name": "waits", "log_output": "live"}
    with DAG(f"values-{next(numbers)}", schedule=None):
        one = BatchJobSensor(task_id="one", job_id="job-1", start_from_trigger=True, result="stdout-json", **settings)
        jobs = BatchSubmitJobOperator.partial(
            task_id="submit", job=job(), topic_name="events", wait_for_completion=False
        ).expand(placement=[PLACEMENT, PLACEMENT])
        each = BatchJobSensor.for_each(jobs, task_id="each", result="stdout-json", **settings)
    for sensor in (one, each):
        kwargs = sensor.start_trigger_args.trigger_kwargs
        assert kwargs is not None
        assert (kwargs["end"], kwargs["live"]) == (None, True)
