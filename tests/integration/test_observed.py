# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage and OpenTelemetry are told by a real Airflow of a run with Batch jobs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import MakeStack
from support.otlp import OtlpServer, ReceivedSpan

from airflow_batch_events.airflow_compat import abilities
from airflow_batch_events.protocol.apis.tdmq import delete_queue, delete_topic
from airflow_batch_events.protocol.sdk import SdkClient
from devtools.airflow_stack.airflow_api import AirflowApi
from devtools.emulator_process import CONN_ID, CloudAddress, provision
from devtools.waits import wait_until

DAG, TOPIC, QUEUE = "observed", "batch-events", "airflow-batch-events"
BUCKET = "cos://data-1250000000"


@dataclass
class Run:
    """A run that has ended, and what was told of it."""

    airflow: AirflowApi
    run_id: str
    lineage: Path
    otlp: OtlpServer

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind that OpenLineage was sent."""
        lines = self.lineage.read_text().splitlines() if self.lineage.exists() else []
        return [one for one in map(json.loads, lines) if one["eventType"] == kind]

    def told(self, task_id: str, kind: str) -> dict[str, Any]:
        """Return the event of a kind that OpenLineage was sent of a task."""

        def poll() -> dict[str, Any] | None:
            found = [one for one in self.events(kind) if one["job"]["name"] == f"{DAG}.{task_id}"]
            return found[-1] if found else None

        return wait_until(poll, failure=lambda: f"OpenLineage was sent no {kind} of {task_id}")

    def span(self, name: str, below: str) -> ReceivedSpan:
        """Return the span that is the child of one of the other name."""

        def poll() -> ReceivedSpan | None:
            parents = {(one.trace_id, one.span_id) for one in self.otlp.spans(below)}
            found = [one for one in self.otlp.spans(name) if (one.trace_id, one.parent_id) in parents]
            return found[0] if found else None

        return wait_until(poll, failure=lambda: f"no {name} below {below}")


@pytest.fixture(scope="module")
def run(make_stack: MakeStack, emulator: CloudAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    # Alone, because Airflow refuses files with end_from_trigger=True where it has listeners.
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(Path(__file__).parent / "dags" / "observed.py", dags)
    lineage = tmp_path_factory.mktemp("lineage") / "events"
    provision(emulator, TOPIC, QUEUE)
    with OtlpServer() as otlp:
        transport = {"type": "file", "log_file_path": str(lineage), "append": True}
        env = {**otlp.settings, "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
        with make_stack(dags={"observed": dags}, connections={CONN_ID: emulator.connection()}, env=env) as stack:
            stack.api.unpause(DAG)
            run_id = stack.api.trigger(DAG, {"command": "echo the trace is $TRACEPARENT"})
            assert stack.api.wait_for_run(DAG, run_id) == "success"
            yield Run(stack.api, run_id, lineage, otlp)
    with SdkClient(emulator.access()) as client:
        client.send(delete_queue(QUEUE))
        client.send(delete_topic(TOPIC))


def paths(datasets: list[dict[str, str]]) -> list[str]:
    return [f"{one['namespace']}/{one['name']}" for one in datasets]


def test_lineage_has_the_data_of_a_job_and_how_it_ended(run: Run) -> None:
    event = run.told("submit", "COMPLETE")
    assert paths(event["inputs"]) == [f"{BUCKET}/raw"]
    assert paths(event["outputs"]) == [f"{BUCKET}/clean/0", f"{BUCKET}/report"]
    job_id = run.airflow.xcom(DAG, run.run_id, "submit", key="job_id")
    facets = event["run"]["facets"]
    assert facets["externalQuery"]["externalQueryId"] == job_id
    (ended,) = facets["tencentBatch"]["jobs"]
    assert (ended["jobId"], ended["state"]) == (job_id, "SUCCEED")
    assert event["job"]["facets"]["tencentBatch"]["jobName"] == "observed-0"


def test_lineage_has_the_data_of_jobs_that_others_have_submitted(run: Run) -> None:
    event = run.told("wait", "COMPLETE")
    assert (paths(event["inputs"]), paths(event["outputs"])) == ([f"{BUCKET}/raw"], [f"{BUCKET}/clean/0"])


def test_lineage_has_the_data_of_many_jobs(run: Run) -> None:
    event = run.told("many", "COMPLETE")
    assert paths(event["outputs"]) == [f"{BUCKET}/clean/1", f"{BUCKET}/clean/2"]
    assert event["run"]["facets"]["tencentBatch"]["succeeded"] == 2


@pytest.mark.needs("HAS_TASK_SPANS")
def test_the_trace_leads_from_the_task_to_the_job_and_its_end(run: Run) -> None:
    job_id = run.airflow.xcom(DAG, run.run_id, "submit", key="job_id")
    outcome = run.airflow.xcom(DAG, run.run_id, "submit")
    submitted = run.span("batch.submit", below="worker.submit")
    assert submitted.attributes["batch.job_id"] == job_id
    waited = run.span("batch.wait", below="trigger.submit")
    assert waited.trace_id == submitted.trace_id
    assert (waited.attributes["batch.job_ids"], waited.links) == ([job_id], [submitted.span_id])
    assert waited.events == [outcome["event_name"] or "poll"]
    log = run.airflow.log(DAG, run.run_id, "submit")
    parent = submitted.span_id if abilities.HAS_STATE_STORE else ""
    assert f"the trace is 00-{submitted.trace_id}-{parent}" in log


@pytest.mark.needs("HAS_TASK_SPANS", "HAS_STATE_STORE")
def test_many_jobs_have_one_wait_in_the_trace(run: Run) -> None:
    submitted = run.span("batch.submit", below="worker.many")
    waited = run.span("batch.wait", below="trigger.many")
    assert waited.links == [submitted.span_id]
    assert waited.attributes["batch.succeeded"] == 2
