# SPDX-License-Identifier: Apache-2.0
"""The spans of a job, kept in memory; ``integration/test_observed.py`` has those of a real Airflow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.operators import JOB, PLACEMENT
from support.tasks import TaskRunner

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.exceptions import BatchJobFailedError, TransportError
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.record import STATE_KEY
from airflow_batch_events.waiting.traces import SUBMIT, WAIT, traced

pytestmark = pytest.mark.usefixtures("own_run")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Turn traces on, as Airflow does in its processes, and keep the spans."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")
    with provider.get_tracer("airflow").start_as_current_span("worker.t"):
        yield exporter
    provider.shutdown()


def submit(**settings: Any) -> TaskRunner:
    waits = {"topic_name": "events", "queue_name": "waits", "poll_interval": 0.1}
    given = {"task_id": "t", "job": JOB, "placement": PLACEMENT, **waits, **settings}
    return TaskRunner(lambda: BatchSubmitJobOperator(**given))


def by_name(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def named(context: Any) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_of(job_id: str) -> str | None:
    """Return what the job has in its environment."""
    tasks = BatchHook().send(batch.describe_job_submit_info(job_id))["Tasks"]
    found = {one["Name"]: one["Value"] for one in tasks[0].get("EnvVars") or []}
    return found.get("TRACEPARENT")


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_job_has_a_span_for_its_submission_and_one_for_the_wait(
    spans: InMemorySpanExporter, deferrable: bool
) -> None:
    outcome = submit(deferrable=deferrable).run()
    (submitted,), (waited,) = by_name(spans, SUBMIT), by_name(spans, WAIT)
    assert submitted.attributes == {"batch.job_name": "j", "batch.job_id": outcome["job_id"], "batch.submission": 1}
    assert waited.attributes is not None
    assert waited.attributes["batch.job_ids"] == (outcome["job_id"],)
    assert [named(link.context) for link in waited.links] == [named(submitted.context)]
    (end,) = waited.events
    assert end.name == (outcome["event_name"] or "poll")
    assert end.attributes == {
        "batch.job_id": outcome["job_id"],
        "batch.state": "SUCCEED",
        "batch.ended_by": outcome["source"],
    }


@pytest.mark.usefixtures("cloud")
def test_the_job_itself_finds_the_span_of_its_submission(spans: InMemorySpanExporter) -> None:
    job_id = submit(wait_for_completion=False).run()
    (submitted,) = by_name(spans, SUBMIT)
    assert trace_of(job_id) == named(submitted.context)


@pytest.mark.usefixtures("cloud")
def test_a_failed_job_fails_the_span_of_its_wait(spans: InMemorySpanExporter) -> None:
    application = {"DeliveryForm": "LOCAL", "Command": "scripted: outcome=failed exit_code=3"}
    task = {**JOB["Tasks"][0], "Application": application}
    with pytest.raises(BatchJobFailedError):
        submit(job={**JOB, "Tasks": [task]}).run()
    (waited,) = by_name(spans, WAIT)
    assert not waited.status.is_ok
    assert "FAILED" in (waited.status.description or "")


@pytest.mark.usefixtures("cloud")
def test_what_is_sent_again_has_the_trace_that_it_had(
    spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = submit(wait_for_completion=False)
    send = BatchHook.submit_job

    def lose_answer(*arguments: Any) -> str:
        send(*arguments)
        raise TransportError("the answer was lost")

    monkeypatch.setattr(BatchHook, "submit_job", lose_answer)
    with pytest.raises(TransportError):
        runner.run()
    monkeypatch.setattr(BatchHook, "submit_job", send)
    first = runner.store[STATE_KEY]
    job_id = runner.run()
    assert runner.store[STATE_KEY]["token"] == first["token"]
    (lost, sent) = by_name(spans, SUBMIT)
    assert trace_of(job_id) == first["traceparent"] == named(lost.context)
    assert [named(link.context) for link in sent.links] == [named(lost.context)]


@pytest.mark.usefixtures("cloud")
def test_a_try_that_is_traced_finds_the_job_of_one_that_was_not(
    monkeypatch: pytest.MonkeyPatch, spans: InMemorySpanExporter
) -> None:
    runner = submit(wait_for_completion=False)
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "False")
    job_id = runner.run()
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")
    assert runner.run() == job_id
    assert trace_of(job_id) is None


@pytest.mark.usefixtures("cloud")
def test_many_jobs_have_one_span_for_all(spans: InMemorySpanExporter) -> None:
    jobs = {"jobs": [JOB, JOB], "topic_name": "events", "queue_name": "waits"}
    first, _ = TaskRunner(lambda: BatchSubmitJobsOperator(task_id="t", placement=PLACEMENT, **jobs)).run()
    (submitted,), (waited,) = by_name(spans, SUBMIT), by_name(spans, WAIT)
    assert trace_of(first["job_id"]) == named(submitted.context)
    assert [named(link.context) for link in waited.links] == [named(submitted.context)]
    assert waited.attributes == {"batch.jobs": 2, "batch.queue": "waits", "batch.succeeded": 2}


def test_an_event_s_time_is_the_cloud_s(spans: InMemorySpanExporter) -> None:
    known = Outcome("job-1", "SUCCEED", succeeded=True, event_name="JOB_SUCCEED", event_time="2026-01-01T00:00:00Z")
    with traced(WAIT) as span:
        span.ended([known])
    (waited,) = by_name(spans, WAIT)
    assert waited.events[0].timestamp == 1_767_225_600 * 10**9


def test_without_traces_nothing_is_imported_and_nothing_happens() -> None:
    code = (
        "import sys\n"
        "from airflow_batch_events.waiting.traces import traced\n"
        "before = set(sys.modules)\n"
        "with traced('x', job='y') as span:\n"
        "    span.set(a=1); span.link('x'); span.ended([])\n"
        "    assert span.traceparent is None\n"
        "print(*(name for name in set(sys.modules) - before if name.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
