# SPDX-License-Identifier: Apache-2.0
"""Rendered parameters of every operator, sensor and decorator: taken as what they mean, or refused before any call."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, BaseOperator
from support.emulator_helpers import address_of
from support.operators import JOB, PLACEMENT, public_operators, required_by
from support.tasks import StateStore, TaskInstance, TaskRunner

from airflow_batch_events.decorators.batch import BatchJobDecoratedOperator
from airflow_batch_events.exceptions import BatchEventsError, ParameterError
from airflow_batch_events.operators.batch import (
    BatchDeleteJobOperator,
    BatchRetryJobsOperator,
    BatchSubmitJobOperator,
    BatchSubmitJobsOperator,
    BatchTerminateJobOperator,
)
from airflow_batch_events.operators.branch import BatchJobBranchOperator
from airflow_batch_events.operators.cmq import CmqEnsureSubscriptionOperator
from airflow_batch_events.operators.compute_env import (
    BatchCreateComputeEnvOperator,
    BatchDeleteComputeEnvOperator,
    BatchModifyComputeEnvOperator,
)
from airflow_batch_events.sensors.batch import BatchEventSensor, BatchJobSensor
from airflow_batch_events.sensors.compute_env import BatchComputeEnvSensor

START = pendulum.datetime(2026, 1, 1)
DECORATED = {"python_callable": lambda: JOB, "op_args": (), "op_kwargs": {}, "placement": PLACEMENT}


OPERATORS = [*public_operators(), BatchJobDecoratedOperator]


def fields_of(operator: type[BaseOperator]) -> list[str]:
    # What the decorated function returns is no parameter, and neither are its own arguments.
    own = ("job", "op_args", "op_kwargs") if operator is BatchJobDecoratedOperator else ()
    return [field for field in operator.template_fields if field not in own]


EACH_FIELD = pytest.mark.parametrize(
    ("operator", "field"),
    [pytest.param(one, field, id=f"{one.__name__}-{field}") for one in OPERATORS for field in fields_of(one)],
)


def arguments_of(operator: type[BaseOperator]) -> dict[str, Any]:
    return dict(DECORATED) if operator is BatchJobDecoratedOperator else required_by(operator)


def rendered(operator: type[BaseOperator], given: dict[str, Any], params: Any, *, native: bool = False) -> BaseOperator:
    """Make a task as a DAG file does, and render it as Airflow does."""
    settings = {**arguments_of(operator), **given}
    if "event_vars" in given and operator is not BatchEventSensor:
        settings.setdefault("topic_name", "t")
    with DAG("d", schedule=None, start_date=START, render_template_as_native_obj=native):
        task = operator(task_id="t", **settings)
    task.render_template_fields({"params": params, "ti": None})
    return task


def refused(cloud: Any, task: BaseOperator) -> str:
    """Execute a task, which must be refused before anything is asked of the cloud, and return why."""
    before = cloud.count()
    with pytest.raises(ParameterError) as caught:
        task.execute({"ti": TaskInstance(), "task_state_store": StateStore()})
    assert cloud.count() == before
    assert "task 't'" in str(caught.value)
    return str(caught.value)


def test_every_template_field_has_a_reader():
    assert len(OPERATORS) >= 12
    for operator in OPERATORS:
        assert set(fields_of(operator)) <= set(operator.readers) <= set(operator.template_fields), operator


@EACH_FIELD
@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("value", [None, "", "  ", "None"], ids=repr)
def test_a_parameter_rendered_to_nothing_is_an_error(cloud, operator, field, value, native):
    task = rendered(operator, {field: "{{ params.value }}"}, {"value": value}, native=native)
    assert field in refused(cloud, task)


@EACH_FIELD
@pytest.mark.parametrize("value", [3.5, True, b"x", object()], ids=lambda value: type(value).__name__)
def test_a_parameter_of_another_type_is_refused_by_name(cloud, operator, field, value):
    class Resolved:
        """As the output of another task, which is resolved into whatever that has pushed."""

        def resolve(self, context: Any) -> Any:
            return value

    message = refused(cloud, rendered(operator, {field: Resolved()}, {}))
    assert f"{field} is" in message


@EACH_FIELD
@pytest.mark.parametrize("value", [[], {}], ids=repr)
def test_an_empty_list_or_mapping_widens_nothing(cloud, operator, field, value):
    task = rendered(operator, {field: "{{ params.value }}"}, {"value": value}, native=True)
    if operator is BatchJobSensor and field == "job_id" and value == []:
        # An upstream task may say that there are no jobs to wait for.
        assert task.execute({}) == []
    elif operator is BatchSubmitJobsOperator and field == "jobs" and value == []:
        # Nor that there are none to submit.
        assert task.execute({}) == []
    else:
        assert field in refused(cloud, task)


@pytest.mark.parametrize("value", [None, "None"])
@pytest.mark.parametrize("operator", [BatchEventSensor, BatchSubmitJobOperator])
def test_an_event_var_rendered_to_nothing_is_an_error(cloud, operator, value):
    given = {
        "event_vars": {"shard": "{{ params.shard }}"},
        **({"topic_name": "t"} if operator is not BatchEventSensor else {}),
    }
    assert "event_vars['shard']" in refused(cloud, rendered(operator, given, {"shard": value}))


def test_a_literal_none_is_not_given(cloud):
    task = rendered(BatchEventSensor, {"job_id": None, "region": None, "event_vars": None}, {})
    task.read_parameters()
    assert (task.job_id, task.region, task.event_vars) == (None, None, None)


def test_no_jobs_to_wait_for_are_no_error(cloud):
    for value in ([], "[]"):
        task = rendered(BatchJobSensor, {"job_id": "{{ params.value }}"}, {"value": value})
        assert task.execute({}) == []


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [
        ("job_id", ["job-1", "job-2"], ["job-1", "job-2"]),
        ("job_id", {"job_id": "job-1", "state": "SUCCEED"}, "job-1"),
        ("event_vars", {"shard": 7, "day": "x"}, {"shard": "7", "day": "x"}),
        ("job_name", "nightly-*", "nightly-*"),
        ("env_id", "env-12345678", "env-12345678"),
    ],
)
@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
def test_a_whole_field_is_taken_for_what_its_text_spells(field, value, taken, native):
    task = rendered(BatchEventSensor, {field: "{{ params.value }}"}, {"value": value}, native=native)
    task.read_parameters()
    assert getattr(task, field) == taken


def test_a_description_is_brought_to_the_types_of_the_api():
    params = {"job": {**JOB, "JobName": 20260101, "Priority": "7"}}
    for native in (False, True):
        task = rendered(BatchSubmitJobOperator, {"job": "{{ params.job }}"}, params, native=native)
        task.read_parameters()
        assert (task.job["JobName"], task.job["Priority"]) == ("20260101", 7)


def test_numbers_of_nodes_may_be_text():
    task = rendered(BatchComputeEnvSensor, {"nodes": "{{ params.n }}", "max_failed_nodes": "1"}, {"n": 3})
    task.read_parameters()
    assert (task.nodes, task.max_failed_nodes) == (3, 1)
    task = rendered(BatchModifyComputeEnvOperator, {"instance_types": "{{ params.types }}"}, {"types": ["A", "B"]})
    task.read_parameters()
    assert task.instance_types == ["A", "B"]


DURATIONS = [
    (BatchSubmitJobOperator, "start_timeout"),
    (BatchSubmitJobOperator, "poll_interval"),
    (BatchSubmitJobOperator, "reconcile_interval"),
    (BatchJobBranchOperator, "poll_interval"),
    (BatchJobBranchOperator, "reconcile_interval"),
    (BatchRetryJobsOperator, "poll_interval"),
    (BatchRetryJobsOperator, "reconcile_interval"),
    (BatchTerminateJobOperator, "timeout"),
    (BatchCreateComputeEnvOperator, "poll_interval"),
    (BatchModifyComputeEnvOperator, "poll_interval"),
    (BatchDeleteComputeEnvOperator, "poll_interval"),
    (BatchDeleteComputeEnvOperator, "timeout"),
    (CmqEnsureSubscriptionOperator, "visibility_timeout"),
    (BatchJobSensor, "reconcile_interval"),
    *(
        (sensor, name)
        for sensor in (BatchJobSensor, BatchEventSensor, BatchComputeEnvSensor)
        for name in ("poke_interval", "timeout")
    ),
]


@pytest.mark.parametrize(("operator", "name"), DURATIONS, ids=lambda item: getattr(item, "__name__", item))
def test_a_duration_is_checked_where_the_dag_is_written(operator, name):
    for value in (90, 90.0, "90", "90.0", timedelta(minutes=1.5)):
        assert getattr(operator(task_id="t", **{**arguments_of(operator), name: value}), name) == 90
    for value in ("soon", float("nan"), float("inf"), -1, True, [1], "{{ params.n }}", timedelta(days=-1), 1e12):
        with pytest.raises(ParameterError, match=rf"task 't': {name} is"):
            operator(task_id="t", **{**arguments_of(operator), name: value})


@pytest.mark.parametrize("sensor", [BatchJobSensor, BatchEventSensor, BatchComputeEnvSensor])
def test_a_duration_in_default_args_is_checked(sensor):
    with DAG("d", schedule=None, start_date=START, default_args={"timeout": "90", "poke_interval": "5"}):
        task = sensor(task_id="t", **required_by(sensor))
    assert (task.timeout, task.poke_interval) == (90, 5)
    dag = DAG("d", schedule=None, start_date=START, default_args={"timeout": "soon"})
    with dag, pytest.raises(ParameterError, match="timeout is 'soon'"):
        sensor(task_id="t", **required_by(sensor))


@pytest.mark.parametrize(
    ("operator", "name", "least"),
    [
        (BatchEventSensor, "count", 1),
        (BatchCreateComputeEnvOperator, "max_failed_nodes", 0),
        (BatchModifyComputeEnvOperator, "max_failed_nodes", 0),
        (BatchComputeEnvSensor, "max_failed_nodes", 0),
    ],
)
def test_a_count_is_checked_where_the_dag_is_written(operator, name, least):
    for value in (2, "2", 2.0):
        assert getattr(operator(task_id="t", **{**arguments_of(operator), name: value}), name) == 2
    for value in ("two", 2.5, True, least - 1, "{{ params.n }}"):
        with pytest.raises(ParameterError, match=f"task 't': {name} is"):
            operator(task_id="t", **{**arguments_of(operator), name: value})


EVENTS = [
    (BatchEventSensor, {}),
    (BatchSubmitJobOperator, {"topic_name": "t"}),
    (BatchCreateComputeEnvOperator, {"topic_name": "t"}),
]


@pytest.mark.parametrize(("operator", "more"), EVENTS, ids=lambda item: getattr(item, "__name__", ""))
def test_events_may_be_one_name_or_a_set(operator, more):
    def made(events: Any) -> Any:
        return operator(task_id="t", **arguments_of(operator) | more, events=events).events

    one, two = "COMPUTE_NODE_RUNNING", "COMPUTE_NODE_ABNORMAL"
    for events in (one, [one], (one,), {one}, f'["{one}"]', "ComputeNodeRunning"):
        assert made(events) == [one]
    assert made({one, two}) == made({two, one})
    for events in ([], "", "X", b"X", 1, {one: {}}, [None], "{{ params.events }}"):
        with pytest.raises(ParameterError, match="task 't': events"):
            made(events)


def test_bad_durations_submit_nothing(cloud):
    before = cloud.count("SubmitJob")
    for name in ("start_timeout", "poll_interval", "reconcile_interval"):
        with pytest.raises(ParameterError, match=name):
            BatchSubmitJobOperator(task_id="t", job=JOB, placement=PLACEMENT, **{name: "soon"})
    assert cloud.count("SubmitJob") == before


@pytest.mark.parametrize(
    "operator",
    [BatchTerminateJobOperator, BatchDeleteJobOperator, BatchJobBranchOperator, BatchRetryJobsOperator, BatchJobSensor],
)
@pytest.mark.parametrize("job_id", [None, 42, b"job-1", {"state": "SUCCEED"}, [None], [["job-1"]], "job-1 job-2"])
def test_a_fixed_value_that_is_no_job_is_refused_too(cloud, operator, job_id):
    task = operator(task_id="t", **{**arguments_of(operator), "job_id": job_id})
    assert "job_id" in refused(cloud, task)


@pytest.mark.parametrize("deferrable", [False, True], ids=["poking", "deferred"])
def test_the_jobs_of_outcomes_are_waited_for(cloud, deferrable):
    settings = {"deferrable": deferrable, "poke_interval": 0.1, "timeout": 20}
    outcome = TaskRunner(
        lambda: BatchSubmitJobOperator(task_id="t", job=JOB, placement=PLACEMENT, poll_interval=0.1)
    ).run()
    one = TaskRunner(lambda: BatchJobSensor(task_id="t", job_id=outcome, **settings)).run()
    several = TaskRunner(lambda: BatchJobSensor(task_id="t", job_id=[outcome], **settings)).run()
    assert (one["job_id"], [item["job_id"] for item in several]) == (outcome["job_id"], [outcome["job_id"]])


def test_a_refused_description_shows_nothing(cloud):
    job = {**JOB, "Tasks": [{**JOB["Tasks"][0], "EnvVars": [{"Name": "TOKEN", "Value": ["hunter2"]}]}]}
    message = refused(cloud, rendered(BatchSubmitJobOperator, {"job": job}, {}))
    assert "job.Tasks[0].EnvVars[0].Value is a list" in message
    assert "hunter2" not in message


@pytest.fixture(scope="module")
def dag_run(shared_emulator, tmp_path_factory) -> dict[str, Any]:
    """What became of the tasks of a DAG that real Airflow has run, with mapped and skipped ones."""
    home = tmp_path_factory.mktemp("airflow")
    script = Path(__file__).parent / "dags" / "mapped_and_skipped.py"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(script.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_TENCENTCLOUD_DEFAULT": json.dumps(address_of(shared_emulator).connection()),
        "RESULTS": str(home / "results.json"),
    }
    process = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    return json.loads((home / "results.json").read_text())


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("filter_of_skipped", ("job_id", "'optional'")),
        ("region_of_skipped", ("region", "'optional'")),
        ("queue_of_skipped", ("queue_name", "'optional'")),
        ("native_region_of_skipped", ("region",)),
        ("list_with_skipped", ("job_id[1]", "'optional'")),
        ("terminate_expanded[1]", ("job_id", "'ids_with_gap'")),
        ("region_expanded[0]", ("region", "'nothing'")),
        ("kwargs_expanded[0]", ("region", "'kwargs'")),
        ("group.filter_in_group[0]", ("env_id", "'nothing'")),
    ],
)
def test_real_airflow_names_the_task_that_gave_nothing(dag_run, task, words):
    state, error, _ = dag_run[task]
    assert state == "failed"
    assert error.startswith("ParameterError")
    for word in words:
        assert word in error


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("wait_for_mapped", list),
        ("wait_for_rest", list),
        ("wait_for_none", list),
        ("events_of_mapped", list),
        ("delete_outcome", type(None)),
        ("literal_none[0]", type(None)),
    ],
)
def test_on_real_airflow_the_outputs_of_mapped_tasks_are_taken(dag_run, task, kind):
    state, error, value = dag_run[task]
    assert (state, error) == ("success", None)
    assert isinstance(value, kind)
    if task in ("wait_for_mapped", "wait_for_rest", "wait_for_none"):
        assert len(value) == {"wait_for_mapped": 2, "wait_for_rest": 1, "wait_for_none": 0}[task]


def test_the_error_is_one_of_the_package():
    assert issubclass(ParameterError, BatchEventsError)
    assert issubclass(ParameterError, ValueError)


FLAGS = [
    (operator, name)
    for operator in OPERATORS
    for name, one in inspect.signature(operator.__init__).parameters.items()
    if isinstance(one.default, bool)
]
EACH_FLAG = pytest.mark.parametrize(("operator", "flag"), FLAGS, ids=lambda one: getattr(one, "__name__", one))


@EACH_FLAG
@pytest.mark.parametrize("value", ["no", "{{ params.x }}", "", 2, None, []], ids=repr)
def test_a_switch_is_true_or_false(operator, flag, value):
    with pytest.raises(ParameterError, match=rf"task 't': {flag} is .*must be True or False"):
        operator(task_id="t", **{**arguments_of(operator), flag: value})


@EACH_FLAG
def test_a_switch_may_be_a_text(operator, flag):
    # What runs many jobs is always deferred.
    value = (operator, flag) == (BatchSubmitJobsOperator, "deferrable")
    assert getattr(operator(task_id="t", **{**arguments_of(operator), flag: f" {value}"}), flag) is value


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.__name__)
def test_an_execution_timeout_below_zero_is_refused(cloud, operator):
    task = rendered(operator, {"execution_timeout": timedelta(seconds=-1)}, {})
    assert "execution_timeout is -1 s" in refused(cloud, task)


@pytest.mark.parametrize("operator", [BatchJobSensor, BatchEventSensor, BatchComputeEnvSensor])
def test_a_sensor_that_would_poke_without_a_pause_is_refused(operator):
    with pytest.raises(ParameterError, match="'t': poke_interval is 0 s"):
        operator(task_id="t", poke_interval=timedelta(0), **arguments_of(operator))


@pytest.mark.parametrize("branch", [5, " ", {"a": 1}, [None]], ids=repr)
@pytest.mark.parametrize("name", ["on_succeeded", "on_failed", "on_interrupted"])
def test_a_branch_that_is_no_task_id_is_named(name, branch):
    given = {**required_by(BatchJobBranchOperator), name: branch}
    with pytest.raises(ParameterError, match=f"task 't': {name} needs a task id"):
        BatchJobBranchOperator(task_id="t", **given)


@pytest.mark.parametrize("field", ["job_name", "task_name"])
@pytest.mark.parametrize("pattern", ["{{ params.p }}*", "*{{ params.p }}*", "{% if 1 %}{{ params.p }}{% endif %}?*"])
def test_a_pattern_without_its_name_is_an_error(cloud, field, pattern):
    task = rendered(BatchEventSensor, {field: pattern}, {"p": ""})
    assert f"{field} was given, and was rendered to nothing" in refused(cloud, task)


def test_a_pattern_that_a_template_chooses_is_taken():
    task = rendered(
        BatchEventSensor, {"job_name": "{{ params.p }}", "task_name": "t{{ params.q }}*"}, {"p": "*", "q": ""}
    )
    task.read_parameters()
    assert (task.job_name, task.task_name) == ("*", "t*")


QUEUE_READERS = [operator for operator in OPERATORS if "queue_name" in operator.template_fields]


@pytest.mark.parametrize("operator", QUEUE_READERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["1bad", "a" * 65, "{host}", "a/b", "\u00e9"])
def test_an_impossible_queue_name_is_refused_before_any_call(cloud, operator, name):
    assert "queue_name is" in refused(cloud, rendered(operator, {"queue_name": name}, {}))


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("region", ["None", "Guangzhou", "ap-guangzhou/../x", "\u00e9"])
def test_a_bad_region_is_the_task_s_not_the_connection_s(cloud, operator, region):
    message = refused(cloud, rendered(operator, {"region": region}, {}))
    assert "region" in message
    assert "connection" not in message


@pytest.mark.parametrize("name", ["1bad", "a" * 65, "a.b"])
def test_a_bad_subscription_name_creates_no_topic(cloud, name):
    task = rendered(CmqEnsureSubscriptionOperator, {"subscription_name": name}, {})
    assert "subscription_name" in refused(cloud, task)


@pytest.mark.parametrize(
    "names", [[{"Value": "s3cret"}], [{"Name": None, "Value": "s3cret"}], [{"Name": {}}]], ids=repr
)
def test_a_parameter_without_a_name_is_refused(cloud, names):
    entry = {"TopicName": "t", "EventConfigs": [{"EventName": "JOB_SUCCEED", "EventVars": names}]}
    message = refused(cloud, rendered(BatchSubmitJobOperator, {"notifications": [entry]}, {}))
    assert "Name in notifications[0].EventVars" in message
    assert "s3cret" not in message
