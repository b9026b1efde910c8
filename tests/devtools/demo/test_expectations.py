# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

from integration.conftest import DAGS

from devtools.demo.expectations import expected_runs


def test_each_run_has_its_own_title() -> None:
    titles = [run.title for run in expected_runs(3, "sleep 1")]
    assert len(titles) == len(set(titles)) == 4


def test_each_task_is_one_of_its_dag() -> None:
    for run in expected_runs(3, "sleep 1"):
        text = (DAGS["examples"] / f"{run.dag_id}.py").read_text()
        in_dag = set(re.findall(r'task_id="(\w+)"|^    def (\w+)', text, re.MULTILINE))
        names = {name for pair in in_dag for name in pair if name}
        assert {*run.tasks, run.wait_task, *run.branches} <= names
        assert run.branch in run.branches


def test_the_fan_out_has_as_many_jobs_as_wanted() -> None:
    assert [run.jobs for run in expected_runs(7, "sleep 1")] == [1, 1, 1, 7]
