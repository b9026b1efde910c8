# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import datetime
import itertools
from typing import Any

import pytest
from airflow.sdk import DAG
from support.airflow_names import TaskDeferred
from support.tasks import StateStore, TaskInstance, first_event

from airflow_batch_events.decorators.batch import BatchJobDecoratedOperator, batch_job_task, batch_jobs_task
from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.exceptions import BatchJobFailedError, ParameterError, SubmissionChangedError
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

PLACEMENT = {"Zone": "ap-guangzhou-6"}
SERVER = {"image": "img-eb30mz89", "instance_type": "S5.MEDIUM2"}
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
runs = itertools.count(1)


@pytest.fixture
def dag(cloud):
    with DAG(dag_id="decorated", schedule=None, start_date=START, catchup=False) as dag:
        yield dag


@pytest.fixture
def context(dag):
    """Every test is a run of its own, because client tokens are remembered by the cloud."""
    ti = TaskInstance()
    ti.run_id = f"decorated-{next(runs)}"
    return {"ti": ti, "task_instance": ti, "dag": dag, "run_id": ti.run_id, "task_state_store": StateStore()}


def echo(name: str = "echo", command: str = "scripted: outcome=succeed") -> dict[str, Any]:
    return build_job(name, command, **SERVER)


def submitted(cloud):
    return cloud.call(lambda emulator: emulator.batch.job_rows(limit=1)[0])


def run(task, context):
    """Render and execute as the task runner does."""
    task.render_template_fields(context)
    return task.execute(context)


def test_the_function_s_job_is_submitted_and_waited_for(cloud, context):
    task = batch_job_task(echo, placement=PLACEMENT, poll_interval=0.1)("by hand").operator
    outcome = run(task, context)
    assert outcome["state"] == "SUCCEED"
    assert context["ti"].xcoms["job_id"] == outcome["job_id"]
    assert submitted(cloud)["JobName"] == "by hand"


def test_the_task_takes_the_operator_s_parameters(dag):
    @batch_job_task(placement=PLACEMENT, topic_name="events", queue_name="waits", deferrable=True, retries=3)
    def render_frames():
        return echo()

    task = render_frames().operator
    assert isinstance(task, BatchSubmitJobOperator)
    assert (task.task_id, task.queue_name, task.deferrable, task.retries) == ("render_frames", "waits", True, 3)
    assert task.custom_operator_name == "@task.batch_job"


def test_templates_in_the_job_and_in_the_arguments_are_rendered(cloud, context):
    make = batch_job_task(echo, placement=PLACEMENT, wait_for_completion=False)
    task = make("{{ run_id }}", command="scripted: stdout={{ dag.dag_id }}").operator
    run(task, context)
    assert submitted(cloud)["JobName"] == context["run_id"]

    @batch_job_task(placement=PLACEMENT, wait_for_completion=False)
    def literal():
        return echo("of-{{ dag.dag_id }}")

    context["task_state_store"].clear()
    context["ti"].run_id += "-second"
    task = literal().operator
    run(task, context)
    assert submitted(cloud)["JobName"] == "of-decorated"
    assert task.job["JobName"] == "of-decorated"


def test_the_function_may_ask_for_parts_of_the_context(context):
    seen = []

    @batch_job_task(placement=PLACEMENT, wait_for_completion=False)
    def asks(name, run_id=None, **others):
        seen.append((name, run_id, others["dag"].dag_id))
        return echo()

    run(asks("mine").operator, context)
    assert seen == [("mine", context["run_id"], "decorated")]


def test_a_resumed_task_does_not_run_the_function(context):
    calls = []

    def counted(command: str) -> dict[str, Any]:
        calls.append(command)
        return echo(command=command)

    settings = {"placement": PLACEMENT, "topic_name": "events", "queue_name": "waits", "deferrable": True}
    task = batch_job_task(counted, **settings)("scripted: outcome=failed exit_code=3").operator
    with pytest.raises(TaskDeferred) as deferral:
        run(task, context)
    event = asyncio.run(first_event(deferral.value.trigger))
    resumed = batch_job_task(counted, **settings)("scripted: outcome=failed exit_code=3").operator
    with pytest.raises(BatchJobFailedError, match="exit code 3"):
        resumed.execute_complete(context, event)
    assert len(calls) == 1


def test_a_retry_with_another_job_submits_nothing(context):
    names = iter(["first", "second"])

    @batch_job_task(placement=PLACEMENT, wait_for_completion=False)
    def unsteady():
        return echo(next(names))

    task = unsteady().operator
    run(task, context)
    with pytest.raises(SubmissionChangedError, match="on_changed_job"):
        run(task, context)


def test_an_annotated_dictionary_is_still_one_value(dag):
    assert batch_job_task(echo, placement=PLACEMENT)().operator.multiple_outputs is False


def test_it_is_mapped_over_arguments(dag):
    mapped = batch_job_task(echo, placement=PLACEMENT, wait_for_completion=False).expand(name=["a", "b"]).operator
    assert mapped.operator_class is BatchJobDecoratedOperator
    one = mapped.unmap({"op_kwargs": {"name": "a"}, "op_args": []})
    assert one.task_id == "echo"
    assert one.op_kwargs == {"name": "a"}


def test_it_takes_what_another_task_returns(dag):
    @batch_job_task(placement=PLACEMENT)
    def upstream():
        return echo()

    @batch_job_task(placement=PLACEMENT)
    def downstream(outcome):
        return echo(outcome["job_id"])

    task = downstream(upstream()).operator
    assert task.upstream_task_ids == {"upstream"}


@pytest.mark.parametrize("result", [None, "job-12345678", [], {}, {"JobName": "x"}])
def test_a_function_that_returns_no_job_is_named(context, result):
    @batch_job_task(placement=PLACEMENT)
    def forgetful():
        return result

    with pytest.raises(TypeError, match="forgetful has to return the API's Job object"):
        run(forgetful().operator, context)


def test_a_job_is_not_taken_as_a_parameter(dag):
    with pytest.raises(TypeError, match="the decorated function returns it"):
        batch_job_task(echo, placement=PLACEMENT, job=echo())()


def test_a_job_field_rendered_to_nothing_is_an_error(context):
    with DAG("native", schedule=None, start_date=START, render_template_as_native_obj=True):
        task = BatchJobDecoratedOperator(
            task_id="t", python_callable=lambda: {**echo(), "Priority": "{{ params.none }}"}, placement={"Zone": "z"}
        )
    with pytest.raises(ParameterError, match=r"job\['Priority'\] was given, and was rendered to nothing"):
        task.execute({**context, "params": {"none": None}})


def test_a_function_may_return_many_jobs(cloud, context):
    @batch_jobs_task(placement=PLACEMENT, topic_name="events", queue_name="waits", max_active=3)
    def parts(count: int):
        return [echo(f"{{{{ run_id }}}}-{number}") for number in range(count)]

    task = parts(4).operator
    assert task.custom_operator_name == "@task.batch_jobs"
    with pytest.raises(TaskDeferred) as deferral:
        run(task, context)
    assert [job["JobName"] for job in task.jobs] == [f"{context['run_id']}-{number}" for number in range(4)]
    payload = asyncio.run(first_event(deferral.value.trigger))
    resumed = parts.override(task_id="again")(4).operator.execute_complete(context, event=payload)
    assert [outcome["state"] for outcome in resumed] == ["SUCCEED"] * 4


@pytest.mark.parametrize("returned", [None, {"Tasks": []}, "jobs"])
def test_a_function_that_returns_no_list_is_refused(cloud, context, returned):
    @batch_jobs_task(placement=PLACEMENT)
    def parts():
        return returned

    with pytest.raises(TypeError, match="parts has to return a list of the API's Job objects"):
        run(parts().operator, context)


def test_many_jobs_are_what_the_function_returns(dag):
    with pytest.raises(TypeError, match="takes no jobs"):
        batch_jobs_task(echo, placement=PLACEMENT, jobs=[])()
