# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from integration.conftest import DAGS

from devtools.demo.expectations import MANY, SCRIPTED_CONN_ID, expected_runs
from devtools.demo.run_demo import OWN_DAGS


def test_each_run_has_its_own_title() -> None:
    titles = [run.title for run in expected_runs(3, "sleep 1")]
    assert len(titles) == len(set(titles)) == 6


def test_each_task_is_one_of_its_dag() -> None:
    for run in expected_runs(3, "sleep 1"):
        (file,) = (file for folder in (DAGS["examples"], OWN_DAGS) if (file := folder / f"{run.dag_id}.py").exists())
        text = file.read_text()
        in_dag = set(re.findall(r'task_id="(\w+)"|^    def (\w+)', text, re.MULTILINE))
        names = {name for pair in in_dag for name in pair if name}
        assert {*run.tasks, run.wait_task, *run.branches} <= names
        assert run.branch in run.branches


def test_the_fan_out_has_as_many_jobs_as_wanted() -> None:
    assert [run.jobs for run in expected_runs(7, "sleep 1")] == [1, 1, 1, 7, 1, MANY]


def test_one_wait_is_ended_without_its_event() -> None:
    assert [run.title for run in expected_runs(7, "sleep 1") if run.ended_by == "api"] == ["lost-event"]


def test_the_dag_of_many_jobs_is_what_is_expected() -> None:
    text = (OWN_DAGS / "batch_in_one_task.py").read_text()
    assert f"range({MANY})" in text
    assert f'tencentcloud_conn_id="{SCRIPTED_CONN_ID}"' in text
