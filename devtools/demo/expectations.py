# SPDX-License-Identifier: Apache-2.0
"""
Which runs the demo starts, and how each is expected to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TOPIC = "batch-events"
QUEUE = "airflow-batch-events"
OWN_QUEUE = "demo-events"
"""The demo's own queue: what it read from the DAGs' queue would be missing there for a while."""

LOST_QUEUE = "lost-events"
"""The queue of a DAG of the demo's own, into which no event comes."""

SCRIPTED_CONN_ID = "scripted_cloud"
"""The connection to a second cloud, whose jobs run nothing, so that hundreds of them are as easy as one."""

MANY = 200
"""The jobs of the DAG that runs them in one task."""


@dataclass(frozen=True)
class ExpectedRun:
    """
    A run and its expected result.

    :param title: What the terminal and the table call it; also the run's id.
    :param dag_id: The DAG.
    :param conf: Its params.
    :param tasks: The DAG's tasks in the order in which they are shown.
    :param wait_task: The task whose outcomes count; mapped when there are several jobs.
    :param outcome_key: The XCom key of an outcome.
    :param branches: The tasks of which exactly the expected one has to run.
    :param branch: The expected one.
    :param state: The state in which every job has to end.
    :param jobs: How many jobs there are.
    :param is_mapped: Whether each job is waited for in a mapped instance of ``wait_task``.
    :param ended_by: What has to end each wait.
    :param is_one_task: Whether one task waits for all jobs; what ended them is in its log.
    :param follows: Whether it starts when the other runs have been through what the demo does to them.
    """

    title: str
    dag_id: str
    conf: Mapping[str, object]
    tasks: tuple[str, ...]
    wait_task: str
    outcome_key: str
    branches: tuple[str, ...]
    branch: str
    state: str
    jobs: int = 1
    is_mapped: bool = False
    ended_by: str = "event"
    is_one_task: bool = False
    follows: bool = False


def expected_runs(jobs: int, command: str) -> tuple[ExpectedRun, ...]:
    """
    Return the runs of the demo: three that branch, one that fans out, one whose event is lost, one with many jobs.

    :param jobs: How many jobs the fan-out runs.
    :param command: The shell command that each job runs until it may end.
    """
    return (
        _branching("success", f"{command}; echo all is well", state="SUCCEED", branch="publish_result"),
        _branching("failure", f"{command}; echo no such file >&2; exit 3", state="FAILED", branch="raise_alarm"),
        _branching(
            "interruption",
            f"{command}; exit 4",
            state="FAILED_INTERRUPTED",
            branch="raise_alarm",
            failed_action="INTERRUPT",
        ),
        ExpectedRun(
            title="fan-out",
            dag_id="batch_fan_out",
            conf={"jobs": jobs, "command": command},
            tasks=("describe_jobs", "submit", "wait", "gather"),
            wait_task="wait",
            outcome_key="return_value",
            branches=("gather",),
            branch="gather",
            state="SUCCEED",
            jobs=jobs,
            is_mapped=True,
        ),
        ExpectedRun(
            title="lost-event",
            dag_id="batch_lost_event",
            conf={"command": command},
            tasks=("submit", "go_on"),
            wait_task="submit",
            outcome_key="return_value",
            branches=("go_on",),
            branch="go_on",
            state="SUCCEED",
            ended_by="api",
        ),
        ExpectedRun(
            title="in-one-task",
            dag_id="batch_in_one_task",
            conf={},
            tasks=("submit", "count"),
            wait_task="submit",
            outcome_key="return_value",
            branches=("count",),
            branch="count",
            state="SUCCEED",
            jobs=MANY,
            is_one_task=True,
            follows=True,
        ),
    )


def _branching(title: str, command: str, *, state: str, branch: str, failed_action: str = "TERMINATE") -> ExpectedRun:
    branches = ("publish_result", "raise_alarm")
    return ExpectedRun(
        title=title,
        dag_id="batch_branch_on_result",
        conf={"command": command, "failed_action": failed_action},
        tasks=("submit", "branch", *branches),
        wait_task="branch",
        outcome_key="outcome",
        branches=branches,
        branch=branch,
        state=state,
    )
