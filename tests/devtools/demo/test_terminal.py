# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from airflow_batch_events.events.message import BatchEvent
from devtools.demo.expectations import expected_runs
from devtools.demo.report import Row
from devtools.demo.terminal import Terminal, describe_progress

SUCCESS, FAILURE, _, FAN_OUT = expected_runs(2, "sleep 1")[:4]


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def task(task_id: str, state: str | None) -> dict[str, Any]:
    return {"task_id": task_id, "state": state}


def row(run: str, *problems: str) -> Row:
    return Row(run, "job-1", "SUCCEED", "event", "publish_result", 1.25, problems)


def test_progress_names_tasks_in_order() -> None:
    tasks = [task("publish_result", None), task("branch", "deferred"), task("submit", "success")]

    assert describe_progress(SUCCESS, tasks).plain == "submit success, branch deferred"


def test_progress_counts_mapped_instances_by_state() -> None:
    tasks = [task("submit", "success"), task("submit", "success"), task("wait", "deferred"), task("wait", "success")]

    assert describe_progress(FAN_OUT, tasks).plain == "submit 2 success, wait 1 deferred 1 success"


def test_plain_output_tells_a_state_once(output: io.StringIO) -> None:
    terminal = Terminal(Console(file=output, width=160))

    for _ in range(3):
        terminal.progress(SUCCESS, "running", [task("submit", "running")])
    terminal.progress(SUCCESS, "success", [task("submit", "success")])

    lines = output.getvalue().splitlines()
    assert [line.split("run    ")[1] for line in lines] == [
        "success       running  submit running",
        "success       success  submit success",
    ]


def test_an_event_is_told_with_its_job_and_its_run(output: io.StringIO) -> None:
    event = BatchEvent("JOB_FAILED", batch={"JobId": "job-7", "JobName": "part"}, vars={"run": "failure"})

    Terminal(Console(file=output, width=160)).event(event)

    line = output.getvalue()
    assert "JOB_FAILED" in line
    assert "job-7" in line
    assert "failure" in line


def test_markup_is_shown_as_it_is(output: io.StringIO) -> None:
    event = BatchEvent("[bold]JOB[/nonsense]", batch={"JobId": "[red]x"})

    Terminal(Console(file=output, width=160)).event(event)

    assert "[bold]JOB[/nonsense]" in output.getvalue()
    assert "[red]x" in output.getvalue()


def test_the_table_shows_each_run_and_what_is_wrong(output: io.StringIO) -> None:
    Terminal(Console(file=output, width=160)).table([row("success"), row("failure", "went to no branch")])

    shown = output.getvalue()
    assert "1.2 s" in shown
    assert "yes" in shown
    assert " no" in shown
    assert "failure: went to no branch" in shown


def test_a_terminal_gets_a_living_table(output: io.StringIO) -> None:
    with Terminal(Console(file=output, width=120, force_terminal=True)) as terminal:
        terminal.step("Starting")
        terminal.progress(FAILURE, "running", [task("submit", "running")])
        terminal._live.refresh()

    assert "elapsed" in output.getvalue()


def test_of_hundreds_of_events_every_fiftieth_is_told(output: io.StringIO) -> None:
    terminal = Terminal(Console(file=output, width=160))

    for _ in range(120):
        terminal.counted_event(BatchEvent("JOB_SUCCEED", batch={"JobId": "job-7"}))

    lines = [re.sub(r" +", " ", line.split(" s ")[1].strip()) for line in output.getvalue().splitlines()]
    assert lines == ["events JOB_SUCCEED 50", "events JOB_SUCCEED 100"]
