# SPDX-License-Identifier: Apache-2.0
"""
Tasks that submit a job, and whose process kills itself at a chosen moment of the first try.

A moment is a line (the n-th one that the package executes from the beginning of ``execute``) or a function and whether
it is entered or left, ``submit_job:return``; None lets the task live and tells how many lines there are.
"""

from __future__ import annotations

import inspect
import os
import random
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from airflow.sdk import dag, task

import airflow_batch_events
from airflow_batch_events.airflow_compat.exceptions import TaskDeferred
from airflow_batch_events.operators.batch import BatchSubmitJobOperator

PACKAGE = str(Path(airflow_batch_events.__file__).parent)
FUNCTIONS = (
    "execute:call",
    "intend:call",
    "intend:return",
    "submit_job:return",
    "submitted:call",
    "submitted:return",
    "write_links:return",
    "_defer_for_jobs:call",
)


class Steps:
    """Counts the lines that the package executes, and kills the process at the moment."""

    def __init__(self, moment: int | str | None) -> None:
        self.moment = moment
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        # Lines of modules and classes run once a process, when they are imported.
        if not code.co_filename.startswith(PACKAGE) or not code.co_flags & inspect.CO_OPTIMIZED:
            return None
        self.lines += event == "line"
        if self.moment in (self.lines, f"{code.co_name}:{event}"):
            os.kill(os.getpid(), signal.SIGKILL)
        return self


class DyingSubmitOperator(BatchSubmitJobOperator):
    """Submit a job, and be killed on the way in the first try."""

    def __init__(self, *, moment: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moment = moment

    def execute(self, context: Any) -> Any:
        """Do what the operator does, and count its steps."""
        steps = Steps(self.moment if context["ti"].try_number == 1 else None)
        sys.settrace(steps)
        try:
            return super().execute(context)
        except TaskDeferred:
            sys.settrace(None)
            if self.moment is None:
                context["ti"].xcom_push(key="lines", value=steps.lines)
            raise
        finally:
            sys.settrace(None)


def job(name: str) -> dict[str, Any]:
    env = {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89"}
    return {
        "JobName": name,
        "Tasks": [
            {
                "TaskName": "main",
                "Application": {"DeliveryForm": "LOCAL", "Command": "sleep 5"},
                "ComputeEnv": {"EnvType": "MANAGED", "EnvData": env},
            }
        ],
    }


SUBMIT: dict[str, Any] = {
    "placement": {"Zone": "ap-guangzhou-6"},
    "topic_name": "{{ params.topic }}",
    "queue_name": "{{ params.queue }}",
    "deferrable": True,
    "retries": 2,
    "retry_delay": 1,
}


@dag(schedule=None, params={"topic": "t", "queue": "q", "tasks": 20, "seed": 1})
def dying_submits() -> None:
    rehearsal = DyingSubmitOperator(task_id="rehearsal", job=job("rehearsal"), **SUBMIT)

    @task
    def choose_moments(params: dict[str, Any], ti: Any) -> list[dict[str, Any]]:
        lines = ti.xcom_pull(task_ids="rehearsal", key="lines")
        count = params["tasks"] - len(FUNCTIONS)
        moments = [*FUNCTIONS, *sorted(random.Random(params["seed"]).sample(range(1, lines), count))]
        print("moments:", moments, "of", lines)
        return [{"moment": moment, "job": job(f"dying-{number}")} for number, moment in enumerate(moments)]

    moments = choose_moments()
    rehearsal >> moments
    submit = DyingSubmitOperator.partial(task_id="submit", **SUBMIT).expand_kwargs(moments)

    @task
    def gather(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(outcomes)

    gather(submit.output)


dying_submits()


@dag(schedule=None, params={"topic": "t", "queue": "q", "tasks": 4})
def cut_submits() -> None:
    @task
    def describe(params: dict[str, Any]) -> list[dict[str, Any]]:
        return [job(f"cut-{number}") for number in range(params["tasks"])]

    submit = BatchSubmitJobOperator.partial(task_id="submit", **SUBMIT).expand(job=describe())

    @task
    def gather(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list(outcomes)

    gather(submit.output)


cut_submits()
