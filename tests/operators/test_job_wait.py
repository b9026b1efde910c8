# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import structlog.testing
from support.emulator_helpers import PLACEMENT, announced_job
from support.tasks import TaskRunner

from airflow_batch_events.exceptions import BatchEventsError, BatchJobFailedError, ConfigurationError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.job_wait import JobWaitOperator
from tencent_batch_emulator.testing import RunningEmulator

pytestmark = pytest.mark.usefixtures("cloud")

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "blocking"])


class Waiting(JobWaitOperator):
    """Waits for jobs, and returns their states."""

    def __init__(self, *, job_ids: list[str], **kwargs: Any) -> None:
        super().__init__(task_id="t", **kwargs)
        self.job_ids = job_ids
        self.poll_interval = 0.1

    def execute(self, context: Any) -> list[str]:
        self.write_links(context, self.job_ids[0], "events")
        return [outcome.state for outcome in self.wait_for_jobs(self.job_ids, timeout=300)]

    def execute_complete(self, context: Any, event: Any) -> list[str]:
        return [outcome.state for outcome in self.outcomes_of(event, len(self.job_ids))]


def wait_for(job_ids: list[str], **settings: Any) -> TaskRunner:
    return TaskRunner(lambda: Waiting(job_ids=job_ids, **{"queue_name": "waits", **settings}))


def submit(script: str) -> str:
    return BatchHook().submit_job(announced_job(f"scripted: {script}", "events"), PLACEMENT)


@BOTH_WAYS
def test_outcomes_are_in_the_order_of_the_jobs(deferrable: bool) -> None:
    job_ids = [submit("duration=0.5"), submit("outcome=failed duration=0.1")]
    task = wait_for(job_ids, deferrable=deferrable)
    assert task.run() == ["SUCCEED", "FAILED"]
    assert len(task.deferrals) == deferrable


def test_links_are_there_before_the_wait(cloud: RunningEmulator) -> None:
    job_id = submit("duration=0.1")
    task = wait_for([job_id], deferrable=True)
    seen: dict[str, Any] = {}
    task.run(meanwhile=lambda: seen.update(task.ti.xcoms))
    assert seen["_link_BatchJobLink"] == f"{cloud.endpoint}/console/jobs/{job_id}"
    assert {"_link_CmqTopicLink", "_link_CmqQueueLink"} <= set(seen)


def test_the_log_says_how_it_waits() -> None:
    job_id = submit("duration=0.1")
    with structlog.testing.capture_logs() as logs:
        wait_for([job_id], deferrable=True).run()
        wait_for([job_id], deferrable=True, queue_name=None).run()
    said = [
        str(line["event"]) % tuple(line.get("positional_args", ())) for line in logs if "Waiting for" in line["event"]
    ]
    assert "by event on queue 'waits'" in said[0]
    assert "by polling the API" in said[1]


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"status": "error", "error": "ConfigurationError", "message": "no queue"}, ConfigurationError),
        ({"status": "error", "error": "SomethingOfALaterVersion"}, BatchEventsError),
        ({"status": "ended", "outcomes": []}, ValueError),
        ("gibberish", ValueError),
    ],
    ids=["known", "unknown", "too few", "gibberish"],
)
def test_what_else_the_trigger_fires_is_an_error(event: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Waiting(job_ids=["job-aaaaaaaa"]).execute_complete({}, event)


def test_a_failed_job_has_an_error_and_its_output_in_the_log() -> None:
    job_id = submit("outcome=failed duration=0.1")
    (outcome,) = BatchHook().wait_for_jobs([job_id], poll_interval=0.1)
    task = wait_for([job_id])
    with structlog.testing.capture_logs() as logs:
        error = task.make().explain(task.context(), [outcome], [outcome]).error
    assert isinstance(error, BatchJobFailedError)
    assert job_id in str(error)
    assert all(line["log_level"] == "error" for line in logs)


@pytest.mark.parametrize("value", [None, 0, -1, "soon"], ids=repr)
def test_an_interval_that_is_none_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="reconcile_interval"):
        Waiting(job_ids=["job-aaaaaaaa"], reconcile_interval=value)
