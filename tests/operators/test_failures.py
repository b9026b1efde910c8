# SPDX-License-Identifier: Apache-2.0
"""
The ways in which a job fails, each played through, and the page that shows what a user reads then.

``docs/failures.md`` is made of what the operator says here, word by word. To write it anew after a message has changed
for the better::

    WRITE_DOCS=1 python -m pytest tests/operators/test_failures.py
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from support.tasks import TaskRunner

from airflow_batch_events.dispatch import consumer
from airflow_batch_events.events.outcomes.failure import Cause
from airflow_batch_events.exceptions import BatchEventsError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.protocol import clock
from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.protocol.sdk import SdkClient
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
TABLE = re.compile(r"^\| What happened \| Cause \| Exception \| Retry advice \|\n(.*?)\n\n", re.MULTILINE | re.DOTALL)
LEFT_OUT = re.compile("outside of the Task Runner| submitted, ")
"""Lines of the log that differ from run to run: how far many jobs have come, and how fast."""

LOG_LINES = 20
LONG = "scripted: outcome=succeed duration=300"

Deed = Callable[[RunningEmulator, str], object]


STARTING = 20.0
"""Seconds of the cloud's time before a job begins: on a busy machine, too, the first poll comes before its end."""


@dataclass(frozen=True)
class Failure:
    """
    A way to fail.

    :param title: How the page calls it.
    :param error: The class that the task fails with.
    :param cause: The cause that it tells; None where there is no job that could have failed.
    :param words: What the message must say, for a reader without the console.
    :param task: What the task of the job has beside its command.
    :param job: What the job has beside its tasks.
    :param settings: What the operator is given beside the job.
    :param many: The commands of many jobs in one task, instead of the one.
    :param remembered: What an earlier try has left.
    :param fault: What goes wrong with the API.
    :param before_the_wait: What somebody does before the wait has polled the job for the first time.
    :param passes: Seconds that pass after that poll.
    :param meanwhile: What somebody does then.
    """

    title: str
    error: str
    cause: str | None
    words: tuple[str, ...]
    command: str = LONG
    task: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    many: tuple[str, ...] = ()
    remembered: Callable[[RunningEmulator], Mapping[str, Any]] | None = None
    fault: Fault | None = None
    before_the_wait: Deed | None = None
    passes: float = STARTING + 5
    meanwhile: Deed | None = None


def terminate(cloud: RunningEmulator, job_id: str) -> None:
    BatchHook().end_job(job_id, sleep=lambda seconds: cloud.advance(seconds))


def delete_unseen(cloud: RunningEmulator, job_id: str) -> None:
    cloud.add_fault(Fault(effect="drop", event="JOB_FAILED"))
    terminate(cloud, job_id)
    BatchHook().delete_job(job_id)


def env(**data: str) -> dict[str, Any]:
    return {"EnvType": "MANAGED", "EnvData": {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **data}}


def submitted_in_beijing(cloud: RunningEmulator) -> dict[str, Any]:
    return {**EARLIER, "identity": {"region": "ap-beijing", "endpoint": cloud.endpoint, "key_id": cloud.secret_id}}


EARLIER = {"number": 1, "token": "0" * 64, "digest": "0" * 64, "job_id": "job-0earlier"}

FAILURES = (
    Failure(
        "The command fails",
        "BatchJobFailedError",
        "exit_code",
        ("exit code 2", "No such file", "output above"),
        "scripted: outcome=failed duration=2 exit_code=2 stdout='reading the input\nstep 1 of 3' "
        "stderr='Traceback (most recent call last):\n  ...\nFileNotFoundError: No such file: input.csv'",
    ),
    Failure(
        "The command is ended by a signal",
        "BatchJobFailedError",
        "signal",
        ("exit code 137", "SIGKILL", "memory"),
        "scripted: outcome=failed duration=2 exit_code=137 stdout='loading the model'",
    ),
    Failure(
        "The command needs more memory than there is",
        "BatchJobOutOfMemoryError",
        "out_of_memory",
        ("exit code 137", "out of memory", "larger InstanceType"),
        "scripted: memory=6 duration=2 stdout='loading the model'",
    ),
    Failure(
        "The command runs longer than its Timeout",
        "BatchJobRunTimeoutError",
        "timeout",
        ("2 seconds", "Raise the task's Timeout"),
        task={"Timeout": 2},
    ),
    Failure(
        "No capacity before start_timeout",
        "BatchJobNotStartedError",
        "no_capacity",
        ("is RUNNABLE", "ResourceInsufficient", "InstanceTypes"),
        task={"ComputeEnv": env(InstanceType="NOCAPACITY")},
        job={"StateIfCreateCvmFailed": "RUNNABLE"},
        settings={"start_timeout": 2},
    ),
    Failure(
        "No capacity",
        "BatchJobNoCapacityError",
        "no_capacity",
        ("ResourceInsufficient", "InstanceTypes"),
        task={"ComputeEnv": env(InstanceType="NOCAPACITY")},
    ),
    Failure(
        "A spot machine is taken back",
        "BatchJobFailedError",
        "interrupted",
        ("reclaimed", "run the task again"),
        "scripted: spot=reclaimed duration=2",
        task={"ComputeEnv": env(InstanceChargeType="SPOTPAID")},
    ),
    Failure(
        "A bad image",
        "BatchJobFailedError",
        "bad_image",
        ("InvalidImageId.NotFound", "ImageId"),
        task={"ComputeEnv": env(ImageId="img-badimage")},
    ),
    Failure(
        "A task that others depend on fails",
        "BatchJobFailedError",
        "exit_code",
        ("task 'main' instance 0: exit code 1", "2 instances failed"),
        "scripted: outcome=failed duration=2 exit_code=1 stderr='the disk is full'",
        job={"Dependences": [{"StartTask": "main", "EndTask": "after"}]},
    ),
    Failure(
        "A task has nothing left to wait for",
        "BatchJobFailedError",
        "dependence",
        ("dependence not met", "look at that task"),
        "scripted: outcome=failed failure=dependence duration=2",
    ),
    Failure(
        "The retries are used up",
        "BatchJobFailedError",
        "exit_code",
        ("exit code 1", "execution 3 of at most 3"),
        "scripted: outcome=failed duration=2 exit_code=1 stderr='connection refused'",
        task={"MaxRetryCount": 2},
        passes=3 * STARTING + 15,
    ),
    Failure(
        "The job is interrupted",
        "BatchJobInterruptedError",
        "exit_code",
        ("FAILED_INTERRUPTED", "exit code 4", "still cost money", "BatchTerminateJobOperator"),
        "scripted: outcome=failed duration=2 exit_code=4 stderr='checksum mismatch'",
        task={"FailedAction": "INTERRUPT"},
    ),
    Failure(
        "Somebody terminates the job",
        "BatchJobFailedError",
        "terminated",
        ("terminated", "run the task again"),
        meanwhile=terminate,
    ),
    Failure(
        "Nobody says why the job failed",
        "BatchJobFailedError",
        "unknown",
        ("the API gives no reason", "Look at the job in the console"),
        "scripted: outcome=failed failure=unexplained duration=2",
    ),
    Failure(
        "The job succeeds without the value that its task returns",
        "BatchJobResultError",
        "unknown",
        ("succeeded", "last line", "'done'"),
        "scripted: outcome=succeed duration=2 stdout=done",
        settings={"result": "stdout-json"},
    ),
    Failure(
        "That value cannot be read",
        "ApiServerError",
        None,
        ("DescribeTaskLogs", "InternalError"),
        "scripted: outcome=succeed duration=2 stdout=7",
        settings={"result": "stdout-json"},
        fault=Fault(effect="error", action="DescribeTaskLogs", code="InternalError"),
    ),
    Failure(
        "Somebody deletes the job",
        "BatchJobNotFoundError",
        "deleted",
        ("deleted", "run the task again"),
        settings={"reconcile_interval": 0.1},
        before_the_wait=delete_unseen,
        passes=61,
    ),
    Failure(
        "The quota is full",
        "ApiQuotaError",
        None,
        ("LimitExceeded.JobQuota", "delete jobs", "on_finish_action"),
        fault=Fault(
            effect="error",
            action="SubmitJob",
            code="LimitExceeded.JobQuota",
            message="The account has 1000 jobs; delete some that have ended.",
        ),
    ),
    Failure(
        "The API turns every call away",
        "ApiThrottledError",
        None,
        ("RequestLimitExceeded", "Nothing was submitted", "fewer"),
        fault=Fault(
            effect="error",
            action="SubmitJob",
            code="RequestLimitExceeded",
            message="Your current request times equals or exceeds the limit; please slow down.",
        ),
    ),
    Failure(
        "The wait's time is over",
        "BatchJobTimeoutError",
        "timeout",
        ("the deadline passed", "last seen RUNNING", "Raise"),
        settings={"execution_timeout": timedelta(seconds=4)},
    ),
    Failure(
        "Too many of many jobs fail",
        "BatchJobsFailedError",
        "exit_code",
        ("2 of 3 jobs succeeded", "exit_code 1", "jobs[1]", "no such table"),
        many=(
            "scripted: duration=2",
            "scripted: outcome=failed duration=2 exit_code=3 stderr='no such table: orders'",
            "scripted: duration=2",
        ),
    ),
    Failure(
        "A parameter holds something else than it takes",
        "ParameterError",
        None,
        ("placement is text that is no JSON object",),
        settings={"placement": "None"},
    ),
    Failure(
        "The queue does not exist",
        "WaitQueueNotFoundError",
        None,
        ("Queue 'wiats' does not exist", "nothing was submitted", "provision"),
        settings={"queue_name": "wiats"},
    ),
    Failure(
        "A retry would submit to another account, region or endpoint",
        "IdentityChangedError",
        None,
        ("elsewhere", "may still run", "Nothing was submitted", "on_changed_job"),
        remembered=submitted_in_beijing,
    ),
    Failure(
        "What an earlier try has recorded cannot be read",
        "SubmissionRecordError",
        None,
        ("Nothing was submitted", "start a new DAG run"),
        remembered=lambda cloud: {**EARLIER, "number": "one"},
    ),
)


@dataclass(frozen=True)
class Told:
    """What a task that failed has said."""

    error: BatchEventsError
    log: list[str]


@pytest.fixture
def shared_emulator(failure: Failure) -> Iterator[RunningEmulator]:
    """A cloud for each failure, because clocks are moved and client tokens are remembered."""
    with start_emulator(
        delays=Delays.none(starting=STARTING, terminating=0.05, resource_retry_scale=1), seed=1
    ) as emulator:
        key = (emulator.secret_id, emulator.secret_key, emulator.region)
        with SdkClient(CloudAccess.at_endpoint(emulator.endpoint, *key)) as client:
            client.send(tdmq.create_topic("events"))
            client.send(tdmq.create_queue("waits"))
            client.send(tdmq.create_subscription("events", "s", "waits"))
        yield emulator


@contextmanager
def passing_time(cloud: RunningEmulator, after_the_first_poll: Callable[[], object]) -> Iterator[None]:
    """Do something as soon as the wait has polled the job, so that what happens then is told by an event."""
    over, polls = threading.Event(), cloud.count("DescribeJobs")

    def run() -> None:
        while cloud.count("DescribeJobs") == polls:
            if over.wait(0.01):
                return
        # The wait must have taken the answer, too: an event that overtakes it is not believed before another poll.
        if not over.wait(0.3):
            after_the_first_poll()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def play(failure: Failure, cloud: RunningEmulator) -> Told:
    """Run the task of a failure to its end."""
    application = {"DeliveryForm": "LOCAL", "Command": failure.command}
    tasks = [{"TaskName": "main", "Application": application, "ComputeEnv": env(), **failure.task}]
    if failure.job.get("Dependences"):
        tasks.insert(0, {**tasks[0], "TaskName": "after"})
    settings = {
        "task_id": "t",
        "placement": {"Zone": "ap-guangzhou-6"},
        "topic_name": "events",
        "queue_name": "waits",
        "deferrable": True,
        **failure.settings,
    }
    if failure.many:
        jobs = [
            {"JobName": "nightly", "Tasks": [{**tasks[0], "Application": {**application, "Command": command}}]}
            for command in failure.many
        ]
        task = TaskRunner(lambda: BatchSubmitJobsOperator(jobs=jobs, **settings))
    else:
        job = {"JobName": "nightly", "Tasks": tasks, **failure.job}
        task = TaskRunner(lambda: BatchSubmitJobOperator(job=job, **settings))
    if failure.remembered is not None:
        task.store["tencent_batch_submission"] = failure.remembered(cloud)
    if failure.fault is not None:
        cloud.add_fault(failure.fault)

    def job_id() -> str:
        return task.store["tencent_batch_submission"]["job_id"]

    def before_the_wait() -> None:
        if failure.before_the_wait is not None:
            failure.before_the_wait(cloud, job_id())
        stack.enter_context(passing_time(cloud, after_the_first_poll))

    def after_the_first_poll() -> None:
        cloud.advance(failure.passes)
        if failure.meanwhile is not None:
            failure.meanwhile(cloud, job_id())

    with (
        ExitStack() as stack,
        structlog.testing.capture_logs() as entries,
        pytest.raises(BatchEventsError) as caught,
    ):
        task.run(before_the_wait)
    lines = [f"{entry['log_level'].upper():<7} {entry['event']}" for entry in entries]
    # How far many jobs have come, and how fast, differs from run to run.
    return Told(
        caught.value, [line for line in lines if not re.search("outside of the Task Runner| submitted, ", line)]
    )


def settled(text: str) -> str:
    """Replace what differs from run to run."""
    text = re.sub(r"\bjob-[0-9a-z]{8}\b", "job-4yn0we13", text)
    text = re.sub(r"\(request [0-9a-f-]{36}\)", "(request 3c59c8d3-4f1c-4b52-81de-dd6498f66a5a)", text)
    return re.sub(r"http://127\.0\.0\.1:\d+", "https://cmq-gz.public.tencenttdmq.com", text)


def section(failure: Failure, told: Told) -> str:
    """Return what the page says about a failure."""
    lines = told.log[-LOG_LINES:]
    # What is refused before anything is done has no log.
    log = "\n".join(["", "```text", *lines, "```", ""]) if lines else ""
    name = type(told.error).__name__
    return settled(f"## {failure.title}\n\n`{name}`:\n\n> {told.error}\n{log}")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.title)
def test_a_failure_says_what_happened_and_what_to_do(
    failure: Failure, cloud: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pauses between the calls that are turned away would take more than a minute.
    monkeypatch.setattr(RetryPolicy, "_pause", lambda self, state: 0.0)
    # The cloud's clock is moved ahead, which would be believed only after some time.
    monkeypatch.setattr(clock, "NEAR", 86_400.0)
    # Many jobs are polled first after some seconds.
    monkeypatch.setattr(consumer, "FIRST_POLL", 0.1)
    told = play(failure, cloud)
    assert type(told.error).__name__ == failure.error
    assert getattr(told.error, "cause", None) == failure.cause
    for words in failure.words:
        assert words in str(told.error)
    text = section(failure, told)
    if os.environ.get("WRITE_DOCS"):
        write(failure, text)
    assert text in PAGE.read_text(), "the page is out of date: the head of this file says how to write it anew"


def rows() -> dict[str, tuple[str | None, str, str]]:
    """Return what the page's table says of each failure: the cause, the exceptions and the advice."""
    (table,) = TABLE.findall(PAGE.read_text())
    found = {}
    for line in table.splitlines()[1:]:
        title, cause, error, advice = [cell.strip() for cell in line.strip("|").split("|")]
        found[title] = (cause.strip("`") or None, error, advice)
    return found


def test_each_row_of_the_table_is_played_through() -> None:
    table = rows()
    assert re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE) == [failure.title for failure in FAILURES]
    assert table.keys() == {failure.title for failure in FAILURES}
    for failure in FAILURES:
        cause, error, advice = table[failure.title]
        assert cause == failure.cause, failure.title
        assert error.startswith(f"`{failure.error}`"), failure.title
        assert advice, failure.title


def test_each_cause_is_in_the_table() -> None:
    assert {cause for cause, _, _ in rows().values()} == {None, *(cause.value for cause in Cause)}


def write(failure: Failure, text: str) -> None:
    """Put a section in the place of its predecessor."""
    old = re.compile(rf"^## {re.escape(failure.title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    page = PAGE.read_text()
    PAGE.write_text(old.sub(lambda _: f"{text}\n", page) if old.search(page) else f"{page.rstrip()}\n\n{text}")
