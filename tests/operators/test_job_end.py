# SPDX-License-Identifier: Apache-2.0
"""How a task ends that fails when its jobs do, and what exit codes make of that."""

from __future__ import annotations

from typing import Any

import pytest
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskInstance, TaskRunner

from airflow_batch_events.airflow_compat.exceptions import AirflowFailException, AirflowSkipException
from airflow_batch_events.events.outcomes.exit_codes import EndAs, ExitCodes
from airflow_batch_events.exceptions import BatchJobFailedError, ParameterError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.job_end import JobEndOperator, raise_as_told
from airflow_batch_events.waiting.task_result import Explained

BAD, GOOD = "outcome=failed duration=0.1 exit_code=99 stderr=nothing_new", "duration=0.1"


class Ending(JobEndOperator):
    """Waits for jobs on its worker, and fails when one does."""

    def __init__(self, *, scripts: list[str], **kwargs: Any) -> None:
        super().__init__(task_id="t", **kwargs)
        self.scripts = scripts
        self.poll_interval = 0.1

    def execute(self, context: Any) -> list[str]:
        jobs = [announced_job(f"scripted: {script}", "events") for script in self.scripts]
        outcomes = self.wait_for_jobs([self.hook.submit_job(job, PLACEMENT) for job in jobs], timeout=300)
        failures = [outcome for outcome in outcomes if not outcome.succeeded]
        if failures:
            self.end_badly(context, outcomes, failures, is_list=True)
        return [outcome.state for outcome in outcomes]


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, BatchJobFailedError),
        ({"skip_on_exit_code": 99}, AirflowSkipException),
        ({"skip_on_exit_code": [98]}, BatchJobFailedError),
        ({"fail_on_exit_code": range(90, 100)}, AirflowFailException),
    ],
)
def test_exit_codes_say_how_a_task_ends(settings: dict[str, Any], error: type[Exception]) -> None:
    task = TaskRunner(lambda: Ending(scripts=[GOOD, BAD], **settings))
    with pytest.raises(error, match="exit code 99") as caught:
        task.run()
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, BatchJobFailedError)
    assert (cause.cause, cause.exit_code, cause.stderr) == ("exit_code", 99, "nothing_new")
    good, bad = task.ti.xcoms["batch_outcome"]
    assert (good["state"], bad["failure"]["exit_code"]) == ("SUCCEED", 99)


@pytest.mark.usefixtures("cloud")
def test_an_outcome_that_cannot_be_pushed_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(instance: TaskInstance, *, key: str, value: Any) -> None:
        raise ConnectionError("no server")

    monkeypatch.setattr(TaskInstance, "xcom_push", refuse)
    with pytest.raises(BatchJobFailedError):
        TaskRunner(lambda: Ending(scripts=[BAD])).run()


@pytest.mark.usefixtures("cloud")
def test_jobs_that_end_well_end_the_task_well(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(BatchHook, "explain", lambda *_: calls.append("read"))
    assert TaskRunner(lambda: Ending(scripts=[GOOD], skip_on_exit_code=99)).run() == ["SUCCEED"]
    assert calls == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"skip_on_exit_code": 0}, "skip_on_exit_code has 0"),
        ({"fail_on_exit_code": "99"}, "fail_on_exit_code has a text"),
        ({"skip_on_exit_code": [7, 8], "fail_on_exit_code": 8}, "exit code 8 is in"),
    ],
)
def test_codes_that_mean_nothing_are_refused_where_the_dag_is_written(settings: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=rf"task 't': .*{message}"):
        Ending(scripts=[], **settings)


def test_a_trigger_that_ends_the_task_is_told_the_codes() -> None:
    assert Ending(scripts=[], skip_on_exit_code={9, 7}).task_end()["skip_on_exit_code"] == [7, 9]
    assert "fail_on_exit_code" not in Ending(scripts=[]).task_end()
    assert Ending(scripts=[], fail_on_exit_code=7).exit_codes == ExitCodes(fail=frozenset({7}))


@pytest.mark.parametrize(
    ("end_as", "error", "words"),
    [
        (EndAs.ERROR, BatchJobFailedError, "it failed"),
        (EndAs.SKIPPED, AirflowSkipException, "because of skip_on_exit_code: it failed"),
        (EndAs.FAILED, AirflowFailException, "without another try, because of fail_on_exit_code: it failed"),
    ],
)
def test_what_ends_a_task_says_why(end_as: EndAs, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        raise_as_told(Explained(BatchJobFailedError("it failed"), (), (), end_as=end_as))
