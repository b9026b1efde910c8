# SPDX-License-Identifier: Apache-2.0
"""
What importing costs a DAG file: each public module alone, and ten of our operators in one file.

Each import runs in a process of its own, forked after ``airflow.sdk`` was imported, which every DAG file does anyway;
Airflow's dag processor forks in the same way. Processor time and the least of several runs count, because everything
else that a machine does only adds; nothing is waited for, the files are in memory after the first run.
"""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import airflow_batch_events
from devtools.benchmarks.figures import Figure

PART = "parse"

GOAL_MS = 30.0

DAG = """
from airflow.sdk import dag
from airflow_batch_events.operators.batch import (
    BatchDeleteJobOperator, BatchRetryJobsOperator, BatchSubmitJobOperator, BatchTerminateJobOperator
)
from airflow_batch_events.operators.branch import BatchJobBranchOperator
from airflow_batch_events.operators.cmq import CmqEnsureSubscriptionOperator
from airflow_batch_events.sensors.batch import BatchJobSensor

JOB = {"JobName": "a", "Tasks": [{"TaskName": "t", "Application": {"DeliveryForm": "LOCAL", "Command": "true"}}]}
PLACE = {"Zone": "ap-guangzhou-6"}


@dag(schedule=None)
def ten():
    ensure = CmqEnsureSubscriptionOperator(task_id="ensure", topic_name="t", queue_name="q")
    for number in range(4):
        submit = BatchSubmitJobOperator(task_id=f"submit_{number}", job=JOB, placement=PLACE, topic_name="t")
        wait = BatchJobSensor(task_id=f"wait_{number}", job_id=submit.output, queue_name="q", deferrable=True)
        ensure >> submit >> wait
    wait >> BatchDeleteJobOperator(task_id="delete", job_id=submit.output)


ten()
"""

TIMED = """
import json, os, sys, time, traceback
import airflow.sdk

# An installed package has its bytecode; this checkout may have none, and may not be let have any.
sys.pycache_prefix = sys.argv[1]
sys.dont_write_bytecode = False
codes, runs = json.load(sys.stdin)
for code in codes:
    compiled = compile(code, "dag", "exec")
    times = []
    for _ in range(runs):
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                began = time.process_time()
                exec(compiled, {"__name__": "dag"})
                os.write(theirs, str(time.process_time() - began).encode())
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(theirs)
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        times.append(float(os.read(ours, 100)))
        os.close(ours)
    print(min(times))
"""


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the part's figures."""
    modules = public_modules()
    standard = "import airflow.providers.standard.operators.bash"
    *times, dag, bash = _import_times([f"import {module}" for module in modules] + [DAG, standard], 3 if quick else 7)
    for module, milliseconds in zip(modules, times, strict=True):
        goal = GOAL_MS if ".operators." in module or ".sensors." in module else None
        yield Figure(PART, f"import {module}", milliseconds, "ms", goal=goal)
    yield Figure(PART, "a DAG file with ten of our operators", dag, "ms", (bash, "import of BashOperator"))


def public_modules() -> list[str]:
    """Return the modules that a DAG file or a connection form imports."""
    root = Path(airflow_batch_events.__file__).parent
    return [
        f"{airflow_batch_events.__name__}.{kind}.{module.name}"
        for kind in ("operators", "sensors", "hooks", "triggers", "decorators", "queues")
        for module in pkgutil.iter_modules([str(root / kind)])
    ]


def _import_times(codes: Sequence[str], runs: int) -> list[float]:
    """Return the milliseconds of processor time that code takes in a process that has imported ``airflow.sdk``."""
    with TemporaryDirectory(prefix="bench-") as folder:
        command = [sys.executable, "-c", TIMED, folder]
        done = subprocess.run(command, input=json.dumps([codes, runs]), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the code to time has failed:\n{done.stderr}")
    return [float(line) * 1000 for line in done.stdout.splitlines()[-len(codes) :]]
